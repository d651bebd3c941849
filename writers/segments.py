"""The files of a spool: one per process, append-only, each line a checksum and a record.

A process holds the lock of its file while it lives; the kernel lets go of it when the process ends, however
it ends. So a file whose lock can be had belongs to nobody, and whoever has the lock may replay it.
"""

import contextlib
import fcntl
import os
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

SUFFIX, NEW = ".spool", ".new"
_CHUNK = 1 << 20


class Segment:
    """One file, locked by this process. Not safe between threads."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._file = path, descriptor
        self._done = path.with_suffix(".done")
        self.size = os.fstat(descriptor).st_size
        self.offset = self._recorded()

    @classmethod
    def create(cls, folder: Path) -> "Segment":
        """A new file, named so that names sort by age. It gets its name when it is locked already."""
        name = f"{time.time_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        path = folder / f"{name}{SUFFIX}"
        descriptor = os.open(
            folder / f"{name}{NEW}", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(folder / f"{name}{NEW}", path)
        sync_folder(folder)
        return cls(path, descriptor)

    @classmethod
    def claim(cls, path: Path) -> "Segment | None":
        """The file of a process that has ended; None while it lives, or when another has claimed it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink == 0:  # replayed and removed in between
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def append(self, payload: bytes) -> None:
        """Write one line and wait until the disk has it. OSError leaves the file as it was."""
        data = line_of(payload)
        try:
            at = self.size
            while at < self.size + len(data):
                at += os.pwrite(self._file, data[at - self.size :], at)
            os.fsync(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)

    def records(self) -> Iterator[tuple[int, bytes, bool]]:
        """(offset behind it, payload, whether its checksum is right) of each line that is not done.

        A last line without its end is what a crash in the middle of writing leaves: it was never answered
        with success, and is passed over.
        """
        offset, rest = self.offset, b""
        # Not past `size`: what the disk has not confirmed may be taken back.
        while (left := self.size - offset - len(rest)) > 0:
            chunk = os.pread(self._file, min(left, _CHUNK), offset + len(rest))
            if not chunk:
                return
            rest += chunk
            *lines, rest = rest.split(b"\n")
            for line in lines:
                offset += len(line) + 1
                sum_, _, payload = line.partition(b" ")
                yield offset, payload or line, sum_ == _checksum(payload)

    def done(self, offset: int) -> None:
        """What is before the offset need not be replayed. Not synced: a repeated replay changes nothing."""
        self.offset = offset
        mark = os.open(self._done, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(mark, b"%020d" % offset, 0)
        finally:
            os.close(mark)

    def remove(self) -> None:
        """Delete the file, and then let go of it."""
        for path in (self._done, self.path):
            path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        os.close(self._file)

    def _recorded(self) -> int:
        try:
            offset = int(self._done.read_bytes())
        except (FileNotFoundError, ValueError):
            return 0
        return offset if offset <= self.size else 0


def line_of(payload: bytes) -> bytes:
    return _checksum(payload) + b" " + payload + b"\n"


def _checksum(payload: bytes) -> bytes:
    return b"%08x" % zlib.crc32(payload)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
