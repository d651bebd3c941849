"""Getting records into a table, in order per item: at once, or from the spool when DynamoDB is back."""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from . import forks
from .buffer import Buffer, Merge, Place
from .moments import Moments
from .results import OnTrouble, SpoolFull, StillAway, Trouble, WriteResult, kind_of
from .segments import Segment
from .spool import Record, Spool
from .troubles import Troubles

# Seconds between two attempts while DynamoDB is away: doubled from the first to the last.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
# Seconds between two looks for what processes that have ended left behind.
LOOK_EVERY = 30.0
_STRIPES = 64

Apply = Callable[[Record, bool], WriteResult]


class Delivery:
    """Carries out the records of one table.

    ``apply(record, replayed)`` does so once, and raises what goes wrong. Without ``spool`` that is raised to
    the caller; with one, what passes by itself is kept on disk, and replayed in a thread that ends when
    nothing is left. ``clock`` gives an aware datetime. May be shared between threads.
    """

    def __init__(
        self,
        apply: Apply,
        *,
        logger: logging.Logger,
        clock: Callable[[], datetime],
        spool: Spool | None = None,
        on_trouble: OnTrouble | None = None,
        interval: float = 2.0,
        merge: Merge = lambda old, new: old | new,
    ) -> None:
        self._apply, self._logger, self._moments = apply, logger, Moments(clock)
        self._spool, self._buffer = spool, Buffer(interval, merge)
        self.troubles = Troubles(logger, on_trouble)
        self._closed = False
        self._pause, self._retry_at, self._look_at = 0.0, 0.0, 0.0
        self._lost = 0  # progress that no caller waited for
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        self._locks = [threading.RLock() for _ in range(_STRIPES)]
        self._changed = threading.Condition(threading.RLock())
        self._replaying = threading.Lock()
        self._thread: threading.Thread | None = None

    def moment(self, item: str) -> datetime:
        """Now, in UTC, for a call about that item: never before an earlier one, of this process or of one that has
        ended and left its records. Call it under the item's lock where the order of calls is to be theirs."""
        self._look_for_orphans()
        with self.lock(item):
            return self._moments.of(item, self._spool.newest(item) if self._spool is not None else None)

    def lock(self, item: str) -> threading.RLock:
        """Held while something is written about that item."""
        return self._locks[hash(item) % _STRIPES]

    def send(self, record: Record) -> WriteResult:
        """Carry it out, or keep it. Raises what ``apply`` raises, where it can't be kept."""
        self._look_for_orphans()
        with self.lock(record.item):
            spool = self._spool
            if spool is not None and (spool.holds(record.item) or time.monotonic() < self._retry_at):
                return self._keep(spool, record, None)
            try:
                result = self._apply(record, False)
            except Exception as error:
                if spool is None or not self._passes(spool, error):
                    self.troubles.failed(error)
                    raise
                return self._keep(spool, record, error)
            self.answered()
            return result

    def later(self, record: Record, slot: str) -> WriteResult:
        """Carry out a progress, at most one per interval and ``slot`` of an item; the last one wins."""
        with self.lock(record.item):
            # Nobody would write it later, once this is closed.
            if not self._closed and self._buffer.hold(record, slot):
                with self._changed:
                    self._wake()
                return WriteResult("buffered")
            return self._send_progress(record, slot)

    def take(self, item: str, slot: str) -> Record | None:
        """The progress that waits there, which is the caller's now. Call it under the item's lock."""
        self._buffer.forget(item, slot)
        return self._buffer.take(item, slot)

    def waits(self, item: str, slot: str) -> Record | None:
        """The progress that waits there."""
        return self._buffer.peek(item, slot)

    def spools(self, item: str) -> bool:
        """Whether something about that item is on disk still."""
        return self._spool is not None and self._spool.holds(item)

    def settle(self, item: str) -> None:
        """Write every progress of that item that waits."""
        with self.lock(item):
            for place, slot in self._buffer.places():
                if place == item and (record := self._buffer.take(item, slot)):
                    self._quietly(record, slot)

    def flush(self, timeout: float = 10.0) -> bool:
        """Write what waits and replay what this process and ended ones spooled; whether nothing is left, and
        nothing of it was lost. It looks at the time between two calls of DynamoDB."""
        deadline, lost = time.monotonic() + timeout, self._lost
        for number, (item, _) in enumerate(self._buffer.places()):
            if number and self._spool is None and time.monotonic() >= deadline:
                return False
            self.settle(item)
        if not self._nothing_under_way(deadline):
            return False
        self._retry_at = self._look_at = 0.0
        self._look_for_orphans()
        while self._spool is not None and len(self._spool):
            if time.monotonic() >= self._retry_at:
                self.replay()
            else:
                time.sleep(0.01)
            if len(self._spool) and time.monotonic() >= deadline:
                return False
        # Another thread that has replayed the last record may not have come to say so.
        if self._replaying.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._replaying.release()
        return self._lost == lost and self.troubles.of_disk is None

    def _nothing_under_way(self, deadline: float) -> bool:
        """Wait for what other threads write at present; whether it has ended in time."""
        for lock in self._locks:
            if not lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                return False
            lock.release()
        return True

    def close(self, timeout: float = 10.0) -> bool:
        """``flush``, and end the thread. What is left stays on disk for whoever uses the folder next."""
        deadline = time.monotonic() + timeout
        with self._changed:
            self._closed, thread = True, self._thread
            self._changed.notify_all()
        self._nothing_under_way(deadline)  # so that nobody adds to the buffer any more
        done = self.flush(max(0.0, deadline - time.monotonic()))
        if left := self._buffer.places():
            self._logger.warning("progress of %d items is lost: the time to close was over", len(left))
        if thread and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._spool is not None:
            with self._replaying:
                self._spool.close()
        return done

    # --- The spool -----------------------------------------------------------------------------------

    def replay(self) -> None:
        """One pass over what is spooled, oldest first; it ends where DynamoDB is away."""
        count = 0
        if self._spool is None or not self._replaying.acquire(blocking=False):
            time.sleep(0.01)  # another thread is at it
            return
        try:
            with contextlib.suppress(StillAway):
                for segment in self._spool.segments():
                    try:
                        for offset, payload, whole in segment.records():
                            self._replay(self._spool, segment, offset, payload, whole)
                            count += 1
                        self._spool.drop_if_replayed(segment)
                    except OSError as error:  # which holds up no other file
                        self._retry_at = time.monotonic() + LONGEST_PAUSE
                        self.troubles.disk(f"the spool can't be replayed: {error}")
                if not len(self._spool):
                    self._over(count)
        finally:
            self._replaying.release()

    def _replay(self, spool: Spool, segment: Segment, offset: int, payload: bytes, whole: bool) -> None:
        try:
            if not whole:
                raise ValueError("the checksum of the line is wrong")
            record = Record.read(payload)
        except ValueError as error:
            self._put_aside(spool, payload, "", error)
            spool.replayed(segment, offset, payload, whole)
            return
        with self.lock(record.item):
            pass  # what was sent before the spool held the item is over now
        # Its callers do not wait for what follows: until it is dealt with, what they say goes to the spool.
        try:
            result = self._apply(record, True)
        except Exception as error:
            if self._passes(spool, error):
                raise StillAway from error
            self._put_aside(spool, payload, record.item, error)
        else:
            if result.outcome == "missing":
                self._put_aside(spool, payload, record.item, ValueError(result.reason))
            elif not result:
                level = logging.WARNING if result.outcome == "superseded" else logging.INFO
                facts = (record.item, record.op, record.at, result.outcome, result.reason)
                self._logger.log(level, "[%r] %s of %s is %s: %s", *facts)
        spool.replayed(segment, offset, payload, whole)

    def _put_aside(self, spool: Spool, payload: bytes, item: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        spool.quarantine(payload, reason)
        self.troubles.tell(
            Trouble("poison", f"a spooled record is in quarantine ({spool.folder}): {reason}", item)
        )

    def _keep(self, spool: Spool, record: Record, error: Exception | None) -> WriteResult:
        """Put the record into the spool. Where that fails too, the record is lost, and that is told."""
        reason = f"{type(error).__name__}: {error}" if error else "it waits behind what is spooled"
        try:
            spool.append(record)
        except (OSError, SpoolFull) as trouble:
            lost = f"{record.op} is lost, the spool can't take it: {trouble}"
            self.troubles.tell(
                Trouble("full" if isinstance(trouble, SpoolFull) else "disk", lost, record.item)
            )
            raise trouble from error
        with self._changed:
            self._wake()
        return WriteResult("spooled", reason)

    def _passes(self, spool: Spool, error: Exception) -> bool:
        """Whether to try again later; if so, when, and that it is known."""
        kind = kind_of(error)
        if not kind:
            return False
        if time.monotonic() >= self._retry_at:  # else another thread has found it out as well
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            wait = LONGEST_PAUSE if kind == "denied" else self._pause
            self._retry_at = time.monotonic() + wait * random.uniform(0.5, 1.0)  # noqa: S311
        self.troubles.away(error, spool.folder)
        return True

    def answered(self) -> None:
        """DynamoDB has answered a call."""
        if self._spool is None or not len(self._spool):
            self._over()

    def _over(self, count: int = 0) -> None:
        self._pause, self._retry_at = 0.0, 0.0
        self.troubles.over(count)

    def _look_for_orphans(self) -> None:
        """Take over what processes left that ended before they had replayed it."""
        if self._spool is None or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY
        spool = self._spool
        try:
            found = spool.adopt()
        except OSError as error:
            self.troubles.disk(f"the spool can't be read: {error}")
            return
        unreadable = "; ".join(f"{name}: {why}" for name, why in spool.unreadable.items())
        self.troubles.disk(unreadable and f"files of {spool.folder} can't be replayed: {unreadable}")
        self.troubles.left(spool.left)
        if found:
            with self._changed:
                self._wake()

    # --- The thread ----------------------------------------------------------------------------------

    def _wake(self) -> None:
        """See to it that what waits is written. Call it under ``_changed``."""
        if self._closed:
            return
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="writers", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        for item, slot in self._due():
            with self.lock(item):
                if record := self._buffer.take(item, slot):
                    self._quietly(record, slot)

    def _due(self) -> Iterator[Place]:
        """The places whose progress is due, as they fall due; replays meanwhile. Ends when nothing waits."""
        while True:
            with self._changed:
                spooled = self._spool is not None and len(self._spool) > 0
                times = [self._retry_at] if spooled else []
                if (next_due := self._buffer.next_due()) is not None:
                    times.append(next_due)
                if self._closed or not times:
                    self._thread = None
                    return
                wait = min(times) - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
            yield from self._buffer.places(time.monotonic())
            if spooled and time.monotonic() >= self._retry_at:
                self.replay()

    def _send_progress(self, record: Record, slot: str) -> WriteResult:
        self._buffer.sent(record.item, slot)
        return self.send(record)

    def _quietly(self, record: Record, slot: str) -> None:
        """Send a progress that no caller waits for: what goes wrong is logged and surfaced. It is of this moment
        then, so that it does not seem older than what was written while it waited."""
        try:
            self._send_progress(replace(record, at=self.moment(record.item).isoformat()), slot)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._logger.warning("[%r] %s: failed: %s", record.item, record.op, reason)
            self.troubles.surface(Trouble(kind_of(error) or "mistake", reason, record.item))
            with self._changed:
                self._lost += 1
