"""A SLURM of one node on the loopback, from Debian's packages unpacked into a folder: nothing is installed by it.

What is installed would be seen by every other start of Snakemake on the machine, whose plugin asks a controller that is
not there, and waits. So the commands stand in a folder of their own, which only those who are given its `environment`
have on their path. They are wrapped, because Snakemake takes SLURM_CONF away from the inner srun.
"""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
GPUS = ("/dev/null", "/dev/zero")
"""Nothing opens them."""
CPUS = 4
MEMORY_MB = 32_000
PATIENCE = 180
"""Seconds in which a daemon or a node must have done what it was asked."""

CONFIGURATION = """\
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ReturnToService=1
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=86400
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Unavailable(Exception):
    """SLURM cannot be had here, and why."""


class Slurm:
    """Packages are fetched when it is made, daemons run between `start` and `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = socket.gethostname().split(".")[0]
        self._unpacked = _unpack(folder)
        self._libraries = next(self._unpacked.glob("usr/lib/*/slurm-wlm"))
        self._own = {
            "LD_LIBRARY_PATH": f"{self._libraries.parent}:{self._libraries}",
            "SLURM_CONF": str(folder / "slurm.conf"),
        }
        self._daemons: dict[str, subprocess.Popen] = {}
        self._configure()
        self._wrap_commands()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of one who uses this cluster."""
        return os.environ | {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def start(self) -> None:
        """Start the daemons, and wait until the node takes jobs."""
        self._spawn("munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", *self._munge_files())
        self.wait_for(lambda: (self.folder / "munge.socket").exists())
        self.start_controller()
        self._spawn("slurmd", "-D", "-d", str(self._unpacked / "usr/sbin/slurmstepd"))
        self.wait_for(lambda: self.node_state() == "idle")

    def stop(self) -> None:
        """Cancel all jobs, and end the daemons."""
        if "slurmd" in self._daemons:
            self.ask("scancel", "--user", getpass.getuser())
            self.wait_for(lambda: not self.running())
        for name in reversed(list(self._daemons)):
            self._end(name)

    def start_controller(self) -> None:
        self._spawn("slurmctld", "-D")
        self.wait_for(lambda: "UP" in self.ask("scontrol", "ping"))

    def stop_controller(self) -> None:
        self._end("slurmctld")

    def ask(self, *command: str) -> str:
        """What a command of SLURM prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def node_state(self) -> str:
        return self.ask("sinfo", "--noheader", "--format=%T")

    def jobs(self, *fields: str) -> list[list[str]]:
        """Fields of each job as squeue names them, in the order of submission; past ones too."""
        form = ",".join(f"{field}:100" for field in fields)
        lines = self.ask("squeue", "--noheader", "--states=all", "--sort=i", f"--Format={form}").splitlines()
        return [line.split() for line in lines]

    def running(self) -> list[str]:
        """Numbers of the jobs that run, or wait for it."""
        return self.ask("squeue", "--noheader", "--format=%A").split()

    def wait_for(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until the condition holds. Raises TimeoutError, with what the daemons said last."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("\n".join(self._log(name).read_text()[-2000:] for name in self._daemons))
            time.sleep(0.25)

    def _munge_files(self) -> list[str]:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        return [f"--{name}-file={self.folder}/munge.{name}" for name in ("key", "pid", "seed", "log")]

    def _configure(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        controller_port, node_port = _free_ports(2)
        configuration = CONFIGURATION.format(
            host=self.host,
            user=getpass.getuser(),
            folder=self.folder,
            plugins=self._libraries,
            controller_port=controller_port,
            node_port=node_port,
            cpus=CPUS,
            memory=MEMORY_MB,
            gpus=len(GPUS),
        )
        (self.folder / "slurm.conf").write_text(configuration)
        (self.folder / "gres.conf").write_text("".join(f"Name=gpu File={device}\n" for device in GPUS))

    def _wrap_commands(self) -> None:
        own = " ".join(f"{name}={value}" for name, value in self._own.items())
        for command in (self._unpacked / "usr/bin").iterdir():
            wrapper = self.folder / "bin" / command.name
            wrapper.parent.mkdir(exist_ok=True)
            wrapper.write_text(f'#!/bin/sh\nexec env {own} {command} "$@"\n')
            wrapper.chmod(0o755)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _spawn(self, name: str, *arguments: str) -> None:
        with self._log(name).open("a") as log:
            command = [str(self._unpacked / "usr/sbin" / name), *arguments]
            environment = self.environment | self._own
            self._daemons[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.terminate()
        daemon.wait(PATIENCE)


def _unpack(folder: Path) -> Path:
    """Fetch the packages, and what they need that this machine lacks, and unpack them. Raises Unavailable."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Unavailable("there is no apt-get here to fetch SLURM with")
    archives, unpacked = folder / "archives", folder / "packages"
    (archives / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=true", "--no-install-recommends"]
    fetch = ["apt-get", "install", "--download-only", "--yes", "--quiet", *options, *PACKAGES]
    done = subprocess.run(fetch, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"apt-get cannot fetch SLURM: {done.stderr.strip().splitlines()[-1]}")
    for archive in archives.glob("*.deb"):
        subprocess.run(["dpkg", "--extract", archive, unpacked], check=True)
    for daemon in (unpacked / "usr/sbin").glob("slurm*-wlm"):  # they look at the name they are called by
        daemon.rename(daemon.with_name(daemon.name.removesuffix("-wlm")))
    return unpacked


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
