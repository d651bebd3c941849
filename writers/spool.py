"""Records on disk, for the time that DynamoDB is away.

One folder per table, which any number of processes on the machine share. It has to be on a local disk: a
network file system need not keep locks. Files hold what would be in the table, and only their user can read
them.
"""

import contextlib
import fcntl
import json
import os
import re
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import forks
from .locations import Location
from .results import SpoolFull
from .segments import NEW, SUFFIX, Segment

QUARANTINE = "quarantine.jsonl"
# The share of the bound that is kept for records that are not mere progress.
_RESERVE = 0.25


@dataclass(frozen=True)
class Record:
    """One call, as it can be carried out now or later: JSON, and in ``args`` DynamoDB's typed values.

    ``item``: the key that order is kept by. ``at``: when the call was made. ``vital``: not mere progress.
    """

    op: str
    item: str
    at: str
    args: dict[str, Any] = field(default_factory=dict)
    vital: bool = True

    def payload(self, location: Location) -> bytes:
        """``location``: of the table, which a process that replays it has to have as well."""
        return json.dumps(asdict(self) | {"location": asdict(location)}, separators=(",", ":")).encode()

    def moment(self) -> datetime | None:
        """``at``, or None where that is none."""
        try:
            found = datetime.fromisoformat(self.at)
        except ValueError:
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    @classmethod
    def read(cls, payload: bytes) -> "Record":
        """ValueError when it is none."""
        found = json.loads(payload)
        texts = [found.get(name) for name in ("op", "item", "at")] if isinstance(found, dict) else [None]
        if not all(isinstance(text, str) for text in texts) or not isinstance(found.get("args"), dict):
            raise ValueError("it is not a record of this version")
        return cls(found["op"], found["item"], found["at"], found["args"], bool(found.get("vital", True)))


