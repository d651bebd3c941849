"""Cases in words: their state, their error line with what differs between runs marked, the table they are of."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from html import escape

from django.utils.safestring import SafeString

from opsportal.console.icons import icon
from opsportal.console.text import visible
from opsportal.console.tones import FAILED, SUCCESS, WAITING
from opsportal.descriptors import descriptors
from opsportal.failures.case import Case, State
from opsportal.failures.fingerprint import OTHERS

NO_ERROR = "No error was recorded"
# `muted_until` of a case that is muted until it is resolved.
UNTIL_CLOSED = datetime(9999, 12, 31, tzinfo=UTC)
# What `fingerprint.clean` puts in place of numbers, ids, addresses and quoted text.
_MASK = re.compile(r"<([a-z]{1,12})>")


@dataclass(frozen=True)
class Stated:
    """The state as people see it, and its look."""

    word: str
    icon: str
    tone: str


OPEN = Stated("open", "circle-x", FAILED)
REOPENED = Stated("reopened", "history", FAILED)
ACKNOWLEDGED = Stated("acknowledged", "eye", WAITING)
MUTED = Stated("muted", "bell-off", WAITING)
RESOLVED = Stated("resolved", "circle-check", SUCCESS)
# Of the tabs, in their order.
STATES = {one.word: one for one in (OPEN, REOPENED, ACKNOWLEDGED, MUTED, RESOLVED)}


def stated(case: Case, now: datetime) -> Stated:
    """Each case is in exactly one of `STATES`: a mute hides whether it is open or acknowledged."""
    if case.state is State.RESOLVED:
        return RESOLVED
    if case.is_muted(now):
        return MUTED
    if case.state is State.ACKNOWLEDGED:
        return ACKNOWLEDGED
    return REOPENED if case.reopened else OPEN


def is_waiting(case: Case, now: datetime) -> bool:
    """Whether nobody has taken notice of it: these are what the navigation counts."""
    return stated(case, now) in (OPEN, REOPENED)


def status(found: Stated) -> SafeString:
    return SafeString(
        f'<span class="status tone-{found.tone}">{icon(found.icon)}<bdi>{found.word}</bdi></span>'
    )


def marked(line: str) -> SafeString:
    """A cleaned error line; what stands for parts that differ between runs is marked."""
    if line == OTHERS:  # no error says so
        return SafeString(f'<i class="var">{OTHERS.strip("<>")}</i>')
    parts = _MASK.split(visible(line) or NO_ERROR)
    return SafeString(
        "<bdi>"
        + "".join(
            f'<i class="var">{part}</i>' if n % 2 else escape(part)  # a mask is letters alone
            for n, part in enumerate(parts)
        )
        + "</bdi>"
    )


def title_of(case: Case, most: int = 120) -> str:
    """The error line where no element can stand."""
    line = visible(case.line) or NO_ERROR
    return line if len(line) <= most else f"{line[: most - 1]}…"


@cache
def _labels() -> dict[str, tuple[str, str]]:
    return {
        one.resource_type.logical: (one.page.label, one.page.url_name)
        for one in descriptors()
        if one.resource_type and one.page
    }


def table_label(logical: str) -> str:
    """What the navigation calls the list of a table's items."""
    return _labels().get(logical, (logical, ""))[0]


def list_url_name(logical: str) -> str:
    return _labels().get(logical, ("", ""))[1]
