"""The relational part of the tests on PostgreSQL: ``python scripts/postgres.py [arguments for pytest]``.

Where PostgreSQL is installed (Debian's package `postgresql`), starts a cluster of its own in a temporary directory, as
an ordinary user and on a Unix socket alone, runs those tests on it and removes it. Where it is not, says so in a line.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What lives in the relational database: accounts, tokens, sessions, the shared cache, rate limits, migrations.
TESTS = ["tests/accounts", "tests/alerts", "tests/api/test_guards.py", "tests/deploy/test_database.py"]
# PostgreSQL refuses to run as root; Debian's package makes the first of these.
USERS = ("postgres", "nobody")


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl: on PATH, or Debian's newest."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return installed[-1].parent if installed else None


def ordinary_user() -> tuple[list[str], pwd.struct_passwd]:
    """What precedes a command so that it runs as an ordinary user, and who that is."""
    if os.getuid():
        return [], pwd.getpwuid(os.getuid())
    for name in USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"], user
    raise SystemExit(f"None of the users {', '.join(USERS)} exists here; run this as an ordinary user.")


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A running cluster for the time of the block; yields its DATABASE_URL."""
    drop, user = ordinary_user()
    home = Path(tempfile.mkdtemp(prefix="opsportal-pg-"))  # short: a socket's path has 107 bytes at most
    data = home / "data"
    os.chown(home, user.pw_uid, user.pw_gid)
    name = user.pw_name
    # Tests' data is made again at will: nothing needs to reach the disk.
    options = (
        f"-k {home} -c listen_addresses='' -c fsync=off -c full_page_writes=off -c synchronous_commit=off"
    )
    try:
        initdb = [
            "--pgdata",
            str(data),
            "--username",
            name,
            "--auth",
            "trust",
            "--no-sync",
            "--encoding",
            "UTF8",
        ]
        _run([*drop, str(folder / "initdb"), *initdb, "--locale", "C"], home)
        log = str(home / "log")
        _run([*drop, str(folder / "pg_ctl"), "start", "-w", "-D", str(data), "-l", log, "-o", options], home)
        try:
            yield f"postgres://{name}@/postgres?host={home}"
        finally:
            _run([*drop, str(folder / "pg_ctl"), "stop", "-w", "-m", "immediate", "-D", str(data)], home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(command: list[str], home: Path) -> None:
    done = subprocess.run(command, cwd=home, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def main(arguments: list[str]) -> int:
    folder = binaries()
    if folder is None:
        print("PostgreSQL is not installed: its tests were not run (Debian: apt-get install postgresql).")
        return 0
    # So that Ctrl-C and a supervisor's TERM end the cluster as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"The relational part on PostgreSQL ({folder}):", flush=True)
    with cluster(folder) as url:
        # `make test ENGINE=moto` is for where there is no other.
        engine = "moto" if os.environ.get("ENGINE") == "moto" else "dynoxide"
        # Two processes, each with a database of its own: more would take longer to migrate than they save.
        parallel = ["--numprocesses", "2", "--dist", "worksteal"]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "not long",
            *parallel,
            "--engine",
            engine,
            *(arguments or TESTS),
        ]
        return subprocess.run(command, cwd=ROOT, env=os.environ | {"TEST_DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
