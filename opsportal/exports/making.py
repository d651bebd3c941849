"""The worker's part: it makes files of exports, page by page, and goes on after the last page that was written."""

import contextlib
import gzip
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.conf import settings

from opsportal.dynamo.errors import DeadlineExceeded, DynamoError, Throttled, Unreachable
from opsportal.dynamo.leases import Lease, Lost
from opsportal.dynamo.tables import Binding
from opsportal.exports import files
from opsportal.exports.asked import PAGE_ITEMS, encoded
from opsportal.exports.files import File, State
from opsportal.operations.outcomes import OutcomeUnknown, Refused
from opsportal.operations.switch import wait_for_actions
from opsportal.operations.tables import jobs_table_for
from opsportal.operations.tasks import Over, Task

logger = logging.getLogger(__name__)

# Packed bytes, or seconds, after which what was read is written. A transaction has 4 MB at most.
WRITE_BYTES, WRITE_SECONDS, MAX_WRITE_BYTES = 300_000, 5.0, 3_000_000
# Packed bytes of a file at most.
FILE_BYTES = 64 * 1024 * 1024
# A file that is not ready by then ends as it is.
LONGEST = timedelta(days=1)


def make_due(location: Binding, over: Over) -> int:
    """Make the files of a location that wait for it. Returns how many rows were written. Raises NotNow, `DynamoError`."""
    count, problem = 0, None
    for file in files.live(location):
        wait_for_actions()
        if over():
            break
        try:
            count += make(file, over)
        except DynamoError as error:  # the others are made all the same
            problem = error
            with contextlib.suppress(Refused, OutcomeUnknown, DynamoError):
                files.note(file, error.sentence)
    if problem:
        raise problem
    return count


TASK = Task("exports", make_due, every=2.0)


def make(file: File, over: Over = lambda: False) -> int:
    """Go on with one file, as far as it goes before it is `over`; how many rows. Another worker may have it: 0. Raises
    `DynamoError`, where it may go on later."""
    lease = Lease(jobs_table_for(file.table), file.key).claim(settings.JOBS_LEASE_SECONDS)
    if lease is None:
        return 0
    now = files.find(file.id)
    if now is None or not now.is_open:
        return 0
    try:
        return _Making(now, lease, over).run()
    except (Refused, OutcomeUnknown):
        return 0  # stopped, or another worker has it; or else the next turn goes on after what was written
    finally:
        with contextlib.suppress(Lost, DynamoError):  # it ends by itself
            lease.release()


class _Making:
    """One worker's turn on one file. `file`: with what is held, which is not written yet."""

    def __init__(self, file: File, lease: Lease, over: Over) -> None:
        self.file, self.lease, self.over = file, lease, over
        self.before = file.rows
        self.held: list[bytes] = []
        self.written_at = time.monotonic()

    @property
    def size(self) -> int:
        return sum(map(len, self.held))

    def run(self) -> int:
        limit = PAGE_ITEMS
        while True:
            file = self.file
            try:
                page, units = file.asked.read(file.purpose, file.cursor, limit)
                begins = not (file.parts or self.held)
                text = encoded((file.asked.head() if begins else "") + file.asked.lines(page.items))
                member = gzip.compress(text, 6, mtime=0) if text else b""
            except (Throttled, Unreachable, DeadlineExceeded):
                if datetime.now(UTC) - file.created_at > LONGEST:
                    return self._end(State.INCOMPLETE, f"it took more than {LONGEST.days} day.")
                self._write()
                raise
            except DynamoError as error:
                return self._end(State.INCOMPLETE, error.sentence)
            except Exception:
                logger.exception("export %s: its rows can't be written", file.id)
                return self._end(State.INCOMPLETE, "an error of the console, which is in the worker's log.")
            if len(member) > MAX_WRITE_BYTES and limit > 1:
                limit //= 2
                continue
            if self.size + len(member) > MAX_WRITE_BYTES:
                self._write()
            if member:
                self.held.append(member)
            self.file = replace(
                self.file,
                rows=self.file.rows + len(page.items),
                bytes=self.file.bytes + len(text),
                units=self.file.units + units,
                cursor=page.cursor,
                problem="",
            )
            if not page.cursor:
                return self._end(State.COMPLETE, "")
            if self.file.packed + self.size >= FILE_BYTES:
                return self._end(
                    State.INCOMPLETE, f"a file holds at most {FILE_BYTES // 1024**2} MB, compressed."
                )
            due = self.size >= WRITE_BYTES or time.monotonic() - self.written_at > WRITE_SECONDS
            if self.over() or due:
                self._write()
            if self.over():
                return self.file.rows - self.before

    def _write(self) -> None:
        """What is held. Raises Refused, OutcomeUnknown, `DynamoError`."""
        self.file = files.advance(self.file, self.lease, self.held, settings.JOBS_LEASE_SECONDS)
        self.held, self.written_at = [], time.monotonic()

    def _end(self, state: State, why: str) -> int:
        """Raises as `_write`."""
        self.file = files.end(self.file, state, why, lease=self.lease, members=self.held)
        return self.file.rows - self.before
