"""What `make run` does before the console serves, in the web server's first process (`opsportal.run.gunicorn_conf`).

Migrates the relational database and collects static files; with the embedded engine also creates the
tables, the demo users and, once per database, the demo data. Every step may be repeated, and a second
run is quick. Read from the environment: DEMO, DEMO_PASSWORD, DATA_DIR, OPSPORTAL_DEMO_DATABASE.
"""

import contextlib
import functools
import hashlib
import os
import secrets
import signal
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from opsportal.dynamo.errors import DynamoError
from opsportal.run.environment import PASSWORD_FILE, ROLES, keep_secret, kept_secret

# Seconds. Who started the engine says before that why it is not there.
ENGINE_SECONDS = 60
# Beside the engine's database, and gone with it; a volatile engine has no such file.
LOADED_SUFFIX = ".demo-loaded"


def say(text: str) -> None:
    print(text, flush=True)


def migrate_accounts() -> None:
    """Bring the relational database, and the cache table of the rate limits, up to date."""
    from django.core.management import call_command

    if not is_migrated():
        call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)


def is_migrated() -> bool:
    """Whether `migrate` has nothing to do, by two queries: to plan nothing takes it a sixth of the second start."""
    from django.apps import apps
    from django.contrib.auth.models import Group
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    from opsportal.accounts.roles import permissions_of

    files = {
        (config.label, file.stem)
        for config in apps.get_app_configs()
        for file in Path(config.path, "migrations").glob("[!_~]*.py")
    }
    if not files <= MigrationRecorder(connection).applied_migrations().keys():
        return False
    # After it, the groups hold what the descriptors say.
    held = Group.objects.filter(permissions__isnull=False).values_list(
        "name", "permissions__content_type__app_label", "permissions__codename"
    )
    wanted = {
        (role, *permission.split(".", 1)) for role in ROLES.values() for permission in permissions_of(role)
    }
    return wanted == {one for one in held if one[0] in ROLES.values()}


def collect_static(data_dir: Path) -> bool:
    """Collect and compress static files if any of them changed; whether it did."""
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    digest = hashlib.sha256(str(settings.STATIC_ROOT).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            stat = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    # Not in STATIC_ROOT, which is served. Written last: an interrupted run collects again.
    stamp = data_dir / "static.sha256"
    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if manifest.exists() and stamp.exists() and stamp.read_text() == digest.hexdigest():
        return False
    say("Collecting static files ...")
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
    stamp.write_text(digest.hexdigest())
    return True


def make_demo_users(data_dir: Path, chosen: str) -> None:
    """One user per role, all with the ``chosen`` password, or a random one that is kept.

    A password that somebody changed in the console stays, unless another one is chosen now.
    """
    from django.contrib.auth import get_user_model

    from opsportal.accounts.roles import create_user

    file = data_dir / PASSWORD_FILE
    password = chosen or kept_secret(file, lambda: secrets.token_urlsafe(9))
    changed = not file.exists() or file.read_text().strip() != password
    existing = set(get_user_model().objects.filter(username__in=ROLES).values_list("username", flat=True))
    for username, role in ROLES.items():
        if changed or username not in existing:
            create_user(username, role, password, update=True)
    keep_secret(file, password)


def load_demo_once(database: str, *, hostile: bool) -> None:
    """Fill the tables with demo data, once per engine database ("" is a volatile engine)."""
    from django.core.management import call_command

    suffix = f"{LOADED_SUFFIX}-hostile" if hostile else LOADED_SUFFIX
    stamp = Path(database + suffix) if database else None
    if stamp and stamp.exists():
        return
    say("Loading demo data ...")
    call_command("load_demo", hostile=hostile)
    if stamp:
        stamp.touch()


def wait_for_engine() -> None:
    """It starts while Django is loaded."""
    address = urlsplit(os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
    deadline = time.monotonic() + ENGINE_SECONDS
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((address.hostname or "", address.port or 0), timeout=1),
        ):
            return
        time.sleep(0.005)


@functools.cache  # SIGHUP reads gunicorn's settings again
def prepare() -> str:
    """Why the console cannot be served, in a sentence; "" when all is done. Django is loaded."""
    from django.conf import settings

    # Until gunicorn listens, which has a handler of its own then, a signal ends it at once.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    migrate_accounts()
    collect_static(settings.DATA_DIR)
    if "OPSPORTAL_DEMO_DATABASE" not in os.environ:
        return ""
    # The engine is ours, so its tables are too.
    from opsportal.dynamo.plans import migrate

    wait_for_engine()
    said: list[str] = []
    try:
        # The hostile demo data holds items that an index rejects, or that are in none, on purpose.
        if migrate(said.append, accept_index_rejects=True, accept_unlisted=True):
            say("\n".join(said))
        make_demo_users(settings.DATA_DIR, os.environ.get("DEMO_PASSWORD", ""))
        demo = os.environ.get("DEMO") or "1"
        if demo != "0":
            load_demo_once(os.environ["OPSPORTAL_DEMO_DATABASE"], hostile=demo == "hostile")
    except DynamoError as error:
        return f"The tables could not be created: {error.sentence} {error.fix}".rstrip()
    return ""
