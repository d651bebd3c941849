"""Why a request waits."""

from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from opsportal.alerts import throttling
from opsportal.console.findings import Finding
from opsportal.console.text import excerpt
from opsportal.console.waiting import Facts, Reason, minutes_since, not_ready, shown, why
from opsportal.dynamo.partitions import Count
from opsportal.dynamo.shared import Shared
from opsportal.operations.item_pages import Watched
from opsportal.operations.undelivered import SENDING
from requests_app import queue
from requests_app.actions import uses_queue
from requests_app.findings import NONE_TAKEN, findings, is_stuck, overtaken
from requests_app.models import IntelligenceRequest
from requests_app.queue import Queue


class Wait(NamedTuple):
    """`why`: None where nothing is known, or nothing is waited for; `overtakers`: newer ones that were taken before it."""

    why: Reason | None
    overtakers: Count

    def findings(self, request: IntelligenceRequest, now: datetime, *elsewhere: str) -> list[Finding]:
        """What the top of its pages says: why it waits, then what is wrong. `elsewhere`: kinds of reasons that the page
        says in another place."""
        return [*shown(self.why, "overtaken", *elsewhere), *findings(request, now, self.overtakers)]


def wait_of(request: IntelligenceRequest, watched: Watched, now: datetime) -> Wait:
    """With the queue as read within the last minute; `watched`: what became of the newest change made here."""
    known = queue.known() if queue.is_pending(request) else None
    overtakers = known.value.overtakers(request) if known else NONE_TAKEN
    return Wait(reason(request, watched, known, now), overtakers)


def reason(
    request: IntelligenceRequest, watched: Watched, known: Shared[Queue] | None, now: datetime
) -> Reason | None:
    """Of one that is pending, or that is stuck at a stage; None for others, and where nothing is known. `watched`: what
    became of the newest change made here; `known`: the queue as read within the last minute."""
    pending = queue.is_pending(request)
    if not (pending or is_stuck(request, now)):
        return None
    work, agents = not_ready(
        [one for one in (request.progress.stage, request.request_type) if isinstance(one, str) and one]
    )
    facts = Facts(
        undelivered=_undelivered(request, watched) if pending else "",
        throttled=throttling.lately(request.binding()),
        work=excerpt(work, 60),
        not_ready=agents,
    )
    return why(facts if not pending or known is None else _of_queue(facts, request, known))


def _undelivered(request: IntelligenceRequest, watched: Watched) -> str:
    if watched.undelivered:
        return watched.undelivered.why
    # Not late yet, but it never can be sent. What other programs submit they send themselves.
    found = watched.observation
    from_here = found is not None and found.entry.action.verb in SENDING
    if from_here and uses_queue(request.raw) and not settings.REQUESTS_QUEUE_URL:
        return "The setting REQUESTS_QUEUE_URL is missing."
    return ""


def _of_queue(facts: Facts, request: IntelligenceRequest, known: Shared[Queue]) -> Facts:
    found = known.value
    strategy = request.processing_strategy
    of_strategy = (
        f" of the strategy {excerpt(strategy, 40)}" if isinstance(strategy, str) and strategy else ""
    )
    # A queue of messages has an order of its own.
    ahead = None if uses_queue(request.raw) else found.ahead(request)
    overtakers = found.overtakers(request)
    return Facts(
        facts.undelivered,
        facts.throttled,
        facts.work,
        facts.not_ready,
        idle=minutes_since(found.idle_since(request), known.at),
        nothing=f"No worker has taken any of the newest requests{of_strategy}",
        ahead=ahead or Count(0),
        overtaken=overtaken(overtakers) if overtakers.number else "",
    )
