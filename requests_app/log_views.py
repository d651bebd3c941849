"""The logs of one request: a page that tails while it runs, and a download of what the filter shows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.console import polls
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.console.converters import quote_key
from opsportal.console.listing import Listing, Region, respond
from opsportal.console.problems import problem_response, wants_fragment
from opsportal.console.streams import streamed
from opsportal.console.text import readable, visible
from opsportal.dynamo.attributes import plain
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.json_values import as_json
from requests_app import log_order, logs, queries
from requests_app.action_views import watched
from requests_app.findings import changes_at
from requests_app.models import LEVELS, IntelligenceRequest, ProcessingLog
from requests_app.parts import StatusChange
from requests_app.statuses import is_terminal, lower
from requests_app.views import head, tabs_of
from requests_app.waiting import wait_of

FILTERS = {"level": "Level", "until": "Until", "outside": "", "line": ""}


@requires("requests_app.view_requests")
@admitted(Load.LIST)
def logs_page(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """The newest lines, oldest at the top, or the ones before a cursor; `format` downloads all of them."""
    listing = Listing(request, "logs", FILTERS, ranged=False)
    level = listing["level"].upper()
    until, line = request.GET.get("until", ""), request.GET.get("line", "")
    wanted = logs.LogFilter.asked_for(request_id, level, until, bool(listing["outside"]), line)
    if request.GET.get("format") in DOWNLOADS and not wanted.outside:
        return _download(request, request_id, wanted, request.GET["format"])
    found = queries.request(request_id)
    now = datetime.now(UTC)
    try:
        page = logs.page(wanted, purpose=f"{listing.purpose}:{request_id}", cursor=listing.cursor)
    except DynamoError as problem:
        if found is None:
            raise
        # The logs table may have a region or a policy of its own: the request and its actions stay.
        return problem_response(
            request,
            problem,
            page="requests_app/logs-problem.html",
            context=_top(request, request_id, found, now),
        )
    wait = wait_of(found, watched(found), now) if found else None
    digest = polls.digest_of(page, found and found.raw, wait)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    begun_again = retries(found)
    lines = [ProcessingLog.from_item(raw) for raw in reversed(page.items)]
    # A page of older lines does not change; nor do the logs of a request that is over or gone.
    still = still_at(listing) or found is None
    region = Region(
        "live",
        seen=polls.lasting(digest, changes_at(found, now) if found else []),
        finished=still or bool(found and found.is_terminal),
    )
    context = {
        **listing.context(page, region),
        "key": request_id,
        "item": found,
        **(head(request, found, wait.findings(found, now)) if found and wait else {}),
        "fragment": wants_fragment(request),
        "lines": _with_retries(request_id, lines, begun_again, ends=not still_at(listing)),
        "of_one_time": log_order.of_one_time(page.items),
        "levels": [
            ("All", "", listing.url(level=None, line=None), not level),
            *(
                (*_in_words(one), listing.url(level=one, line=None), logs.levels_of(one) == wanted.levels)
                for one in LEVELS
            ),
        ],
        "chips": [
            (label, "".join(_in_words(level)) if label == "Level" else value, url)
            for label, value, url in listing.chips
        ],
        "tabs": tabs_of(request_id, found, "logs") if found else [],
        "downloads": [
            (label, listing.url(format=name)) for name, (label, *_) in DOWNLOADS.items() if not wanted.outside
        ],
        "outside_url": ""
        if wanted.outside or not logs.has_index()
        else listing.url(outside="1", until=None, line=None),
        "limit": logs.LINES,
    }
    missing = found is None and not lines
    return respond(request, "requests_app/logs.html", context, region, status=404 if missing else 200)


def _top(request: HttpRequest, request_id: str, found: IntelligenceRequest, now: datetime) -> dict[str, Any]:
    noticed = wait_of(found, watched(found), now).findings(found, now)
    tabs = tabs_of(request_id, found, "logs")
    return {"key": request_id, **head(request, found, noticed), "tabs": tabs}


def _in_words(level: str) -> tuple[str, str]:
    """A level, and what says that those above it are shown too."""
    if level not in logs.RANKED:
        return level, ""
    return level.title(), "" if level in logs.LEVEL_NAMES[-1] else " and above"


def still_at(listing: Listing) -> bool:
    """Whether the page ends at some line, and not with the newest."""
    return bool(listing.cursor or listing["until"])


def permalink(request_id: str, line: ProcessingLog) -> str:
    """A URL that shows the line wherever it is in the log, and among however many of its time."""
    stamp = line.raw.get("timestamp", {}).get("S", "")
    query = f"{f'until={quote(stamp)}' if stamp else 'outside=1'}&line={quote(str(line.id), safe='')}"
    return f"{reverse('requests:logs', args=[request_id])}?{query}#L-{quote_key(line.id)}"


def retries(found: IntelligenceRequest | None) -> list[StatusChange]:
    """When the request began again, by its status history, the oldest first: after an end, or pending once more."""
    history = found.status_history if found else []
    again = []
    for number, change in enumerate(history):
        before = lower(change.old_status) or (lower(history[number - 1].new_status) if number else "")
        after = lower(change.new_status)
        if not is_terminal(after) and (
            is_terminal(before) or (after == "pending" and before not in ("", after))
        ):
            again.append(change)
    return sorted((one for one in again if isinstance(one.at, datetime)), key=attrgetter("at"))


def _with_retries(
    request_id: str, lines: list[ProcessingLog], begun: list[StatusChange], *, ends: bool
) -> list[tuple[ProcessingLog | None, str, list[StatusChange]]]:
    """Each line with its link and the retries between it and the line before; of those before the first line the newest,
    since it says of which run the page is. With `ends` those after the last line too, without a line."""
    shown: list[tuple[ProcessingLog | None, str, list[StatusChange]]] = []
    left = list(begun)
    for line in lines:
        at = line.timestamp
        before = [one for one in left if isinstance(at, datetime) and one.at <= at]  # type: ignore[operator]
        left = left[len(before) :]
        shown.append((line, permalink(request_id, line), before if shown else before[-1:]))
    if ends and left and lines:
        shown.append((None, "", left))
    return shown


def _as_text(line: ProcessingLog) -> str:
    stamp = _column(line.raw.get("timestamp", {}).get("S"))
    level, stage = _column(line.log_level).upper(), _column(line.stage)
    text = readable(line.text).replace("\n", "\n    ")
    return f"{stamp} {level:8} {stage} {text}\n"


def _column(value: object) -> str:
    """On one line, so that nothing in it passes for a line of its own."""
    text = "" if value is None else str(value).strip()
    return visible(text).replace("\n", "\u27e6U+000A\u27e7") or "-"


def _as_json(line: ProcessingLog) -> str:
    return as_json({name: plain(value) for name, value in sorted(line.raw.items())}) + "\n"


def _text_end(why: str) -> str:
    return f"\n# This file is not complete: {why}\n"


def _json_end(why: str) -> str:
    """As the API's stream ends."""
    return as_json({"incomplete": why}) + "\n"


# Kind: the link's words, the content type, a line, and the last line of a file that breaks off.
DOWNLOADS = {
    "txt": ("Text", "text/plain; charset=utf-8", _as_text, _text_end),
    "ndjson": ("JSON lines", "application/x-ndjson", _as_json, _json_end),
}


def _download(request: HttpRequest, request_id: str, wanted: logs.LogFilter, kind: str) -> HttpResponseBase:
    """Exactly what the filter shows, streamed: the first page is read now, so that an error is a page."""
    _, content_type, render_line, broken_off = DOWNLOADS[kind]
    first, lines = logs.begun(wanted)

    def body() -> Iterator[str]:
        if first is not None:
            yield render_line(first)
        try:
            for line in lines:
                yield render_line(line)
        except DynamoError as error:
            # The status is sent; a file that ends early must say so itself.
            yield broken_off(error.sentence)

    response = streamed(request, body(), content_type)
    if not response.streaming:
        return response
    name = f"{quote_key(request_id)[:80]}-logs.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
