"""What became of the items of a job that workers take up: each is compared, again and again until it is settled, with
what the job wrote."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings

from opsportal.console.statuses import Vocabulary
from opsportal.jobs import chunks
from opsportal.jobs.chunks import Keys, Progress
from opsportal.jobs.job import GOOD, SETTLED, Job, Outcome
from opsportal.jobs.members import CODES, OUTCOMES, UNSEEN, seen_item
from opsportal.jobs.work import action_id_of, read_items, work_of
from opsportal.operations import entries
from opsportal.operations.changes import Raw
from opsportal.operations.entries import Entry
from opsportal.operations.observation import COUNTS, StillHolds, as_written
from opsportal.operations.tables import audit_table_for

# Items that are read in one pass, and that are followed at a time: of more, some at random.
MAX_DRAWN, MAX_FOLLOWED = 100, 1_000
# What shows that a worker has taken up an item.
TOUCHED = (Outcome.TAKEN_UP, *GOOD, Outcome.FAILED_AGAIN, Outcome.OVERWRITTEN)
CANCELS = ("cancelled", "canceled")

# Where an item is: its chunk, and its position in that.
Position = tuple[int, int]


def outcome_of(
    entry: Entry, raw: Raw | None, statuses: Vocabulary, still_holds: StillHolds, age: float
) -> Outcome:
    """What became of an item that was written so many seconds ago, given as it is now.

    Where the console counted the retry, a later write without that count undid it; without a count the status alone says
    what became of it.
    """
    if raw is None:
        return Outcome.GONE
    if as_written(entry, raw):
        return Outcome.WAITING
    if any(name in entry.watch for name in COUNTS) and not still_holds(entry, raw):
        return Outcome.OVERWRITTEN
    status = statuses.of(raw)
    if status in CANCELS:
        return Outcome.CANCELLED
    if statuses.ended_badly(status):
        return Outcome.FAILED_AGAIN
    if statuses.succeeded(status):
        return Outcome.COMPLETED
    return Outcome.STILL_RUNNING if age >= settings.JOBS_OBSERVE_SECONDS else Outcome.TAKEN_UP


@dataclass
class _Followed:
    """An item that is not settled. `entry`: read at its first pass; `done_at`: by that, epoch seconds."""

    key: str
    entry: Entry | None = None
    done_at: float = 0.0


@dataclass(frozen=True)
class Seen:
    """What is known of items: how many were settled and taken up, how many wait, and since when the one that waits
    longest (epoch seconds, 0: none)."""

    settled: int = 0
    taken_up: int = 0
    waiting: int = 0
    waiting_since: float = 0.0


class Watch:
    """The items of one job. What was found before, by whichever worker, is read once."""

    def __init__(self, job: Job) -> None:
        """Raises ActionGone, `DynamoError`."""
        self.job = job
        self.work = work_of(job)
        self.codes: dict[int, list[str]] = {}
        self.changed: set[int] = set()
        self._progress: dict[int, Progress] = {}
        self._followed: dict[Position, _Followed] = {}
        self._keys: tuple[int, Keys] | None = None
        if self.is_observed:
            for raw in chunks.parts(job, "seen#"):
                self.codes[int(raw["sk"]["S"].partition("#")[2])] = list(raw["codes"]["S"])
        self._count: Counter[str] = Counter(code for codes in self.codes.values() for code in codes)

    @property
    def is_observed(self) -> bool:
        return self.work.action.observed is not None and not self.job.undoes

    @property
    def done(self) -> int:
        """How many the job had done at the last `refresh`."""
        return sum(one.done for one in self._progress.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing is left that is followed."""
        return not self._followed

    @property
    def outcomes(self) -> dict[str, int]:
        """How many have each outcome."""
        return {str(outcome): self._count[code] for code, outcome in OUTCOMES.items() if self._count[code]}

    def seen(self, base: Sequence[int]) -> Seen:
        """Of those from the position `base` of their chunk on."""
        count: Counter[str] = Counter()
        for n, codes in self.codes.items():
            count.update(codes[base[n] :] if n < len(base) else codes)
        found = {outcome: count[code] for code, outcome in OUTCOMES.items()}
        since = [
            one.done_at
            for (n, at), one in self._followed.items()
            if one.done_at and self._code(n, at) == CODES[Outcome.WAITING] and _is_from(base, n, at)
        ]
        return Seen(
            settled=sum(found[one] for one in SETTLED),
            taken_up=sum(found[one] for one in TOUCHED),
            waiting=found[Outcome.WAITING],
            waiting_since=min(since, default=0.0),
        )

    def parts(self) -> list[tuple[int, Raw]]:
        """The chunks whose outcomes have changed since they were written, and what is to be written."""
        return [(n, seen_item(self.job, n, "".join(self.codes[n]))) for n in sorted(self.changed)]

    # --- Following ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Follow what was done since the last time. Raises `DynamoError`, LookupError."""
        progress: dict[int, Progress] = {}
        new = list(self._new(progress))
        room = max(MAX_FOLLOWED - len(self._followed), 0)
        if len(new) > room:
            known = [position for position in new if self._code(*position) != UNSEEN]
            others = [position for position in new if self._code(*position) == UNSEEN]
            new = known + random.sample(others, min(max(room - len(known), 0), len(others)))
        self._followed |= {(n, at): _Followed(self._keys_of(n).eligible[at].key) for n, at in sorted(new)}
        self._progress |= progress

    def _new(self, progress: dict[int, Progress]) -> Iterator[Position]:
        """What was done and is not settled, of the chunks that were not at their end the last time. Fills `progress` with
        how far these are now."""
        start = min((n for n, one in self._progress.items() if one.is_open), default=len(self._progress))
        for raw in chunks.parts(self.job, "chunk#", f"chunk#{start:05}"):
            now = Progress.from_item(raw)
            before = self._progress.get(now.n)
            progress[now.n] = now
            left_out = {
                at
                for found in (now.reasons, now.failures)
                for positions in found.values()
                for at in positions
            }
            for at in range(before.at if before else 0, now.at):
                if at not in left_out and OUTCOMES.get(self._code(now.n, at)) not in SETTLED:
                    yield now.n, at

    def _keys_of(self, n: int) -> Keys:
        if self._keys is None or self._keys[0] != n:
            self._keys = n, chunks.keys_of(self.job, n)
        return self._keys[1]

    # --- A pass ---------------------------------------------------------------------------------------------------

    def look(self, now: float) -> list[tuple[Position, Outcome]]:
        """Read some of those that are followed; returns what has changed, in the order in which the job wrote them.
        Raises `DynamoError`."""
        drawn = random.sample(sorted(self._followed), min(MAX_DRAWN, len(self._followed)))
        self._read_entries(drawn)
        drawn = sorted(
            (position for position in drawn if position in self._followed and self._followed[position].entry),
            key=lambda position: (self._followed[position].done_at, position),
        )
        found = self._judged(drawn, now, consistent=False)
        # An eventually consistent read may be older than the job's own write.
        doubtful = [
            position for position, outcome in found.items() if outcome in SETTLED and outcome not in GOOD
        ]
        for position in doubtful:
            del found[position]
        found |= self._judged(doubtful, now, consistent=True)
        changes = []
        for position in drawn:
            outcome = found.get(position)
            if outcome and self._code(*position) != CODES[outcome]:
                self._set(position, outcome)
                changes.append((position, outcome))
            if outcome in SETTLED:
                del self._followed[position]
        return changes

    def _judged(
        self, positions: Sequence[Position], now: float, *, consistent: bool
    ) -> dict[Position, Outcome]:
        """By position; without those that DynamoDB gave no answer about."""
        statuses = self.work.action.observed
        if not positions or statuses is None:
            return {}
        keys = [self._followed[position].key for position in positions]
        items, unanswered = read_items(self.job.table, keys, consistent=consistent)
        found = {}
        for position in positions:
            one = self._followed[position]
            if one.entry and one.key not in unanswered:
                age, raw = now - one.done_at, items.get(one.key)
                found[position] = outcome_of(one.entry, raw, statuses, self.work.actions.still_holds, age)
        return found

    def _read_entries(self, positions: Sequence[Position]) -> None:
        """What the job wrote into each, read once; what has no entry (any more) is followed no longer."""
        job, wanted = self.job, {}
        for position in positions:
            one = self._followed[position]
            if one.entry is None:
                wanted[action_id_of(job.id, job.logical, one.key)] = position
        if not wanted:
            return
        found, unanswered = read_items(audit_table_for(job.table), list(wanted))
        for action_id, position in wanted.items():
            if action_id in found:
                entry = entries.from_item(found[action_id])
                # Only these say something of what came after, and the others may be long.
                kept = tuple(one for one in entry.changes if {*one.path[:1]} & {*self.work.actions.stamps})
                done_at = entry.time.timestamp() if isinstance(entry.time, datetime) else 0.0
                self._followed[position].entry = replace(entry, changes=kept)
                self._followed[position].done_at = done_at
            elif action_id not in unanswered:
                del self._followed[position]

    def _code(self, n: int, at: int) -> str:
        codes = self.codes.get(n, [])
        return codes[at] if at < len(codes) else UNSEEN

    def _set(self, position: Position, outcome: Outcome) -> None:
        n, at = position
        codes = self.codes.setdefault(n, [])
        codes.extend(UNSEEN * (at + 1 - len(codes)))
        self._count[codes[at]] -= 1
        codes[at] = CODES[outcome]
        self._count[codes[at]] += 1
        self.changed.add(n)


def _is_from(base: Sequence[int], n: int, at: int) -> bool:
    return n >= len(base) or at >= base[n]
