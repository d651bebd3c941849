"""What `make run` does with Django before the console serves: ``python -m opsportal.run.prepare``.

Migrates the relational database and collects static files; with the embedded engine also creates the
tables, the demo users and, once per database, the demo data. Every step may be repeated, and a second
run is quick. Read from the environment: DEMO, DEMO_PASSWORD, DATA_DIR, OPSPORTAL_DEMO_DATABASE.
"""

import hashlib
import os
import secrets
import sys
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured

from opsportal.dynamo.errors import DynamoError
from opsportal.run.environment import keep_secret, kept_secret

ROLES = {"viewer": "viewer", "operator": "operator", "admin": "administrator"}
PASSWORD_FILE = "demo_password"  # noqa: S105 (a file's name)
# Beside the engine's database, and gone with it; a volatile engine has no such file.
LOADED_SUFFIX = ".demo-loaded"


def say(text: str) -> None:
    print(text, flush=True)


def migrate_accounts() -> None:
    """Bring the relational database, and the cache table of the rate limits, up to date."""
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    call_command("createcachetable", verbosity=0)


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


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
    try:
        django.setup()
        from django.conf import settings

        migrate_accounts()
        collect_static(settings.DATA_DIR)
        if "OPSPORTAL_DEMO_DATABASE" in os.environ:  # the engine is ours, so its tables are too
            from opsportal.dynamo.plans import migrate

            said: list[str] = []
            # The hostile demo data holds items that an index rejects, or that are in none, on purpose.
            if migrate(said.append, accept_index_rejects=True, accept_unlisted=True):
                say("\n".join(said))
            make_demo_users(settings.DATA_DIR, os.environ.get("DEMO_PASSWORD", ""))
            demo = os.environ.get("DEMO") or "1"
            if demo != "0":
                load_demo_once(os.environ["OPSPORTAL_DEMO_DATABASE"], hostile=demo == "hostile")
    except ImproperlyConfigured as error:
        say(f"The settings refuse to start: {error}")
        return 1
    except DynamoError as error:
        say(f"The tables could not be created: {error.sentence} {error.fix}".rstrip())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
