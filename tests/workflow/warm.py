"""A stand-in for `python` in a workflow and its jobs: it forks a process that has imported the large libraries.

To import them takes two seconds of every job, of which a study of seconds has a dozen. Nothing of this repository is
imported before the fork, so a job runs the code of its own folder.
"""

import array
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

MODULES = ("asura", "snakemake")
"""What is run in a fork; anything else, in a process of its own."""
LARGE = (
    *("snakemake.cli", "torch", "pandas", "scipy.stats", "seaborn", "matplotlib.figure"),
    *("pydantic", "safetensors.torch", "typer"),
)
PROGRAM = """\
#!/bin/sh
exec '{python}' -IS '{client}' "$@"
"""
CLIENT = """\
import array, os, socket, struct, sys
if sys.argv[1:2] != ["-m"] or sys.argv[2] not in {modules!r}:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
said = b"\\0".join(map(os.fsencode, [os.getcwd(), str(len(sys.argv) - 2), *sys.argv[2:]]))
said += b"\\0" + b"\\0".join(os.fsencode(key) + b"=" + os.fsencode(value) for key, value in os.environ.items())
descriptors = array.array("i", [0, 1, 2])
server.sendmsg([struct.pack("I", len(said))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
server.sendall(said)
code = server.recv(4)
sys.exit(struct.unpack("i", code)[0] & 255 if code else 1)
"""


def start(folder: Path) -> subprocess.Popen:
    """Start the server; `folder` then has a program `python`, and a file `first` with which bash puts it first."""
    address, client = str(folder / "socket"), folder / "client.py"
    client.write_text(CLIENT.format(python=sys.executable, address=address, modules=MODULES))
    (folder / "python").write_text(PROGRAM.format(python=sys.executable, client=client))
    (folder / "python").chmod(0o755)
    (folder / "first").write_text(f"PATH='{folder}':$PATH\n")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        command = [sys.executable, __file__, str(server.fileno())]
        return subprocess.Popen(command, pass_fds=[server.fileno()])


def _serve(server: socket.socket) -> None:
    """Fork for each client, until the process that started this one is gone."""
    for name in LARGE:
        __import__(name)
    parent = os.getppid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    server.settimeout(5)
    while os.getppid() == parent:
        with suppress(TimeoutError):
            client, _ = server.accept()
            if not os.fork():
                server.close()
                _answer(client)
            client.close()


def _answer(client: socket.socket) -> None:
    """Run what was asked for in a process of its own, and say with which code it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    job = os.fork()
    if not job:
        _run(client)
    _, status = os.waitpid(job, 0)
    client.sendall(struct.pack("i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _run(client: socket.socket) -> None:
    """Become the process that was asked for."""
    size, passed, *_ = client.recvmsg(4, socket.CMSG_SPACE(12))
    descriptors = array.array("i", passed[0][2])
    said = b""
    while len(said) < struct.unpack("I", size)[0]:
        said += client.recv(1 << 16)
    folder, count, *rest = map(os.fsdecode, said.split(b"\0"))
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    os.environ.clear()
    pairs = (part.partition("=") for part in rest[int(count) :])
    os.environ.update({key: value for key, _, value in pairs})
    os.chdir(folder)
    sys.path[:0] = [folder, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    module, *arguments = rest[: int(count)]
    sys.argv = [module, *arguments]
    client.close()
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    _serve(socket.socket(fileno=int(sys.argv[1])))
