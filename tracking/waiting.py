"""Why a workflow waits: before its first step, between two, or in one that does not move."""

from dataclasses import dataclass
from datetime import UTC, datetime

from opsportal.alerts import throttling
from opsportal.console.text import excerpt
from opsportal.console.tones import WAITING
from opsportal.console.waiting import Facts, Reason, minutes_since, not_ready, why
from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.dialects import NEWEST, newest_by_index
from opsportal.dynamo.errors import DynamoError, IndexMissing
from opsportal.dynamo.pages import Raw
from opsportal.dynamo.shared import Shared, shared
from opsportal.operations.item_pages import Watched
from tracking import queries
from tracking.findings import is_stuck
from tracking.models import Workflow
from tracking.steps import Step

# Seconds that the newest workflows that began are known, by the whole deployment.
FRESH = 60


@dataclass(frozen=True)
class Begun:
    """The newest `NEWEST` workflows of which a step has begun: when each was created, and when the last of all their
    steps began. `more`: others were created before these."""

    created: tuple[datetime, ...] = ()
    last: datetime | None = None
    more: bool = False


def reason(workflow: Workflow, watched: Watched, now: datetime | None = None) -> Reason | None:
    """None for one that moves, and where nothing is known. `watched`: what became of the newest change made here."""
    now = now or datetime.now(UTC)
    step = waits_for(workflow, now)
    if step is None:
        return None
    work, agents = not_ready([step.key])
    begun = _begun() if step.tone == WAITING else None
    return why(
        Facts(
            undelivered=watched.undelivered.why if watched.undelivered else "",
            throttled=throttling.lately(workflow.binding()),
            work=excerpt(step.label, 60) if work else "",
            not_ready=agents,
            idle=minutes_since(_idle_since(workflow, begun.value), begun.at) if begun else None,
            nothing="No step of the newest workflows has begun",
            overtaken=_overtaken(workflow, begun.value) if begun else "",
        )
    )


def waits_for(workflow: Workflow, now: datetime) -> Step | None:
    """The step that is to begin next, while none runs; of one that is stuck, the step that it stopped in."""
    if not workflow.is_open:
        return None
    if running := next((step for step in workflow.steps if step.running), None):
        return running if is_stuck(workflow, now) else None
    # Steps of the catalogue that an orchestrator with other ones never writes are none that it waits for.
    listed = not any(step.present for step in workflow.steps) or any(
        step.present and step.listed for step in workflow.steps
    )
    waiting = (step for step in workflow.steps if step.tone == WAITING and (step.present or listed))
    return next(waiting, None)


def _idle_since(workflow: Workflow, begun: Begun) -> datetime | None:
    """Since when no step began though this one waits."""
    return begun.last and max(begun.last, workflow.updated_at or begun.last)


def _overtaken(workflow: Workflow, begun: Begun) -> str:
    """Of one of which no step has begun."""
    created = workflow.created_at
    if not isinstance(created, datetime) or any(step.began_at for step in workflow.steps):
        return ""
    number = sum(at > created for at in begun.created)
    if not number:
        return ""
    more = begun.more and number == len(begun.created)
    one = number == 1 and not more
    many = f"{'At least ' if more else ''}{number} newer workflow{' has' if one else 's have'}"
    return f"No step of it has begun. {many} begun since."


def _begun() -> Shared[Begun] | None:
    """As it was within the last minute; None without an index, and where it can't be read: the page has enough to show."""
    try:
        return shared(f"begun:{Workflow.binding().fingerprint}", lambda _: _read(), fresh=FRESH)
    except DynamoError:
        return None


def _read() -> Begun:
    """Of at most 1 MB. Raises `DynamoError`, IndexMissing among them."""
    at = queries.found()
    if at.index is None:
        raise IndexMissing(at.why)
    found = newest_by_index(Workflow.binding(), at.index, queries.statuses().values, _has_begun)
    created = (read_time(raw.get(queries.SAMPLED.created)) for raw in found)
    starts = (step.began_at for raw in found for step in Workflow.from_item(raw).steps)
    return Begun(
        tuple(at for at in created if isinstance(at, datetime)),
        max((at for at in starts if at), default=None),
        len(found) == NEWEST,
    )


def _has_begun(raw: Raw) -> bool:
    return any(step.began_at for step in Workflow.from_item(raw).steps)
