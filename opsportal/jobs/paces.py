"""How many items of a job its pace allows now: a pure function of what was done and seen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from opsportal.dynamo.attributes import Typed
from opsportal.jobs.chunks import packed, unpacked
from opsportal.jobs.job import BAD, SETTLED, Outcome, Pace, decimal, whole
from opsportal.jobs.members import CODES
from opsportal.jobs.observing import MAX_FOLLOWED, TOUCHED, Position, Seen
from opsportal.operations.changes import Raw, number, text

# Of the newest settled ones that are judged: so many, from so many on; before that, so many bad ones in a row.
WINDOW, ENOUGH, IN_A_ROW = 50, 10, 3
# Seconds of its pace that a job does at a time at least, and at most, however long it could not go on.
STEP, BURST = 5.0, 15.0


@dataclass(frozen=True)
class SoFar:
    """The pace since a person last started, resumed or changed the job, as its `pace` item has it.

    `epoch`: the job's at that time; `base`: the positions of the chunks then; `done_before`: items that had been done.
    Epoch seconds, 0 where it is not so far: `first_at` when the first were done, `open_at` since when so many a minute are
    allowed, `taken_at` when an item was last seen to be taken up. `settled`: the codes of the newest settled ones.
    """

    epoch: int = -1
    base: tuple[int, ...] = ()
    done_before: int = 0
    first_at: float = 0.0
    open_at: float = 0.0
    taken_at: float = 0.0
    settled: str = ""

    def stored(self) -> Raw:
        return {
            "epoch": number(self.epoch),
            "base": packed(self.base),
            "done_before": number(self.done_before),
            "first_at": number(f"{self.first_at:.3f}"),
            "open_at": number(f"{self.open_at:.3f}"),
            "taken_at": number(f"{self.taken_at:.3f}"),
            "settled": text(self.settled),
        }

    @classmethod
    def from_item(cls, raw: Mapping[str, Typed]) -> Self:
        if "epoch" not in raw:
            return cls()
        return cls(
            epoch=whole(raw, "epoch"),
            base=tuple(unpacked(raw["base"])),
            done_before=whole(raw, "done_before"),
            first_at=float(decimal(raw, "first_at")),
            open_at=float(decimal(raw, "open_at")),
            taken_at=float(decimal(raw, "taken_at")),
            settled=raw["settled"]["S"],
        )

    def after(self, changes: Iterable[tuple[Position, Outcome]], now: float) -> "SoFar":
        """With what a pass has found; only what was done since counts."""
        mine = [outcome for (n, at), outcome in changes if n >= len(self.base) or at >= self.base[n]]
        settled = self.settled + "".join(CODES[one] for one in mine if one in SETTLED)
        taken = any(one in TOUCHED for one in mine)
        return replace(self, settled=settled[-WINDOW:], taken_at=now if taken else self.taken_at)


@dataclass(frozen=True)
class Decision:
    """`run`: how many items may be done now; `why`: what people read meanwhile; `halt`: why it must not go on."""

    so_far: SoFar
    run: int = 0
    why: str = ""
    halt: str = ""


def decide(
    pace: Pace, so_far: SoFar, *, done: int, seen: Seen | None, now: float, seconds: int | None
) -> Decision:
    """`done`: items since the count began. `seconds`: after which an outcome counts, None where none is waited for. `seen`:
    what became of those items, None before the first look."""
    if seconds is not None and (sentence := _fault(pace, so_far, seen, now, seconds)):
        return Decision(so_far, halt=sentence)
    if done < pace.first:
        return Decision(so_far, pace.first - done, f"Acting on the first {pace.first:,}.")
    if not so_far.first_at:
        so_far = replace(so_far, first_at=now)
    if not so_far.open_at:
        if seconds is not None and not _is_known(so_far, done, seen, now, seconds):
            return Decision(so_far, why=f"Waiting for the outcomes of the first {pace.first:,}.")
        so_far = replace(so_far, open_at=now)
    a_second = pace.per_minute / 60
    allowed = pace.first + a_second * (now - so_far.open_at) - done
    most = a_second * BURST + 1
    if allowed > most:  # it could not go on for a while, and does not make up for that
        so_far = replace(so_far, open_at=now - (done - pace.first + most) / a_second)
        allowed = most
    run = int(allowed) if allowed >= max(a_second * STEP, 1) else 0
    return Decision(so_far, run, f"{pace.per_minute:,} a minute.")


def _is_known(so_far: SoFar, done: int, seen: Seen | None, now: float, seconds: int) -> bool:
    """Whether enough is known of the first ones to go on."""
    if seen is None:
        return False
    if seen.settled >= min(done, MAX_FOLLOWED):
        return True
    return now - so_far.first_at >= seconds and (seen.taken_up > 0 or not seen.waiting)


def _fault(pace: Pace, so_far: SoFar, seen: Seen | None, now: float, seconds: int) -> str:
    """Why it must not go on, as a sentence; "" where it may."""
    codes = so_far.settled
    bad = [code in {CODES[one] for one in BAD} for code in codes]
    again = "failed again" if CODES[Outcome.OVERWRITTEN] not in codes else "failed again or were overwritten"
    if len(bad) >= ENOUGH:
        if sum(bad) > pace.halt_share * len(bad):
            return f"{sum(bad)} of the last {len(bad)} observed {again}: more than {pace.halt_percent} %."
    elif len(bad) >= IN_A_ROW and all(bad[-IN_A_ROW:]) and pace.halt_share < 1:
        return f"{IN_A_ROW} in a row {again}."
    if seen is None or not seen.waiting_since:
        return ""
    if so_far.open_at:
        idle = now - max(seen.waiting_since, so_far.taken_at, so_far.open_at)
    else:
        idle = 0 if seen.taken_up else now - seen.waiting_since
    if idle < seconds:
        return ""
    return f"No worker takes them: {seen.waiting:,} wait, and none was picked up within {_spoken(seconds)}."


def _spoken(seconds: int) -> str:
    if seconds % 60 or seconds == 60:
        return f"{seconds} s"
    return f"{seconds // 60} minutes"
