"""The steps of a workflow: one map attribute per agent step, of which any may be missing or odd.

The catalogue in settings.WORKFLOW_STEPS gives order, label and waiting text; a map attribute with a
`status` that it does not list is a step as well (docs/data.md, point 6).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.functional import cached_property

from opsportal.console.tones import FAILED, RUNNING, WAITING, tone_of
from opsportal.dynamo.attributes import (
    Malformed,
    Typed,
    plain,
    raw_text,
    read_map,
    read_number,
    read_text,
    read_time,
)
from writers.values import RESERVED

# Seed 000 of docs/data.md.
STEP_STATUSES = ("pending", "in-progress", "success", "error")
# Attributes of the item that are not steps, though nothing keeps a writer from making one a map with a `status`.
NOT_STEPS = RESERVED

# What writers call the agent of a step, and how many of the setting a page names.
AGENT_NAMES, MAX_AGENTS = ("agentId", "agent_id", "agent"), 5


class Tokens(NamedTuple):
    """`tokenUsage` as the writer recorded it. `total` is the recorded one, never a sum by guess."""

    input: Decimal | Malformed | None = None
    output: Decimal | Malformed | None = None
    total: Decimal | Malformed | None = None


NO_TOKENS = Tokens()


@dataclass  # a frozen one takes three times as long to make, and a list makes 200
class Step:
    """One agent step as recorded. `started_at` may be missing: see `began_at`.

    `present` is False for a step of the catalogue that the item does not have.
    """

    key: str
    label: str
    listed: bool = True
    present: bool = True
    status: str | Malformed | None = None
    activity: str | Malformed | None = None
    started_at: datetime | Malformed | None = None
    completed_at: datetime | Malformed | None = None
    last_updated: datetime | Malformed | None = None
    duration: Decimal | Malformed | None = None
    tokens: Tokens = NO_TOKENS
    error: str | Malformed | None = None
    retries: int = 0
    others: Mapping[str, Any] | None = None
    malformed: Malformed | None = None

    @cached_property
    def tone(self) -> str:
        return WAITING if self.status is None and self.malformed is None else tone_of(self.status)

    @property
    def failed(self) -> bool:
        return self.tone == FAILED

    @property
    def running(self) -> bool:
        return self.tone == RUNNING

    @property
    def status_text(self) -> str:
        if self.malformed is not None:
            return "malformed"
        return str(self.status) if self.status is not None else "not recorded"

    @property
    def derived_start(self) -> datetime | None:
        """`completedAt - duration`, for writers that replace the map and lose `startedAt` (point 2)."""
        return None if isinstance(self.started_at, datetime) else self.began_at

    @property
    def began_at(self) -> datetime | None:
        """Recorded start, else the derived one."""
        return began_at(self.started_at, self.completed_at, self.duration)

    @property
    def touched_at(self) -> datetime | None:
        """The newest of its stamps; None where it has none."""
        stamps = (self.started_at, self.completed_at, self.last_updated)
        return max((stamp for stamp in stamps if isinstance(stamp, datetime)), default=None)

    @property
    def seconds(self) -> Decimal | None:
        """Recorded duration, else the one between the two stamps where these are in order."""
        return lasted(self.started_at, self.completed_at, self.duration)

    @property
    def agents(self) -> list[str]:
        """Ids of the agents that work it: the one that the item names, else those of the setting AGENT_STEPS."""
        for name in AGENT_NAMES:
            if isinstance(agent := (self.others or {}).get(name), str) and agent:
                return [agent]
        return [agent for agent, key in settings.AGENT_STEPS.items() if key == self.key][:MAX_AGENTS]

    @property
    def malformed_parts(self) -> list[tuple[str, Malformed]]:
        """What of this step could not be read, by the attribute's name; "" is the whole step."""
        values = (
            self.malformed, self.status, self.activity, self.started_at, self.completed_at, self.last_updated,
            self.duration, self.error, *self.tokens,
        )  # fmt: skip
        if Malformed not in map(type, values):  # as of nearly all; the loop below takes three times as long
            return []
        return [
            (name, value) for name, value in zip(_PARTS, values, strict=True) if isinstance(value, Malformed)
        ]

    @property
    def problems(self) -> list[str]:
        """What of this step could not be read, one sentence each."""
        return [
            f"{name or 'the step'}: {value.reason}: {value.raw[:200]}" for name, value in self.malformed_parts
        ]


_PARTS = (
    "", "status", "activity", "startedAt", "completedAt", "lastUpdated", "duration", "error",
    "inputTokens", "outputTokens", "totalTokens",
)  # fmt: skip
When = datetime | Malformed | None
Amount = Decimal | Malformed | None


def began_at(started: When, completed: When, duration: Amount) -> datetime | None:
    """Recorded start, else the end less the duration."""
    if isinstance(started, datetime):
        return started
    if not isinstance(completed, datetime) or not isinstance(duration, Decimal) or duration < 0:
        return None
    return shifted(completed, -duration)


