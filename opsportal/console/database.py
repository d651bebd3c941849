"""The relational database away, full or otherwise unfit to use: what it is, and what helps.

Both databases name their errors: PostgreSQL by SQLSTATE, except where no connection was made, and SQLite by its own
names. What is not listed is a defect of the console.
"""

import logging
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError

# Bytes. SQLite's shared memory alone has 32 KiB.
FULL_BELOW = 65_536
MIGRATE = "python -m opsportal.serve migrate"


class Cause(NamedTuple):
    """`title` is what one reads first; the sentence never has the database's own text, which may have its address."""

    sentence: str
    fix: str
    title: str


def _cause(what: str, sentence: str, fix: str) -> Cause:
    again = "The console tries again with each request; nothing has to be restarted."
    return Cause(sentence, f"{fix} {again}", f"The database of accounts {what}")


AWAY = _cause("does not answer", "There is no connection to PostgreSQL, or it was cut off.",
    "Start PostgreSQL, or correct the host of DATABASE_URL.")  # fmt: skip
NO_CONNECTIONS = _cause("has no connection left", "All of PostgreSQL's max_connections are in use.",
    "Raise max_connections, or lower WEB_CONCURRENCY x WEB_THREADS.")  # fmt: skip
NOT_LET_IN = _cause("refuses the console", "PostgreSQL refuses the user or the password of DATABASE_URL.",
    "Correct DATABASE_URL, or pg_hba.conf.")  # fmt: skip
NO_DATABASE = _cause("does not exist", "PostgreSQL has no database of the name in DATABASE_URL.",
    f"Create it and run {MIGRATE}, or correct DATABASE_URL.")  # fmt: skip
STANDBY = _cause("is read-only", "PostgreSQL takes no writes: it is a standby, or default_transaction_read_only is on.",
    "Let DATABASE_URL lead to the primary.")  # fmt: skip
SERVER_FULL = _cause("can't write", "The disk of PostgreSQL is full, or its memory.", "Make room there.")
BUSY = _cause("is busy", "Another program holds a lock in it for longer than the console waits.",
    "End that program, such as a backup or a migration that hangs.")  # fmt: skip
BEHIND = _cause("lacks a table or a column", "A migration is pending, or the database is a new one.",
    f"Run {MIGRATE}; bring the database back if it was lost.")  # fmt: skip
FULL = _cause("can't write", "The disk of DATA_DIR is full.", "Make room on it.")
READ_ONLY = _cause("can't write", "Its file in DATA_DIR, or the disk, is read-only to the console.",
    "Make file and folder writable to the console's user.")  # fmt: skip
NO_FILE = _cause("can't be opened", "Its file in DATA_DIR is missing, or the console may not open it.",
    f"Bring file and folder back, or run {MIGRATE} for a new one; both belong to the console's user.")  # fmt: skip
DAMAGED = _cause("is damaged", "Its file in DATA_DIR is not whole, or is no SQLite database.",
    "Bring it back from a backup.")  # fmt: skip
DISK = _cause("can't be read", "The disk of DATA_DIR reports an error.", "Look at the disk.")

# The longest beginning counts.
BY_SQLSTATE = {
    "08": AWAY, "57P": AWAY, "28": NOT_LET_IN, "3D": NO_DATABASE, "25006": STANDBY, "53": SERVER_FULL,
    "53300": NO_CONNECTIONS, "40": BUSY, "55P03": BUSY, "57014": BUSY, "42P01": BEHIND, "42703": BEHIND,
}  # fmt: skip
# Of a connection that was not made, whose error has no SQLSTATE.
BY_WORDS = {
    "too many clients": NO_CONNECTIONS, "connection slots are reserved": NO_CONNECTIONS,
    "too many connections": NO_CONNECTIONS, "authentication failed": NOT_LET_IN, "no pg_hba.conf entry": NOT_LET_IN,
    "no password supplied": NOT_LET_IN, "does not exist": NO_DATABASE,
}  # fmt: skip
BY_SQLITE_NAME = {
    "FULL": FULL, "READONLY": READ_ONLY, "PERM": READ_ONLY, "BUSY": BUSY, "LOCKED": BUSY, "CORRUPT": DAMAGED,
    "NOTADB": DAMAGED, "CANTOPEN": NO_FILE, "IOERR": DISK,
}  # fmt: skip


def cause_of(error: BaseException | None) -> Cause | None:
    """None where it is not the database's state that failed."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return None
    driver = error.__cause__
    if name := getattr(driver, "sqlite_errorname", ""):
        return _of_sqlite(name.removeprefix("SQLITE_").partition("_")[0], str(driver))
    if state := getattr(driver, "sqlstate", None):
        fitting = [start for start in BY_SQLSTATE if state.startswith(start)]
        return BY_SQLSTATE[max(fitting, key=len)] if fitting else None
    if type(error).__name__ not in ("OperationalError", "InterfaceError"):
        return None
    return next((cause for words, cause in BY_WORDS.items() if words in str(error)), AWAY)


def _of_sqlite(name: str, text: str) -> Cause | None:
    if name == "ERROR" and text.startswith(("no such table", "no such column")):
        return BEHIND
    if name in ("CANTOPEN", "IOERR", "READONLY") and _has_no_room():
        return FULL  # a file beside the database could not be made
    return BY_SQLITE_NAME.get(name)


def _has_no_room() -> bool:
    folder = Path(os.fspath(settings.DATABASES["default"]["NAME"])).parent
    try:
        return shutil.disk_usage(folder).free < FULL_BELOW
    except OSError:
        return False


class NoTrace(logging.Filter):
    """One line for a request that the database's state has failed, in place of a trace each."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if cause := cause_of(error):
            record.msg, record.args = "%s. %s (%s)", (cause.title, cause.sentence, str(error).strip())
            record.exc_info = record.exc_text = None
        return True
