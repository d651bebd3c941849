"""A job as a value: one action on a frozen list of keys of one table."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

from django.conf import settings

from opsportal.dynamo.attributes import Typed, read_text
from opsportal.dynamo.json_values import as_json, parse_foreign
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.changes import Raw, number, text
from opsportal.operations.entries import MAX_ACTOR_ID, Actor, stamp
from opsportal.operations.tags import Action, UnknownAction, read_action


class State(enum.StrEnum):
    PREVIEWING = "previewing"  # its set is being frozen
    READY = "ready"  # a person may start it
    RUNNING = "running"
    PAUSED = "paused"  # by a person
    HALTED = "halted"  # by its pace: too many failed again, or nobody takes them
    STOPPED = "stopped"
    FINISHED = "finished"
    EXPIRED = "expired"  # not started in time


OPEN = (State.PREVIEWING, State.READY, State.RUNNING, State.PAUSED, State.HALTED)


class Outcome(enum.StrEnum):
    """What became of one item of a job. The first four are the console's own; the others are observed after a retry."""

    PENDING = "pending"
    DONE = "done"
    SKIPPED = "skipped"  # its state forbade it, or it had changed since the preview
    FAILED = "failed"  # DynamoDB refused it
    WAITING = "waiting"  # as written: no worker has taken it up
    TAKEN_UP = "taken_up"
    COMPLETED = "completed"
    STILL_RUNNING = "still_running"  # for as long as is taken for good
    FAILED_AGAIN = "failed_again"
    OVERWRITTEN = "overwritten"  # a later write undid the retry
    GONE = "gone"
    CANCELLED = "cancelled"  # by somebody, since: neither good nor bad


# Of an item that was done, once it is settled.
GOOD = (Outcome.COMPLETED, Outcome.STILL_RUNNING)
BAD = (Outcome.FAILED_AGAIN, Outcome.OVERWRITTEN)
SETTLED = (*GOOD, *BAD, Outcome.GONE, Outcome.CANCELLED)
OBSERVED = (Outcome.WAITING, Outcome.TAKEN_UP, *SETTLED)


@dataclass(frozen=True)
class Pace:
    """`first` items, then `per_minute`, while at most `halt_share` of those that were observed failed again."""

    first: int
    per_minute: int
    halt_share: Decimal

    @property
    def halt_percent(self) -> Decimal:
        """Without zeros at its end: 20, 12.5."""
        return Decimal(f"{(self.halt_share * 100).normalize():f}")

    def stored(self) -> dict[str, Any]:
        return {"first": self.first, "per_minute": self.per_minute, "halt_share": self.halt_share}

    @classmethod
    def from_stored(cls, given: Mapping[str, Any]) -> Self:
        return cls(int(given["first"]), int(given["per_minute"]), Decimal(given["halt_share"]))