def lasted(started: When, completed: When, duration: Amount) -> Decimal | None:
    """Recorded duration in seconds, else the one between the two stamps where these are in order."""
    if isinstance(duration, Decimal) and duration >= 0:
        return duration
    if not (isinstance(started, datetime) and isinstance(completed, datetime)):
        return None
    between = Decimal(str((completed - started).total_seconds()))
    return between if between >= 0 else None


# A step that began so long before its workflow was created has a wrong time.
LONG_BEFORE = timedelta(days=1)


def shifted(moment: datetime, seconds: Decimal) -> datetime | None:
    """`moment` moved by `seconds`; None where that leaves the calendar (years 1 to 9999)."""
    try:
        return moment + timedelta(seconds=float(seconds))
    except OverflowError:
        return None


def steps_of(raw: Mapping[str, Typed]) -> list[Step]:
    """The catalogue's steps in their order, then the unlisted ones of the item by their start; those that have not
    started are last, by name."""
    steps = []
    for entry in settings.WORKFLOW_STEPS:
        key = entry["key"]
        if raw.get(key) is None or "NULL" in raw[key]:
            steps.append(Step(key, entry["label"], present=False, activity=entry.get("waiting") or None))
        else:
            steps.append(_step(key, entry["label"], raw[key], listed=True))
    others = [_step(key, key, raw[key], listed=False) for key in unlisted(raw)]
    return steps + sorted(others, key=_start)


def unlisted(raw: Mapping[str, Typed]) -> list[str]:
    """The item's steps that the catalogue does not have, by name."""
    listed = {entry["key"] for entry in settings.WORKFLOW_STEPS}
    return sorted(name for name in raw.keys() - listed - NOT_STEPS if "status" in raw[name].get("M", {}))


def _start(step: Step) -> tuple[bool, float]:
    """Sorts by the recorded start, else by what its end and duration say of it."""
    began = step.began_at or step.touched_at
    return began is None, began.timestamp() if began else 0.0


# Steps of a workflow, and characters of a text in one, that a summary holds.
MAX_STEPS, MAX_TEXT = 60, 300


def summary(raw: Mapping[str, Typed]) -> dict[str, Typed]:
    """The steps of an item as a list shows them: without what only the item's own page has."""
    listed = [entry["key"] for entry in settings.WORKFLOW_STEPS if entry["key"] in raw]
    return {name: _summarised(raw[name]) for name in [*listed, *unlisted(raw)][:MAX_STEPS]}


def _summarised(value: Typed) -> Typed:
    if "M" not in value:
        return value
    names = READ | {"retryCount"}
    return {"M": {name: _cut(member) for name, member in value["M"].items() if name in names}}


def _cut(value: Typed) -> Typed:
    text = value.get("S", "")
    return {"S": text[:MAX_TEXT] + "…"} if len(text) > MAX_TEXT else value


READ = frozenset(
    {"status", "activity", "startedAt", "completedAt", "lastUpdated", "duration", "tokenUsage", "error"}
)


def _step(key: str, label: str, value: Typed, *, listed: bool) -> Step:
    members = read_map(value)
    if members is None or isinstance(members, Malformed):
        malformed = Malformed(value, "expected a map") if members is None else members
        return Step(key, label, listed=listed, malformed=malformed)
    retries = read_number(members.get("retryCount"))
    others = sorted(members.keys() - READ)
    return Step(
        key,
        label,
        listed=listed,
        status=read_text(members.get("status")),
        activity=read_text(members.get("activity")),
        started_at=read_time(members.get("startedAt")),
        completed_at=read_time(members.get("completedAt")),
        last_updated=read_time(members.get("lastUpdated")),
        duration=read_number(members.get("duration")),
        tokens=read_tokens(members.get("tokenUsage")),
        error=read_error(members.get("error")),
        retries=int(retries) if isinstance(retries, Decimal) and 0 < retries < 10_000 else 0,
        others={name: plain(members[name]) for name in others} or None,
    )


def read_error(value: Typed | None) -> str | Malformed | None:
    """Errors are text; some writers store a map, which is shown as it is rather than lost."""
    if value is not None and ("M" in value or "L" in value):
        return raw_text(value)
    text = read_text(value)
    return None if text == "" else text


def read_tokens(value: Typed | None) -> Tokens:
    """A `tokenUsage` map; anything else is a malformed total."""
    members = read_map(value)
    if members is None:
        return NO_TOKENS
    if isinstance(members, Malformed):
        return Tokens(total=members)
    return Tokens(
        input=read_number(members.get("inputTokens")),
        output=read_number(members.get("outputTokens")),
        total=read_number(members.get("totalTokens")),
    )


def read_total(value: Typed | None) -> Decimal | Malformed | None:
    """`read_tokens(value).total`, for who needs nothing else."""
    members = read_map(value)
    return read_number(members.get("totalTokens")) if isinstance(members, dict) else members
