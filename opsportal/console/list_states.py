"""What a list's page says of itself: what refreshes, how it was read, why it is empty."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from opsportal.dynamo.pages import Sampling


@dataclass(frozen=True)
class Region:
    """A part of a page that refreshes itself; see the template tag `live`. `at_least_every`: seconds, for what somebody
    waits for; 0 leaves it to the reader's choice, and off stays off. `url`: of what it polls, where that is not the
    page's own."""

    id: str
    seen: str
    anchor: str = ""
    finished: bool = False
    at_least_every: int = 0
    url: str = ""


@dataclass(frozen=True)
class Reading:
    """How a list was read, for its footer."""

    shown: int
    how: str
    partitions: Iterable[str] = ()
    searched_to: Any = None
    complete: bool = True
    sample: Sampling | None = None


@dataclass(frozen=True)
class Empty:
    """Why a list is empty and what to do about it; see partials/empty.html."""

    kind: str
    title: str
    sentence: str = ""
    command: str = ""
    link_url: str = ""
    link_text: str = ""
