"""The files of a spool: one per process, append-only, each line a checksum and a record.

A process holds the lock of its file while it lives; the kernel lets go of it when the process ends, however
it ends. So a file whose lock can be had belongs to nobody, and whoever has the lock may replay it.
"""

import contextlib
import fcntl
import os
import stat
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

SUFFIX, NEW = ".spool", ".new"
_CHUNK = 1 << 20
_DIGITS = 20  # of a file's age, in its name
# A link leads out of the folder, and a FIFO would keep whoever opens it waiting: neither is a file of a spool.
_CAREFULLY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Segment:
    """One file, locked by this process. Not safe between threads."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._file = path, descriptor
        self._done = path.with_suffix(".done")
        self.size = os.fstat(descriptor).st_size
        self.offset = self._recorded()

    @classmethod
    def create(cls, folder: Path, behind: str = "") -> "Segment":
        """A new file, named so that names sort by age: behind the file of that name, wherever the clock was set
        since. It gets its name when it is locked already."""
        age = behind.partition("-")[0]
        stamp = max(time.time_ns(), int(age) + 1 if age.isdecimal() and len(age) <= _DIGITS else 0)
        name = f"{stamp:0{_DIGITS}d}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
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
        """The file of a process that has ended; None while it lives, or when another has claimed it. OSError for
        what can't be opened or is no file."""
        descriptor = _open(path, os.O_RDWR)
        if descriptor is None:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        if os.fstat(descriptor).st_nlink == 0:  # replayed and removed in between
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    @staticmethod
    def first_of(path: Path) -> bytes | None:
        """The first record of a file, whoever has it; None where it has none, or is gone. OSError as `claim`."""
        descriptor = _open(path, os.O_RDONLY)
        if descriptor is None:
            return None
        try:
            lines = _lines(descriptor, 0, os.fstat(descriptor).st_size)
            return next((payload for _, payload, whole in lines if whole), None)
        finally:
            os.close(descriptor)

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
        # Not past `size`: what the disk has not confirmed may be taken back.
        return _lines(self._file, self.offset, self.size)

    def done(self, offset: int) -> None:
        """What is before the offset need not be replayed. Not synced, and no loss where it can't be written: a
        repeated replay changes nothing."""
        self.offset = offset
        with contextlib.suppress(OSError):
            mark = os.open(self._done, os.O_WRONLY | os.O_CREAT | _CAREFULLY, 0o600)
            try:
                os.pwrite(mark, b"%020d" % offset, 0)
            finally:
                os.close(mark)

    def remove(self) -> None:
        """Delete the file, and then let go of it."""
        with contextlib.suppress(OSError):
            self._done.unlink()
        try:
            self.path.unlink(missing_ok=True)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the file. What another process has of it by a fork stays open."""
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _recorded(self) -> int:
        try:
            if (descriptor := _open(self._done, os.O_RDONLY)) is None:
                return 0
            with open(descriptor, "rb") as mark:
                offset = int(mark.read(_DIGITS))
        except (OSError, ValueError):
            return 0
        return offset if offset <= self.size else 0


def _open(path: Path, flags: int) -> int | None:
    """None where it is gone. OSError for what is no file."""
    if path.is_symlink():
        raise OSError(f"{path.name} is a link, not a file")
    try:
        descriptor = os.open(path, flags | _CAREFULLY)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(f"{path.name} is not a file")


def _lines(descriptor: int, offset: int, size: int) -> Iterator[tuple[int, bytes, bool]]:
    rest = b""
    while (left := size - offset - len(rest)) > 0:
        chunk = os.pread(descriptor, min(left, _CHUNK), offset + len(rest))
        if not chunk:
            return
        rest += chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            offset += len(line) + 1
            sum_, _, payload = line.partition(b" ")
            yield offset, payload or line, sum_ == _checksum(payload)


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
