"""Panels of the overview: each its own poll, with its own state when its table has a problem."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from opsportal.console import trends
from opsportal.console.listing import Region, seen_token
from opsportal.console.timerange import Window, window_of
from opsportal.console.tones import ATTENTION, FAILED, RUNNING, SUCCESS, UNKNOWN, WAITING, tone_of
from opsportal.descriptors import Panel, descriptors
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Sampling
from opsportal.dynamo.partitions import Count
from opsportal.dynamo.sampling import FRESH_SECONDS
from opsportal.dynamo.statuses import StatusReads

# Seconds. A count reads and bills what it counts, so not every poll of everybody repeats it.
FIGURES_LIFE = 10


def panels() -> list[Panel]:
    """Of the overview, in its order."""
    return [descriptor.panel for descriptor in descriptors() if descriptor.panel]


def panel(
    request: HttpRequest,
    name: str,
    template: str,
    figures_of: Callable[[Window], Mapping[str, Any]],
    *,
    location: str,
) -> HttpResponse:
    """Render `template` with the figures, at most 10 s old, or with the problem that kept them away.

    Always 200 (or 204 when the browser shows them already): htmx swaps no error, and a panel that can't be
    read must say so. `location`: fingerprint of the table, part of the cache's key.
    """
    window = window_of(request)
    cache, key = caches["process"], f"panel:{name}:{location}:{window.key}"
    figures = cache.get(key)
    context: dict[str, Any] = {"window": window, "panel": name}
    if figures is None:
        try:
            figures = {**figures_of(window), "as_of": datetime.now(UTC)}
            cache.set(key, figures, _life(figures.get("sample")))
        except DynamoError as problem:
            # To try again is to load the overview: by itself a panel is no page.
            again_url = f"{reverse('overview')}{window.query}"
            (title,) = (one.title for one in panels() if one.name == name)
            context |= {"problem": problem, "title": title, "again_url": again_url}
    context.update(figures or {})
    seen = seen_token({name: repr(value) for name, value in context.items() if name not in ("window",)})
    context["region"] = Region(name, seen=seen)
    if request.headers.get("X-Seen") == seen:
        return HttpResponse(status=204)
    return render(request, template if figures else "console/panel-problem.html", context)


def _life(sample: Sampling | None) -> float:
    """Seconds that figures are kept: not past the sample that they are made with, so that what is in no index is on
    an open overview as soon as in a list."""
    if sample is None or not sample.used or sample.at is None:
        return FIGURES_LIFE
    left = FRESH_SECONDS - (datetime.now(UTC) - sample.at).total_seconds()
    return min(FIGURES_LIFE, left) if left > 0 else FIGURES_LIFE


# Failures first: the overview answers "is anything wrong?".
TONE_ORDER = (FAILED, ATTENTION, UNKNOWN, RUNNING, WAITING, SUCCESS)


def tiles(counted: Iterable[tuple[str, Count]], url_of: Callable[[str], str]) -> list[tuple[str, Count, str]]:
    """(status, count, URL of the list) with failures first; spellings of one status are one tile, written as most of
    its items write it. The status "" is of items that have none."""
    spellings: dict[str, list[tuple[str, Count]]] = {}
    for status, number in counted:
        spellings.setdefault(status.lower(), []).append((status, number))
    summed = []
    for alike in spellings.values():
        word, _ = max(alike, key=lambda pair: pair[1].number)
        count = Count(sum(one.number for _, one in alike), any(one.more for _, one in alike))
        summed.append((word or "no status", count, url_of(word)))
    return sorted(summed, key=lambda tile: TONE_ORDER.index(tone_of(tile[0])))


def figures_of_statuses(window: Window, reads: StatusReads, list_url: str) -> dict[str, Any]:
    """Of items that come to an end: counts by status, trends, and what must be said of them."""
    now = datetime.now(UTC)
    since = now - window.length
    found = reads.recent(since)
    sample, notes = reads.sampled()

    def url_of(status: str) -> str:
        # An item without a status is in no index, and its list is of those.
        return list_url + (f"?status={quote(status)}&range={window.key}" if status else "?outside=1")

    return {
        "counts": tiles(((status, recent.count) for status, recent in found), url_of),
        "trends": trends.of(found, since, now),
        "list_url": list_url,
        "sample": sample,
        "notes": notes,
    }
