"""The one entry point of a deployment: ``python -m opsportal.serve web|worker|migrate|check|health|manage``.

    web              the web server, on WEB_BIND
    worker [...]     the worker; more arguments as in manage.py worker
    migrate          the relational database: migrations and the table of the shared cache. No DynamoDB table
    check            may this configuration go live? settings, deployment checks, database, pending migrations
    health [worker]  0 when the web server (or the worker's port) of this machine answers /healthz
    manage [...]     any other command of manage.py

Each does what it says and no more: the web server never migrates, so that many may start at once.
"""

import http.client
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from opsportal.server.environment import BIND, Numbers, addresses

BASE_DIR = Path(__file__).resolve().parent.parent
# Seconds.
PROBE_TIMEOUT = 4


def web(arguments: Sequence[str]) -> int:
    """Become gunicorn, which gets this process's signals itself. What the settings refuse is said before."""
    from django.core.exceptions import ImproperlyConfigured

    try:
        import opsportal.settings  # noqa: F401

        Numbers.read(os.environ)
        addresses(os.environ)
    except (ImproperlyConfigured, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    # Of what a thread has given back, glibc keeps up to 8 heaps for each core: of the 78 MB of a worker 3 to 5.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    config = Path(__file__).with_name("gunicorn_conf.py")
    command = [sys.executable, "-m", "gunicorn", "--config", str(config), "--chdir", str(BASE_DIR)]
    _become([*command, *arguments, "opsportal.wsgi"])
    return 0


def worker(arguments: Sequence[str]) -> int:
    return _manage("worker", *arguments)


def migrate(arguments: Sequence[str]) -> int:
    """Safe to repeat. Nothing in it deletes data that the version before needs (docs/upgrade.md)."""
    return _manage("migrate", "--noinput", *arguments) or _manage("createcachetable")


def check(arguments: Sequence[str]) -> int:
    """Django's deployment checks, and those of the database; then whether a migration is pending."""
    checks = ["check", "--deploy", "--database", "default", "--fail-level", "WARNING"]
    if status := _manage(*checks, *arguments):
        return status
    if status := _manage("migrate", "--check"):
        print("Migrations are pending: python -m opsportal.serve migrate", file=sys.stderr)
        return status
    return 0


def health(arguments: Sequence[str]) -> int:
    """For a container's health check: whether /healthz of this machine answers 200."""
    if arguments and arguments[0] == "worker":
        name, given = "METRICS_WORKER_PORT", os.environ.get("METRICS_WORKER_PORT", "0").strip()
        host, port = os.environ.get("METRICS_WORKER_HOST", "").strip(), given
    else:
        name, given = "WEB_BIND", os.environ.get("WEB_BIND", BIND).partition(",")[0].strip()
        host, _, port = given.rpartition(":")
    if not (port.isascii() and port.isdecimal()):
        print(f"{name} is {given!r}, which names no port to ask.", file=sys.stderr)
        return 1
    host = host.strip("[]")
    # What listens on every address is asked on loopback.
    connection = http.client.HTTPConnection(
        {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host),  # noqa: S104 (not bound here)
        int(port),
        timeout=PROBE_TIMEOUT,
    )
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"/healthz on port {port}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    if status != http.client.OK:
        print(f"/healthz on port {port}: {status}", file=sys.stderr)
    return int(status != http.client.OK)


def manage(arguments: Sequence[str]) -> int:
    return _manage(*arguments)


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    function.__name__: function for function in (web, worker, migrate, check, health, manage)
}


def _manage(*arguments: str) -> int:
    """manage.py in this process; its exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(["manage.py", *arguments])
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)  # a sentence with its fix; the trace says nothing more
        return 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _become(command: list[str]) -> None:
    sys.stdout.flush()
    os.chdir(BASE_DIR)
    os.execv(command[0], command)  # noqa: S606 (no shell, by design)


def main(arguments: Sequence[str]) -> int:
    if not arguments or arguments[0] not in COMMANDS:
        print(__doc__, file=sys.stderr)
        return 2
    return COMMANDS[arguments[0]](arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
