"""The environment that the children of `make run` get, and the secrets that are kept for it."""

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from opsportal.run.options import Options, RefusalError
from opsportal.run.queues import queue_urls

# The demo's accounts, one of each role, with the password that this file of DATA_DIR holds.
ROLES = {"viewer": "viewer", "operator": "operator", "admin": "administrator"}
PASSWORD_FILE = "demo_password"  # noqa: S105 (a file's name)
ABOUT_OUR_ENGINE = ("OPSPORTAL_DEMO_DATABASE", "OPSPORTAL_ENGINE_IS_VOLATILE")
# An engine on loopback takes any credentials, and must not be sent real ones.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def common(options: Options, environ: Mapping[str, str]) -> dict[str, str]:
    """For every child: where data is, and a secret key that outlives a restart.

    What `with_engine` says of our own engine is not taken from outside: it has tables made and users too.
    """
    secret = environ.get("SECRET_KEY") or kept_secret(
        options.data_dir / "secret_key", lambda: secrets.token_urlsafe(50)
    )
    return {
        **{name: value for name, value in environ.items() if name not in ABOUT_OUR_ENGINE},
        "DATA_DIR": str(options.data_dir),
        "SECRET_KEY": secret,
        "DJANGO_SETTINGS_MODULE": "opsportal.settings",
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": environ.get("MALLOC_ARENA_MAX") or "2",  # as in opsportal.serve
        "ACCESS_LOG": str(options.data_dir / "logs" / "access.log"),
    }


def with_engine(environ: Mapping[str, str], endpoint: str, database: Path | None) -> dict[str, str]:
    """``environ`` pointed at our own engine, and with no way to Amazon's. ``database`` None: volatile.

    Raises RefusalError when a table has an endpoint of its own, since tables and data are made in each.
    """
    for name in environ:
        if name.startswith("DYNAMODB_") and name.endswith("_ENDPOINT_URL") and environ[name]:
            raise RefusalError(
                f"{name} is set, and the first run makes tables and demo data only in its own engine: "
                "unset it, or set OPSPORTAL_ENGINE=aws to use existing tables."
            )
    # Regions too: the tables are then in the regions that their documents name.
    kept = {name: value for name, value in environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "OPSPORTAL_ENGINE_IS_VOLATILE": "0" if database else "1",
        "OPSPORTAL_DEMO_DATABASE": str(database or ""),
    }


def with_queues(environ: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """``environ`` pointed at our own queues, whatever queues it named before: those may be real."""
    return {**environ, "AWS_ENDPOINT_URL_SQS": endpoint, **queue_urls(endpoint)}


# --- Secrets that are made once and kept in DATA_DIR, readable by their owner alone ---


def kept_secret(file: Path, make: Callable[[], str]) -> str:
    """What ``file`` holds; made and kept first if it is missing or empty (a crash may leave it so)."""
    if file.exists() and (value := file.read_text().strip()):
        return value
    value = make()
    keep_secret(file, value)
    return value


def keep_secret(file: Path, value: str) -> None:
    """Write ``value`` to ``file`` with mode 0600, whole or not at all."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(value + "\n")
    part.replace(file)
