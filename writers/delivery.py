"""Getting records into a table, in order per item: at once, or from the spool when DynamoDB is back."""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from . import forks
from .buffer import Buffer, Merge, Place
from .results import OnTrouble, SpoolFull, StillAway, Trouble, WriteResult, kind_of
from .segments import Segment
from .spool import Record, Spool

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
    nothing is left. ``now`` is the moment as records have it. May be shared between threads.
    """

    def __init__(
        self,
        apply: Apply,
        *,
        logger: logging.Logger,
        now: Callable[[], str],
        spool: Spool | None = None,
        on_trouble: OnTrouble | None = None,
        interval: float = 2.0,
        merge: Merge = lambda old, new: old | new,
    ) -> None:
        self._apply, self._logger, self._now = apply, logger, now
        self._spool, self._on_trouble, self._buffer = spool, on_trouble, Buffer(interval, merge)
        self._closed = False
        self._pause, self._retry_at, self._look_at = 0.0, 0.0, 0.0
        self.trouble: Trouble | None = None
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        self._locks = [threading.RLock() for _ in range(_STRIPES)]
        self._changed = threading.Condition(threading.RLock())
        self._replaying = threading.Lock()
        self._thread: threading.Thread | None = None

    def lock(self, item: str) -> threading.RLock:
        """Held while something is written about that item."""
        return self._locks[hash(item) % _STRIPES]

    def send(self, record: Record) -> WriteResult:
        """Carry it out, or keep it. Raises what ``apply`` raises, where it can't be kept."""
        self._look_for_orphans()
        with self.lock(record.item):
            spool = self._spool
            if spool is None:
                return self._apply(record, False)
            if not spool.holds(record.item) and time.monotonic() >= self._retry_at:
                try:
                    result = self._apply(record, False)
                except Exception as error:
                    if not self._passes(error):
                        raise
                    return self._keep(spool, record, error)
                if not len(spool):
                    self._over()
                return result
            return self._keep(spool, record, None)

    def later(self, record: Record, slot: str) -> WriteResult:
        """Carry out a progress, at most one per interval and ``slot`` of an item; the last one wins."""
        with self.lock(record.item):
            if self._buffer.hold(record, slot):
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
        self._settle(item)

    def _settle(self, item: str) -> bool:
        """As `settle`; whether all of it is written or kept."""
        with self.lock(item):
            kept = True
            for place, slot in self._buffer.places():
                if place == item and (record := self._buffer.take(item, slot)):
                    kept = self._quietly(record, slot) and kept
            return kept

    def flush(self, timeout: float = 10.0) -> bool:
        """Write what waits and replay what this process and ended ones spooled; whether nothing is left, and
        nothing of it was lost. It looks at the time between two calls of DynamoDB."""
        deadline = time.monotonic() + timeout
        kept = True
        for item, _ in self._buffer.places():
            kept = self._settle(item) and kept
        self._retry_at = self._look_at = 0.0
        self._look_for_orphans()
        while self._spool is not None and len(self._spool):
            if time.monotonic() >= self._retry_at:
                self.replay()
            else:
                time.sleep(0.01)
            if len(self._spool) and time.monotonic() >= deadline:
                return False
        return kept

    def close(self, timeout: float = 10.0) -> bool:
        """``flush``, and end the thread. What is left stays on disk for whoever uses the folder next."""
        done = self.flush(timeout)
        with self._changed:
            self._closed, thread = True, self._thread
            self._changed.notify_all()
        if thread and thread is not threading.current_thread():
            thread.join(timeout)
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
                    for offset, payload, whole in segment.records():
                        self._replay(self._spool, segment, offset, payload, whole)
                        count += 1
                    self._spool.drop_if_replayed(segment)
                if not len(self._spool):
                    self._over(count)
        except OSError as error:
            self._retry_at = time.monotonic() + LONGEST_PAUSE
            self._tell(Trouble("disk", f"the spool can't be replayed: {error}"))
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
            if self._passes(error):
                raise StillAway from error
            self._put_aside(spool, payload, record.item, error)
        else:
            if result.outcome == "missing":
                self._put_aside(spool, payload, record.item, ValueError(result.reason))
            elif not result:
                facts = (record.item, record.op, record.at, result.outcome, result.reason)
                self._logger.info("[%r] %s of %s is %s: %s", *facts)
        spool.replayed(segment, offset, payload, whole)

    def _put_aside(self, spool: Spool, payload: bytes, item: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        spool.quarantine(payload, reason)
        self._tell(Trouble("poison", f"a spooled record is in quarantine ({spool.folder}): {reason}", item))

    def _keep(self, spool: Spool, record: Record, error: Exception | None) -> WriteResult:
        """Put the record into the spool. Where that fails too, the record is lost, and that is told."""
        reason = f"{type(error).__name__}: {error}" if error else "it waits behind what is spooled"
        try:
            spool.append(record)
        except (OSError, SpoolFull) as trouble:
            lost = f"{record.op} is lost, the spool can't take it: {trouble}"
            self._tell(Trouble("full" if isinstance(trouble, SpoolFull) else "disk", lost, record.item))
            raise trouble from error
        with self._changed:
            self._wake()
        return WriteResult("spooled", reason)

    def _passes(self, error: Exception) -> bool:
        """Whether to try again later; if so, when, and that it is known."""
        kind = kind_of(error)
        if not kind:
            return False
        if time.monotonic() >= self._retry_at:  # else another thread has found it out as well
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            wait = LONGEST_PAUSE if kind == "denied" else self._pause
            self._retry_at = time.monotonic() + wait * random.uniform(0.5, 1.0)  # noqa: S311
        if self.trouble is None or self.trouble.kind != kind:
            said = "someone has to fix this" if kind == "denied" else "DynamoDB is away"
            place = self._spool.folder if self._spool is not None else "memory"
            self.trouble = Trouble(kind, f"{said}; statuses wait in {place}: {type(error).__name__}: {error}")
            self._tell(self.trouble)
        return True

    def _over(self, count: int = 0) -> None:
        self._pause, self._retry_at = 0.0, 0.0
        if self.trouble is not None:
            self.trouble = None
            self._logger.warning("DynamoDB is back: %d spooled records were dealt with", count)

    def _tell(self, trouble: Trouble) -> None:
        level = logging.WARNING if trouble.kind in ("away", "poison") else logging.ERROR
        self._logger.log(level, "[%r] %s", trouble.item, trouble.sentence)
        self.surface(trouble)

    def surface(self, trouble: Trouble) -> None:
        """Hand it to whoever wants to know. What that raises is logged, no more."""
        try:
            if self._on_trouble is not None:
                self._on_trouble(trouble)
        except Exception:
            self._logger.exception("on_trouble")

    def _look_for_orphans(self) -> None:
        """Take over what processes left that ended before they had replayed it."""
        if self._spool is None or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY
        try:
            if self._spool.adopt():
                with self._changed:
                    self._wake()
        except OSError as error:
            self._tell(Trouble("disk", f"the spool can't be read: {error}"))

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

    def _quietly(self, record: Record, slot: str) -> bool:
        """Send a progress that no caller waits for: what goes wrong is logged and surfaced, and False. It is of
        this moment then, so that it does not seem older than what was written while it waited."""
        try:
            self._send_progress(replace(record, at=self._now()), slot)
            return True
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._logger.warning("[%r] %s: failed: %s", record.item, record.op, reason)
            self.surface(Trouble(kind_of(error) or "mistake", reason, record.item))
            return False
