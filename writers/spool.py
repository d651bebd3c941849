"""Records on disk, for the time that DynamoDB is away.

One folder per table, which any number of processes on the machine share. It has to be on a local disk: a
network file system need not keep locks. Files hold what would be in the table, and only their user can read
them.
"""

import fcntl
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import forks
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

    def payload(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def read(cls, payload: bytes) -> "Record":
        """ValueError when it is none."""
        found = json.loads(payload)
        texts = [found.get(name) for name in ("op", "item", "at")] if isinstance(found, dict) else [None]
        if not all(isinstance(text, str) for text in texts) or not isinstance(found.get("args"), dict):
            raise ValueError("it is not a record of this version")
        return cls(found["op"], found["item"], found["at"], found["args"], bool(found.get("vital", True)))


class Spool:
    """The spooled records of one table; may be shared between threads. Methods raise OSError."""

    def __init__(self, folder: str | os.PathLike[str], table_name: str, limit: int) -> None:
        self.folder = Path(folder) / re.sub(r"[^\w.-]", "_", table_name)
        self.limit = limit
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """The files are the parent's to replay, whose lock is shared: they are not closed here."""
        self._lock = threading.RLock()
        self._own: Segment | None = None
        self._claimed: list[Segment] = []
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many records this process has to replay."""
        with self._lock:
            return self._held.total()

    def holds(self, item: str) -> bool:
        """Whether a record of that item waits, so that what follows has to wait behind it."""
        with self._lock:
            return self._held[item] > 0

    def append(self, record: Record) -> None:
        """Keep the record; when this returns, the disk has it. Raises SpoolFull too."""
        payload = record.payload()
        with self._lock:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            bound = self.limit if record.vital else self.limit * (1 - _RESERVE)
            if self.size() + len(payload) > bound:
                raise SpoolFull(f"{self.folder} holds {self.size():,} of {self.limit:,} bytes")
            if self._own is None:
                self._own = Segment.create(self.folder)
            self._own.append(payload)
            self._held[record.item] += 1

    def size(self) -> int:
        """Bytes of all files, whichever process they are of; those in quarantine don't count."""
        return sum(_size_of(path) for path in self._files())

    def adopt(self) -> int:
        """Claim the files of processes that have ended; returns how many records that adds."""
        with self._lock:
            mine = {segment.path for segment in (*self._claimed, self._own) if segment}
            before = len(self)
            for path in self._files():
                if path not in mine and (segment := Segment.claim(path)):
                    for _, payload, whole in segment.records():
                        self._held[_item_of(payload, whole)] += 1
                    self._claimed.append(segment)
            for path in self.folder.glob(f"*{NEW}"):  # of one that ended before it wrote anything
                if time.time() - _modified(path) > 60:
                    path.unlink(missing_ok=True)
            return len(self) - before

    def segments(self) -> list[Segment]:
        """What there is to replay, the oldest first."""
        with self._lock:
            found = [*self._claimed, self._own] if self._own else list(self._claimed)
            return sorted(found, key=lambda segment: segment.path.name)

    def replayed(self, segment: Segment, offset: int, payload: bytes, whole: bool) -> None:
        """One record of a segment has been dealt with."""
        with self._lock:
            segment.done(offset)
            item = _item_of(payload, whole)
            self._held[item] -= 1
            if self._held[item] <= 0:
                del self._held[item]

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
        path = self.folder / QUARANTINE
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, json.dumps(entry).encode() + b"\n")
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
            self._own, self._claimed, self._held = None, [], Counter()

    def _files(self) -> Iterator[Path]:
        return iter(sorted(self.folder.glob(f"*{SUFFIX}")))


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # replayed by another process in between
        return 0


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _item_of(payload: bytes, whole: bool) -> str:
    try:
        return Record.read(payload).item if whole else ""
    except ValueError:
        return ""