class Spool:
    """The spooled records of one table; may be shared between threads. Methods raise OSError.

    ``locate`` gives the table's location, and is asked whether to look for the account too. Records for another
    table of that name stay as they are: ``left`` says of which. ``unreadable``: why entries of the folder can't be
    opened, by name. `adopt` finds out both.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        table_name: str,
        limit: int,
        locate: Callable[[bool], Location] = lambda _: Location(),
    ) -> None:
        self.folder = Path(folder) / re.sub(r"[^\w.-]", "_", table_name)
        self.limit, self._locate = limit, locate
        self.left: set[str] = set()
        self.unreadable: dict[str, str] = {}
        self._locations: dict[
            str, Location | None
        ] = {}  # of files, by name; None in those of earlier versions
        self._shared = False  # whether files of another table were seen
        self._own: Segment | None = None
        self._claimed: list[Segment] = []
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """The files are the parent's to replay. As long as any process has them open they are locked, so that
        nobody could take them over when the parent has ended."""
        for segment in self._segments():
            segment.close()
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._own, self._claimed = None, []
        self._held: Counter[str] = Counter()
        self._newest: dict[str, datetime] = {}

    def __len__(self) -> int:
        """How many records this process has to replay."""
        with self._lock:
            return self._held.total()

    def holds(self, item: str) -> bool:
        """Whether a record of that item waits, so that what follows has to wait behind it."""
        with self._lock:
            return self._held[item] > 0

    def newest(self, item: str) -> datetime | None:
        """The latest moment of what an ended process has left about that item."""
        with self._lock:
            return self._newest.get(item)

    def append(self, record: Record) -> None:
        """Keep the record; when this returns, the disk has it. Raises SpoolFull too."""
        with self._lock:
            payload = record.payload(self._locate(False))
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            bound = self.limit if record.vital else self.limit * (1 - _RESERVE)
            files = self._files()
            # Of this table, whichever process they are of; those in quarantine don't count.
            size = sum(map(_size_of, set(files) - self._others(files).keys()))
            if size + len(payload) > bound:
                raise SpoolFull(f"{self.folder} holds {size:,} of {self.limit:,} bytes")
            if self._own is None:
                self._own = Segment.create(self.folder, files[-1].name if files else "")
            self._own.append(payload)
            self._held[record.item] += 1

    def adopt(self) -> int:
        """Claim the files of processes that have ended; returns how many records that adds. An entry that can't be
        opened holds up no other."""
        with self._lock:
            self.unreadable = {}
            before, files = len(self), self._files()
            names = {path.name for path in files}
            self._locations = {name: found for name, found in self._locations.items() if name in names}
            mine, others = self._segments(), self._others(files, ask=True)
            self.left = set(others.values())
            for path in files:
                if path not in others and all(path != segment.path for segment in mine):
                    try:
                        self._take(path)
                    except OSError as error:
                        self.unreadable[path.name] = str(error)
            self._clear_away()
            return len(self) - before

    def _take(self, path: Path) -> None:
        """Claim a file, unless its process lives or it is another table's after all: its process may have written
        its first record since."""
        if (segment := Segment.claim(path)) is None:
            return
        try:
            found = [_record_of(payload, whole) for _, payload, whole in segment.records()]
        except OSError:
            segment.close()
            raise
        if self._others([path]):
            segment.close()
            return
        for record in found:
            self._held[record.item if record else ""] += 1
            if record and (at := record.moment()):
                self._newest[record.item] = max(at, self._newest.get(record.item, at))
        self._claimed.append(segment)

    def _others(self, files: list[Path], ask: bool = False) -> dict[Path, str]:
        """Those that are for another table of this name, or may be, and why: earlier versions did not record the
        location, so that of a folder that such tables share nobody can say for which of them their files are."""
        for path in files:
            if path.name not in self._locations:
                with contextlib.suppress(OSError):  # which `adopt` meets too
                    if payload := Segment.first_of(path):
                        self._locations[path.name] = _location_of(payload)
        known = {path: self._locations[path.name] for path in files if path.name in self._locations}
        here = self._locate(ask and any(location and location.account for location in known.values()))
        others = {
            path: f"{self.folder} has records for another table of this name ({location}). They are left to a writer "
            f"of that table; this one is at {here}"
            for path, location in known.items()
            if location and here.is_other(location)
        }
        self._shared = self._shared or bool(others)
        if self._shared:
            others |= {
                path: f"{path} is of an earlier version, which did not record the table's location, and tables of other "
                "locations share the folder. Move the file to a spool_dir that only its table's writers use"
                for path, location in known.items()
                if location is None
            }
        return others

    def _clear_away(self) -> None:
        """Files of processes that ended before they wrote anything."""
        for path in self.folder.glob(f"*{NEW}"):
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime > 60:
                    path.unlink()

    def segments(self) -> list[Segment]:
        """What there is to replay, the oldest first."""
        with self._lock:
            return sorted(self._segments(), key=lambda segment: segment.path.name)

    def _segments(self) -> list[Segment]:
        return [*self._claimed, *([self._own] if self._own else [])]

    def replayed(self, segment: Segment, offset: int, payload: bytes, whole: bool) -> None:
        """One record of a segment has been dealt with."""
        with self._lock:
            segment.done(offset)
            record = _record_of(payload, whole)
            item = record.item if record else ""
            self._held[item] -= 1
            if self._held[item] <= 0:
                del self._held[item]
                self._newest.pop(item, None)

    def drop_if_replayed(self, segment: Segment) -> bool:
        """Remove the file, unless records have come behind those that were dealt with."""
        with self._lock:
            if next(segment.records(), None):
                return False
            if segment is self._own:
                self._own = None
            else:
                self._claimed.remove(segment)
            segment.remove()
            return True

    def quarantine(self, payload: bytes, reason: str) -> None:
        """Put what can't be written aside, with the reason, for someone to look at: one JSON object a line.
        Beyond a quarter of the spool's bound the older half is given up."""
        entry = {"reason": reason, "record": payload.decode("utf-8", "replace")}
        line = json.dumps(entry).encode() + b"\n"
        try:
            self._put_aside(line, self.folder / QUARANTINE)
        except (PermissionError, IsADirectoryError):  # another user's, or no file
            self._put_aside(line, self.folder / f"quarantine-{os.getuid()}.jsonl")

    def _put_aside(self, line: bytes, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, line)
            os.fsync(descriptor)
            if os.fstat(descriptor).st_size > self.limit / 8:
                os.replace(path, path.with_suffix(".older.jsonl"))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of the files, for another process to replay."""
        with self._lock:
            for segment in self.segments():
                segment.close()
            self._forget()

    def _files(self) -> list[Path]:
        """The oldest first."""
        try:
            with os.scandir(self.folder) as entries:
                return sorted(Path(entry.path) for entry in entries if entry.name.endswith(SUFFIX))
        except (FileNotFoundError, NotADirectoryError):  # nothing was ever kept there
            return []


def _size_of(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:  # such as one that another process has replayed in between
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _record_of(payload: bytes, whole: bool) -> Record | None:
    try:
        return Record.read(payload) if whole else None
    except ValueError:
        return None


def _location_of(payload: bytes) -> Location | None:
    try:
        found = json.loads(payload)
    except ValueError:
        return None
    location = found.get("location") if isinstance(found, dict) else None
    return Location.read(location) if isinstance(location, dict) else None
