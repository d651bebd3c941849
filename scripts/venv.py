"""Make .venv hold what a lock says: ``python3 scripts/venv.py demo|dev``. Quick when it already does.

Standard library only, since it runs before anything is installed. ``dev`` includes ``demo``. The stamp
in .venv names the locks that it was made from and is written last: without it, .venv is half-made
(a download that was interrupted, say) and is made again.
"""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ["demo", "dev"]  # each includes those before it


class RefusalError(Exception):
    """The environment cannot be made; the text is one sentence with the fix."""


def lock_of(root: Path, layer: str) -> str:
    """A line of the stamp: a layer and the digest of its lock."""
    digest = hashlib.sha256((root / "requirements" / f"{layer}.txt").read_bytes())
    return f"{layer} {digest.hexdigest()}"


def works(venv: Path) -> bool:
    """Whether the environment's Python starts and is a version that the console runs on."""
    check = "import sys, importlib.util as u; sys.exit(sys.version_info < (3, 11) or not u.find_spec('pip'))"
    try:
        return subprocess.run([venv / "bin" / "python", "-c", check], capture_output=True).returncode == 0
    except OSError:  # its Python was removed or replaced
        return False


def ensure(root: Path, layer: str) -> str:
    """Bring ``root/.venv`` to ``layer``; what was done: "kept", "extended" or "made". Raises RefusalError."""
    venv = root / ".venv"
    stamp = venv / "locks"
    wanted = [lock_of(root, name) for name in LAYERS[: LAYERS.index(layer) + 1]]
    found = stamp.read_text().splitlines() if stamp.exists() else []
    current = [lock_of(root, name) for name in LAYERS]
    if set(wanted) <= set(found) and works(venv):
        return "kept"
    # More of the same locks can be added; anything else is started over, so that nothing old remains.
    extend = bool(found) and set(found) <= set(current) and works(venv)
    stamp.unlink(missing_ok=True)
    if not extend:
        make(venv)
    install(venv, root / "requirements" / f"{layer}.txt")
    stamp.write_text("\n".join(wanted) + "\n")
    return "extended" if extend else "made"


def make(venv: Path) -> None:
    print(f"Making {venv.name} ...", flush=True)
    try:
        import ensurepip  # noqa: F401
        import venv as _  # noqa: F401
    except ImportError as error:
        raise RefusalError(
            "Python's venv module is missing: install it (Debian and Ubuntu: `apt-get install python3-venv`) "
            "and run this again."
        ) from error
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    if subprocess.run(command).returncode:
        raise RefusalError(f"`{' '.join(command)}` failed: what it said is above.")


def install(venv: Path, lock: Path) -> None:
    print(f"Installing requirements/{lock.name} ...", flush=True)
    options = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]
    options += ["--require-hashes", "--no-deps", "--requirement", str(lock)]
    if subprocess.run([venv / "bin" / "python", "-m", "pip", "install", *options]).returncode:
        raise RefusalError(
            f"The packages of requirements/{lock.name} could not be installed: see above, then run this again."
        )


def main() -> int:
    layer = sys.argv[1]
    try:
        # One at a time: `make run` and `make test` may be started together on a fresh clone.
        with Path(__file__).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ensure(ROOT, layer)
    except RefusalError as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
