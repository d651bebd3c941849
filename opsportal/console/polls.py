"""Polls of what has not changed: a token of what a live region shows, and the 204 at once where it shows that still.

The digest is of what was read, items as the wire has them, and comes before models, tabs, buttons and templates.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse

from opsportal.console.listing import seen_token
from opsportal.console.problems import wants_fragment
from opsportal.dynamo.pages import Page

# What counts minutes ("No update for 47 min"), and the names that people have now, are rendered again after so long.
MINUTE = timedelta(minutes=1)


def digest_of(page: Page, *others: Any) -> str:
    """Of a list: its items and what is said around them. When it was read, and the sample, are as of the rendering."""
    sample = page.sample
    return seen_token(
        page.items,
        (page.newer, page.newer_more, page.notes, list(page.partitions), page.how),
        (page.complete, page.searched_to, bool(page.cursor)),
        (sample.used, sample.statement) if sample else None,
        *others,
    )


def lasting(digest: str, moments: Iterable[object]) -> str:
    """The token of a region that shows this digest until the first of the times that lie ahead."""
    now = datetime.now(UTC)
    first = min((at for at in moments if isinstance(at, datetime) and at > now), default=None)
    return f"{digest}.{int(first.timestamp() * 1000)}" if first else digest


def unchanged(request: HttpRequest, digest: str) -> bool:
    """Whether this is the poll of a region that shows this digest, before the time when it would change by itself."""
    if request.method != "GET" or not wants_fragment(request):
        return False
    shown, _, until = request.headers.get("X-Seen", "").partition(".")
    if shown != digest:
        return False
    return not until or (until.isdecimal() and datetime.now(UTC).timestamp() * 1000 < int(until[:15]))


def nothing_new() -> HttpResponse:
    """What htmx swaps nothing for."""
    return HttpResponse(status=204)
