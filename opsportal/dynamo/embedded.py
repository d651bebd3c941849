"""The embedded engine of the first run: dynoxide, one static binary that speaks DynamoDB over SQLite.

It is fetched once with ``npm pack`` and unpacked only if its sha512 is the pinned one. What cannot be
had (no npm, no package for this platform, no network) raises :class:`EngineUnavailableError`, whose text is
one sentence for people; ``make run`` then falls back to moto.
"""

import base64
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

VERSION = "1.2.1"


class Package(NamedTuple):
    """An npm package that holds the binary as ``package/dynoxide``, and the sha512 of its tarball."""

    name: str
    sha512: str


# Only this platform's package is published for this version.
PACKAGES = {
    ("Linux", "x86_64"): Package(
        "@dynoxide/linux-x64",
        "sBHqlxJ9ANkLluFkYRfd5r8Y0ApFew4FhOrlhgRAgD4XzEoFOukEo1nuBTQ1+jTtofqwn4NWQ2k0Tn5mNTjgUg==",
    ),
}


class EngineUnavailableError(Exception):
    """There is no embedded engine here; the text says why."""


def this_package() -> Package:
    """The package for this machine. Raises EngineUnavailableError."""
    machine = platform.system(), platform.machine()
    if machine not in PACKAGES:
        raise EngineUnavailableError(f"dynoxide {VERSION} has no binary for {' '.join(machine)}")
    return PACKAGES[machine]


def sha512_of(file: Path) -> str:
    """A file's sha512 in base64, as npm's integrity field has it."""
    return base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()


def binary_path(data_dir: Path) -> Path:
    """Where the engine is, or will be."""
    return data_dir.resolve() / "engine" / VERSION / "dynoxide"


def ensure_binary(data_dir: Path) -> Path:
    """The engine's path; fetched first if it is not there.

    Two processes may call this at once. Raises EngineUnavailableError.
    """
    binary = binary_path(data_dir)
    if binary.exists():
        return binary
    package = this_package()
    home = binary.parent
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # freed by the kernel, also when we are killed
        if not binary.exists():
            work = home / "unpacking"  # beside its final place, so that the rename is atomic
            shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
            work.mkdir()
            _unpack(_fetch(package, work), package, work).replace(binary)
            shutil.rmtree(work)
    return binary


def start_command(binary: Path, port: int, db_path: Path | None = None) -> list[str]:
    """The command line that serves loopback ``port`` from ``db_path`` (None: memory)."""
    command = [str(binary), "--host", "127.0.0.1", "--port", str(port)]
    return command if db_path is None else [*command, "--db-path", str(db_path)]


def moto_command(port: int) -> list[str]:
    """The command line of the fallback, moto's server on loopback ``port``: in memory, one process."""
    return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]


def _fetch(package: Package, work: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise EngineUnavailableError("npm is not installed, which fetches dynoxide")
    spec = f"{package.name}@{VERSION}"
    try:
        subprocess.run(  # noqa: S603 (a list, no shell)
            [npm, "pack", spec, "--loglevel=error", "--fetch-retries=1", "--pack-destination", str(work)],
            cwd=work,
            check=True,
            capture_output=True,
            timeout=180,
        )
        return next(work.glob("*.tgz"))
    except (subprocess.SubprocessError, OSError, StopIteration) as error:
        raise EngineUnavailableError(f"`npm pack {spec}` failed ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode(errors="replace").strip().splitlines()
        return said[0] if said else f"exit {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no end within {error.timeout:g} s"
    return str(error) or "it left no package"


def _unpack(tarball: Path, package: Package, work: Path) -> Path:
    digest = sha512_of(tarball)
    if digest != package.sha512:
        raise EngineUnavailableError(
            f"the sha512 of {package.name}@{VERSION} is {digest}, not the pinned one; it was not unpacked"
        )
    binary = work / "dynoxide"
    with tarfile.open(tarball) as archive:
        source = archive.extractfile("package/dynoxide")
        if source is None:
            raise EngineUnavailableError(f"{package.name}@{VERSION} holds no dynoxide")
        with source, binary.open("wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
    binary.chmod(0o755)
    return binary


if __name__ == "__main__":
    # `make test` fetches once, before its workers would all ask for it.
    try:
        print(ensure_binary(Path(sys.argv[1])))
    except EngineUnavailableError as unavailable:
        sys.exit(f"The embedded engine is not available: {unavailable}.")