@dataclass(frozen=True)
class Source:
    """What a job's set is made of: the keys that were ticked (in `given` items of the store), what matches the filter of
    a list, or items of another job, by their outcome.

    `filter`: the list's own parameters and values; `since`, `until`: the range, fixed when the job was made.
    """

    keys: int = 0
    filter: Mapping[str, str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    job: str = ""
    outcomes: tuple[str, ...] = ()

    def stored(self) -> str:
        return as_json(
            {
                "keys": self.keys,
                "filter": self.filter,
                "since": self.since.isoformat() if self.since else None,
                "until": self.until.isoformat() if self.until else None,
                "job": self.job,
                "outcomes": list(self.outcomes),
            },
            compact=True,
        )

    @classmethod
    def from_stored(cls, given: str) -> Self:
        """Raises ValueError, KeyError, TypeError where another program wrote it."""
        found = parse_foreign(given)
        since, until = (
            datetime.fromisoformat(at) if (at := found[name]) else None for name in ("since", "until")
        )
        return cls(int(found["keys"]), found["filter"], since, until, found["job"], tuple(found["outcomes"]))


@dataclass(frozen=True)
class Counts:
    """Items by what became of them. `matched` = done + skipped + failed + pending; `eligible`: those of them that the
    preview found able. `units`: write units that were consumed."""

    matched: int = 0
    eligible: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    units: Decimal = Decimal(0)

    @property
    def pending(self) -> int:
        return self.matched - self.done - self.skipped - self.failed

    @property
    def attempted(self) -> int:
        """Of the eligible ones."""
        return self.eligible - self.pending


@dataclass(frozen=True)
class Job:
    """`meta` of a job. Progress is in its chunks: `store.progress`.

    `reasons`: by sentence, how many the preview skips; `sample`: key and status of the first; `units`: write units that it
    is expected to consume; `read_units`: what the preview consumed. `why`: why it is in its state, where that is not a
    person's wish. `data`: what the action's plan gets of the person. `running_since`, `attempted_before`: since when it
    runs without a break, and how many it had attempted then. `epoch` grows with each change by a person. `asked`: a digest
    of what was asked for, which a second call with its id must have too; `repeated`: this was such a call.
    """

    id: str
    table: Binding
    action: Action
    actor: Actor
    reason: str
    source: Source
    state: State
    created_at: datetime
    pace: Pace | None = None
    data: Mapping[str, bool] = field(default_factory=dict)
    epoch: int = 0
    matched: int = 0
    eligible: int = 0
    chunks: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    sample: tuple[tuple[str, str], ...] = ()
    units: Decimal = Decimal(0)
    read_units: Decimal = Decimal(0)
    frozen_at: datetime | None = None
    expires_at: datetime | None = None
    started_at: datetime | None = None
    started_by: str = ""
    running_since: datetime | None = None
    attempted_before: int = 0
    ended_at: datetime | None = None
    images_until: datetime | None = None
    why: str = ""
    problem: str = ""
    starts_itself: bool = False
    undoes: str = ""
    totals: Counts | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    asked: str = ""
    repeated: bool = field(default=False, compare=False)

    @property
    def logical(self) -> str:
        return self.table.logical

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def key(self) -> Raw:
        return meta_key(self.id)

    @property
    def needs_second_person(self) -> bool:
        """Whether somebody else than its maker must start it."""
        purges = self.action.verb == "purge" and not self.undoes
        return purges and 0 < settings.JOBS_SECOND_PERSON < self.eligible


def meta_key(job_id: str) -> Raw:
    return part_key(job_id, "meta")


def part_key(job_id: str, part: str) -> Raw:
    return {"pk": text(f"job#{job_id}"), "sk": text(part)}


def at_text(moment: datetime | None) -> dict[str, Any] | None:
    return text(stamp(moment)) if moment else None


def _text(raw: Mapping[str, Typed], name: str) -> str:
    found = read_text(raw.get(name))
    return found if isinstance(found, str) else ""


def _time(raw: Mapping[str, Typed], name: str) -> datetime | None:
    try:
        return datetime.strptime(_text(raw, name), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def whole(raw: Mapping[str, Typed], name: str) -> int:
    return int(raw.get(name, {}).get("N", "0"))


def decimal(raw: Mapping[str, Typed], name: str) -> Decimal:
    return Decimal(raw.get(name, {}).get("N", "0"))


def counted(raw: Mapping[str, Typed], name: str) -> dict[str, int]:
    """A map of numbers."""
    return {key: int(value["N"]) for key, value in raw.get(name, {}).get("M", {}).items()}


def sample_in(raw: Mapping[str, Typed]) -> tuple[tuple[str, str], ...]:
    """(key, status) of the first items of the set."""
    return tuple((one["L"][0]["S"], one["L"][1]["S"]) for one in raw.get("sample", {}).get("L", []))


def numbers(counts: Mapping[str, int]) -> dict[str, Any]:
    return {"M": {name: number(count) for name, count in counts.items()}}


def from_item(raw: Raw) -> Job:
    """The job of its `meta`. Raises ValueError, KeyError, TypeError where another program, or a later version, wrote it."""
    action = read_action(_text(raw, "action"))
    if isinstance(action, UnknownAction):
        raise ValueError(f"This version of the console knows no action {action.value}.")
    table = binding(_text(raw, "logical"))
    if _text(raw, "table") != table.name:
        raise ValueError(f"It is over the table {_text(raw, 'table')}, which this console does not read now.")
    pace = _text(raw, "pace")
    totals = raw.get("totals", {}).get("M")
    eligible = whole(raw, "eligible")
    matched = whole(raw, "matched")
    created = _time(raw, "created_at")
    if created is None:
        raise ValueError("created_at is missing.")
    return Job(
        id=_text(raw, "pk").removeprefix("job#"),
        table=table,
        action=action,
        actor=Actor(_text(raw, "actor"), _text(raw, "role"), _text(raw, "actor_id")[:MAX_ACTOR_ID]),
        reason=_text(raw, "reason"),
        source=Source.from_stored(_text(raw, "source")),
        state=State(_text(raw, "state")),
        created_at=created,
        pace=Pace.from_stored(parse_foreign(pace)) if pace else None,
        data={name: bool(value.get("BOOL")) for name, value in raw.get("data", {}).get("M", {}).items()},
        epoch=whole(raw, "epoch"),
        matched=matched,
        eligible=eligible,
        chunks=whole(raw, "chunks"),
        reasons=counted(raw, "reasons"),
        sample=sample_in(raw),
        units=decimal(raw, "units"),
        read_units=decimal(raw, "read_units"),
        frozen_at=_time(raw, "frozen_at"),
        expires_at=_time(raw, "expires_at"),
        started_at=_time(raw, "started_at"),
        started_by=_text(raw, "started_by"),
        running_since=_time(raw, "running_since"),
        attempted_before=whole(raw, "attempted_before"),
        ended_at=_time(raw, "ended_at"),
        images_until=_time(raw, "images_until"),
        why=_text(raw, "why"),
        problem=_text(raw, "problem"),
        starts_itself=bool(raw.get("starts_itself", {}).get("BOOL")),
        undoes=_text(raw, "undoes"),
        totals=_totals(totals, matched, eligible) if totals else None,
        outcomes=counted(raw, "outcomes"),
        asked=_text(raw, "asked"),
    )


def _totals(stored: Raw, matched: int, eligible: int) -> Counts:
    done, skipped, failed = (whole(stored, name) for name in ("done", "skipped", "failed"))
    return Counts(matched, eligible, done, skipped, failed, decimal(stored, "units"))
