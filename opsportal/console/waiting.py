"""Why an item waits, in one sentence, of what is at hand. Where nothing is known, nothing is said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsportal.console.findings import Finding, spoken_minutes
from opsportal.console.tones import ATTENTION
from opsportal.descriptors import descriptors
from opsportal.dynamo.partitions import Count

# Minutes without a pickup that are worth a sentence: the reading itself may be a minute old.
MIN_IDLE = 2


@dataclass(frozen=True)
class Reason:
    """`kind`: stable, for programs."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Facts:
    """What is known; each "" or None where nothing is.

    `undelivered`: why its message did not get to the queue; `throttled`: the name of the table that DynamoDB throttled
    just now; `work`, `not_ready`: the step or capability that it needs, and which agents offer that, none of them ready;
    `idle`: minutes in which one of its kind waited and none was taken, and `nothing` that none was since, in words; `ahead`: those before it;
    `overtaken`: that newer ones were taken, as a sentence."""

    undelivered: str = ""
    throttled: str = ""
    work: str = ""
    not_ready: str = ""
    idle: int | None = None
    nothing: str = ""
    ahead: Count | None = None
    overtaken: str = ""


def why(facts: Facts) -> Reason | None:
    """The likeliest cause: what holds this one, then what holds all, then what is before it."""
    if facts.undelivered:
        return Reason("undelivered", f"Its message has not reached the queue: {facts.undelivered}")
    if facts.throttled:
        sentence = f"DynamoDB throttled calls to the table {facts.throttled} within the last minute."
        return Reason("throttled", sentence)
    if facts.not_ready:
        return Reason("no_ready_agent", f"No ready agent offers {facts.work}: {facts.not_ready}.")
    if facts.idle is not None and facts.idle >= MIN_IDLE:
        ahead = f"; {_ahead(facts.ahead)}" if facts.ahead and facts.ahead.number else ""
        return Reason("idle", f"{facts.nothing} for {spoken_minutes(facts.idle)}{ahead}.")
    if facts.overtaken:
        return Reason("overtaken", facts.overtaken)
    if facts.ahead and facts.ahead.number:
        said = _ahead(facts.ahead)
        return Reason("ahead", f"{said[0].upper()}{said[1:]}.")
    return None


def shown(reason: Reason | None, *others: str) -> list[Finding]:
    """As the first finding of a page; none where one of the page's other parts says it, which are named by its kind."""
    if reason is None or reason.kind in others:
        return []
    return [Finding("waiting", ATTENTION, reason.sentence)]


def _ahead(count: Count) -> str:
    one = count.number == 1 and not count.more
    return f"{'at least ' if count.more else ''}{count.number} {'is' if one else 'are'} ahead of it by priority and age"


def minutes_since(last: datetime | None, read_at: datetime) -> int | None:
    """Whole minutes, as of the reading."""
    return None if last is None else max(int((read_at - last) / timedelta(minutes=1)), 0)


def not_ready(names: Sequence[str]) -> tuple[str, str]:
    """The first of these steps or capabilities that some app knows agents for, none of them ready: its name, and which
    agents these are. ("", "") for none."""
    hooks = [one.not_ready for one in descriptors() if one.not_ready]
    found = ((name, said) for name in names for hook in hooks if (said := hook(name)))
    return next(found, ("", ""))
