"""What can be watched. The apps' descriptors have the watches; a rule names one and says how much is too much.

A watch reads, within bounds, and says for which subjects its condition holds *now*. What fires, what is notified and
when it is over is for `evaluation`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from opsportal.descriptors import descriptors

# Facts that one reading may give; past it, it is not complete.
MAX_FACTS = 500

Figures = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Fact:
    """A subject for which the condition holds. `subject` is the item's key ("" for the whole of what is watched),
    `since` when it began to hold, `path` its page in the console, `error` the text of what went wrong."""

    subject: str
    title: str
    since: datetime
    figures: Figures = field(default_factory=dict)
    path: str = ""
    error: str = ""


@dataclass(frozen=True)
class Reading:
    """`complete`: every subject for which the condition holds is among the facts, so one that is not there is
    over. `unknown`: nothing could be found out, so nothing changes. `note`: what a person should know, in a sentence."""

    facts: tuple[Fact, ...] = ()
    complete: bool = True
    unknown: bool = False
    note: str = ""


@dataclass(frozen=True)
class Question:
    """What a rule asks. `threshold` is in the watch's unit; `window` and `minimum` are what the watch says."""

    now: datetime
    baseline: datetime
    threshold: float = 0
    minimum: int = 0
    window: timedelta = timedelta(0)
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def since(self) -> datetime:
        """Where the window begins."""
        return self.now - self.window


@dataclass(frozen=True)
class Measure:
    """A number that a rule may set: its label, its bounds and what it is where nobody says otherwise."""

    label: str
    default: Callable[[], float]
    least: float
    most: float
    hint: str = ""


@dataclass(frozen=True)
class Watch:
    """Something to watch. `name` is ``<subject>.<condition>``; `kind` the word for one subject.

    `still` looks at one subject whose condition held and which an incomplete reading does not name: the fact, or
    None when it is over. `filters`: parameter to label. Both raise `DynamoError`.
    """

    name: str
    label: str
    explained: str
    kind: str
    read: Callable[[Question], Reading]
    over: str
    still: Callable[[Question, str], Fact | None] | None = None
    threshold: Measure | None = None
    minimum: Measure | None = None
    window: Measure | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    calm_minutes: int = 5


@cache
def by_name() -> dict[str, Watch]:
    return {watch.name: watch for descriptor in descriptors() for watch in descriptor.watches}


def watch(name: str) -> Watch | None:
    """None for one that no app has (any more)."""
    return by_name().get(name)


def watches() -> list[Watch]:
    """In the order of their names."""
    return [watch for _, watch in sorted(by_name().items())]
