"""Secrets that `make run` makes once and keeps in DATA_DIR, readable by their owner alone."""

import os
from collections.abc import Callable
from pathlib import Path


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
