"""The stages of a request in their order: what became of each, for the picture on its page.

The item says which stage it is in, and no more: those before it are done. Of a worker that has other stages only the
current one is known.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from opsportal.console.tones import ATTENTION, FAILED, ICONS, SUCCESS, WAITING, tone_of
from opsportal.dynamo.attributes import Malformed
from requests_app.models import IntelligenceRequest
from requests_app.statuses import lower
from writers.request_plans import STAGES

WAIT, END, FIRST = "waiting", "completed", "initialization"
LABELS = {
    WAIT: "Waiting",
    FIRST: "Initialization",
    "serp_discovery": "SERP discovery",
    "content_extraction": "Content extraction",
    "aggregation": "Aggregation",
    END: "Completed",
}
# Figures of the progress, what they count, and the stage in which they are counted.
COUNTS = (
    ("urls_found", "URLs found", "serp_discovery"),
    ("content_extracted", "extracted", "content_extraction"),
    ("processing_errors", "errors", "content_extraction"),
)


class State(StrEnum):
    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"


@dataclass
class Stage:
    """`key`: as the worker wrote it, a text or what can't be read. `share`: percent of this stage that is done.
    `counts`: (figure, what it counts). `since`: when the stage began; `at`: when it ended; `took`: how long it was."""

    key: Any
    state: State
    tone: str
    icon: str
    share: Decimal | None = None
    counts: list[tuple[Any, str]] = field(default_factory=list)
    since: datetime | None = None
    at: datetime | None = None
    took: timedelta | None = None

    @property
    def label(self) -> Any:
        return LABELS.get(self.key, self.key) if isinstance(self.key, str) else self.key

    @property
    def is_known(self) -> bool:
        """Whether its label is the console's own word."""
        return self.key in LABELS if isinstance(self.key, str) else False


def stages(request: IntelligenceRequest, *, is_stuck: bool = False) -> list[Stage]:
    """From waiting for a worker to the end."""
    tone = tone_of(request.status)
    keys, at = _order(request, tone)
    found = []
    for number, key in enumerate(keys):
        if tone == SUCCESS or number < at:
            found.append(Stage(key, State.DONE, SUCCESS, "check"))
        elif number == at:
            found.append(Stage(key, State.NOW, *_looks(request, tone, is_stuck=is_stuck)))
        else:
            found.append(Stage(key, State.AHEAD, WAITING, "circle-dashed"))
    _time(request, found)
    _count(request, found, at)
    return found


def _order(request: IntelligenceRequest, tone: str) -> tuple[list[Any], int]:
    """The stages, and the number of the current one."""
    stage = request.progress.stage
    known = _known(stage)
    untaken = _is_untaken(request, tone)
    if known or (untaken and not stage):
        keys = [WAIT, *STAGES]
        return keys, 0 if untaken else keys.index(known)
    if stage or isinstance(stage, Malformed):
        return [WAIT, stage, END], 0 if untaken else 1
    return [WAIT, END] if tone == SUCCESS else [WAIT, "", END], 1


def _known(stage: object) -> str:
    """The documented stage that is meant; "" for another."""
    name = "_".join(stage.strip().lower().replace("-", " ").split()) if isinstance(stage, str) else ""
    return name if name in STAGES else ""


def _is_untaken(request: IntelligenceRequest, tone: str) -> bool:
    """Whether no worker has begun with it; of what has ended otherwise than well, whether none ever had."""
    if tone == WAITING:
        return True
    nothing = not request.progress.percentage and _known(request.progress.stage) in ("", FIRST)
    return tone in (FAILED, ATTENTION) and nothing and request.started_at is None


def _looks(request: IntelligenceRequest, tone: str, *, is_stuck: bool) -> tuple[str, str]:
    """Tone and icon of the current stage."""
    if is_stuck:
        return ATTENTION, "hourglass"
    if lower(request.status) in ("cancelled", "canceled"):
        return ATTENTION, "ban"
    return tone, ICONS[tone]


def _time(request: IntelligenceRequest, found: list[Stage]) -> None:
    """The wait and the end are the only ones whose times the item has."""
    wait, end, started = found[0], found[-1], request.started_at
    since = _queued_at(request)
    if wait.state is State.NOW:
        wait.since = since if wait.tone in (WAITING, ATTENTION) and not request.is_terminal else None
    elif isinstance(started, datetime):
        wait.at = started
        wait.took = started - since if since and started >= since else None
    if end.state is State.DONE and isinstance(request.completed_at, datetime):
        end.at = request.completed_at


def _queued_at(request: IntelligenceRequest) -> datetime | None:
    """When it last began to wait: at its creation, or when it was retried."""
    started = request.started_at
    waits = [
        change.at
        for change in request.status_history
        if lower(change.new_status) == "pending"
        and isinstance(change.at, datetime)
        and not (isinstance(started, datetime) and change.at > started)
    ]
    created = [request.created_at] if isinstance(request.created_at, datetime) else []
    return max([*created, *waits], default=None)


def _count(request: IntelligenceRequest, found: list[Stage], at: int) -> None:
    """What was counted, at its stage, or at the current one of a worker that has others."""
    by_key = {stage.key: stage for stage in found if isinstance(stage.key, str)}
    current = found[min(at, len(found) - 1)]
    for name, what, key in COUNTS:
        value = getattr(request.progress, name)
        if value is not None:
            one = what == "errors" and value == 1
            by_key.get(key, current).counts.append((value, "error" if one else what))
    percentage, low_high = request.progress.percentage, STAGES.get(str(current.key))
    if low_high and current.state is State.NOW and isinstance(percentage, Decimal):
        low, high = low_high
        if low <= percentage <= high:
            current.share = (percentage - low) * 100 / (high - low)
