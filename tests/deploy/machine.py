"""A machine as a deployment has it, as far as one can be made here: the packages of requirements/production.txt and
no others, the tree read-only, an ordinary user, and one directory that it may write to."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

ROOT = Path(__file__).resolve().parents[2]
TREE = ("opsportal", "tracking", "requests_app", "registry", "writers", "templates", "static")
NOBODY = 65534
SECRET = "k4mQ9zX1vB7nL2wE8rT5yU3iO6pA0sDfGhJcVbNqWzRxYtSuKe_-"


@dataclass
class Machine:
    """`environ` is all that a process gets."""

    home: Path
    environ: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        return as_nobody(str(self.home / "venv" / "bin" / "python"), "-m", "opsportal.serve", *arguments)

    def run(self, *arguments: str, said: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """`said`: its standard input."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environ | environ,
            cwd=self.home / "tree",
            capture_output=True,
            text=True,
            timeout=60,
            input=said,
        )

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Its output goes to <first argument>.out and .err in the writable directory."""
        with (self.log(arguments[0], "out")).open("w") as out, self.log(arguments[0], "err").open("w") as err:
            process = subprocess.Popen(
                self.command(*arguments),
                env=self.environ | environ,
                cwd=self.home / "tree",
                stdout=out,
                stderr=err,
                text=True,
            )
        self.started.append(process)
        return process

    def until_answered(self, name: str, port: int, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not ask(port, "/healthz")[0]:
            assert time.monotonic() < deadline, self.log(name, "err").read_text()
            time.sleep(0.05)

    def log(self, name: str, stream: str) -> Path:
        return self.home / f"{name}.{stream}"

    def lines(self, name: str, stream: str) -> list[dict[str, Any]]:
        """Every line of a log, each of which must be JSON."""
        return [json.loads(line) for line in self.log(name, stream).read_text().splitlines()]


@contextlib.contextmanager
def machine() -> Iterator[Machine]:
    """Ends what was started on it."""
    home = Path(tempfile.mkdtemp(prefix="opsportal-machine-"))  # pytest's own is closed to other users
    made = None
    try:
        home.chmod(0o755)
        subprocess.run([python_of_all(), "-m", "venv", "--without-pip", home / "venv"], check=True)
        (site,) = (home / "venv" / "lib").glob("python*/site-packages")
        install(site)
        (home / "tree").mkdir()
        for name in TREE:
            shutil.copytree(ROOT / name, home / "tree" / name)
        shutil.copy2(ROOT / "manage.py", home / "tree")
        # As the image does: nobody can keep compiled code here later.
        subprocess.run(
            [home / "venv" / "bin" / "python", "-m", "compileall", "-q", home / "tree"], check=True
        )
        for path in (home / "tree").rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        (home / "tree").chmod(0o555)
        (home / "tmp").mkdir(mode=0o777)
        (home / "tmp").chmod(0o777)
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "TMPDIR": str(home / "tmp"),
            "DATA_DIR": str(home / "tmp"),
            "STATIC_ROOT": str(home / "static"),
            "OPSPORTAL_ENV": "prod",
            "SECRET_KEY": SECRET,
            "ALLOWED_HOSTS": "ops.example.com",
            "TRUST_X_FORWARDED_PROTO": "1",
            "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        made = Machine(home, environ)
        readable = as_nobody(str(home / "venv" / "bin" / "python"), "-c", "import django, opsportal")
        if subprocess.run(readable, cwd=home / "tree", capture_output=True, timeout=60).returncode:
            pytest.skip(f"an ordinary user can't read {sys.prefix}")
        yield made
    finally:
        for process in made.started if made else ():
            if process.poll() is None:
                process.kill()
                process.wait()
        subprocess.run(["chmod", "-R", "u+w", str(home)], check=False)
        shutil.rmtree(home, ignore_errors=True)


def collect(here: Machine) -> None:
    """Its static files, as the image's build does it, but for the compression, which takes 6 s."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    with override_settings(
        STATIC_ROOT=str(here.home / "static"), STORAGES=settings.STORAGES | {"staticfiles": plain}
    ):
        call_command("collectstatic", verbosity=0, interactive=False)


def as_nobody(*command: str) -> list[str]:
    """`command` as an ordinary user: nobody, where we are root. Through a shell, since what setpriv itself starts is
    found with its own rights."""
    if os.getuid():
        return [*command]
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
    return ["setpriv", *user, "/bin/sh", "-c", 'exec "$0" "$@"', *command]


def python_of_all() -> str:
    """A Python of this version that an ordinary user may start: ours may lie in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys._base_executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):  # type: ignore[attr-defined]
        if (
            subprocess.run(as_nobody(python, "-c", "import venv"), capture_output=True, cwd="/").returncode
            == 0
        ):
            return python
    pytest.skip(f"an ordinary user finds no {version} here")


def install(site: Path) -> None:
    """Link the packages that the lock of production names, from where the tests have them."""
    lock = (ROOT / "requirements" / "production.txt").read_text()
    for name, marker in re.findall(r"^([\w.-]+)==[^ ;]+ *(?:; *([^\\]*))?", lock, re.MULTILINE):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            assert marker, f"{name} of requirements/production.txt is not installed"
            continue  # another platform's
        base = Path(str(found.locate_file("")))
        for top in {Path(str(file)).parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            link = site / top
            if not link.exists():
                link.symlink_to(base / top)


def ask(port: int, path: str, **headers: str) -> tuple[int, str]:
    """Status and body; (0, "") where nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()
