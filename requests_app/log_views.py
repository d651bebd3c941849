"""The logs of one request: a page that tails while it runs, and a download of what the filter shows."""

from collections.abc import Iterator
from urllib.parse import quote

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from opsportal.console.access import requires
from opsportal.console.converters import quote_key
from opsportal.console.listing import Listing, Region, respond, seen_token
from opsportal.console.problems import wants_fragment
from opsportal.console.streams import streamed
from opsportal.console.text import visible
from opsportal.dynamo.attributes import plain, raw_text
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.json_values import as_json
from requests_app import action_views, logs, queries
from requests_app.models import LEVELS, ProcessingLog
from requests_app.views import tabs_of

FILTERS = {"level": "Level", "until": "Until", "outside": ""}


@requires("requests_app.view_requests")
def logs_page(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """The newest lines, oldest at the top, or the ones before a cursor; `format` downloads all of them."""
    listing = Listing(request, "logs", FILTERS, ranged=False)
    level = listing["level"].upper()
    until = request.GET.get("until", "")
    wanted = logs.LogFilter.asked_for(request_id, level, until, bool(listing["outside"]))
    if request.GET.get("format") in DOWNLOADS and not wanted.outside:
        return _download(request, request_id, wanted, request.GET["format"])
    found = queries.request(request_id)
    page = logs.page(wanted, purpose=f"{listing.purpose}:{request_id}", cursor=listing.cursor)
    lines = [ProcessingLog.from_item(raw) for raw in reversed(page.items)]
    # A page of older lines does not change; nor do the logs of a request that is over or gone.
    still = bool(listing.cursor or listing["until"]) or found is None
    region = Region(
        "live",
        seen=seen_token(
            raw_text({"M": found.raw}) if found else "", [raw_text({"M": line.raw}) for line in lines]
        ),
        finished=still or bool(found and found.is_terminal),
    )
    context = {
        **listing.context(page, region),
        "key": request_id,
        "item": found,
        "buttons": action_views.buttons(request, found) if found else [],
        "fragment": wants_fragment(request),
        "lines": [(line, permalink(request_id, line)) for line in lines],
        "levels": [
            ("All", listing.url(level=None), not level),
            *((one.title(), listing.url(level=one), one == level) for one in LEVELS),
        ],
        "tabs": tabs_of(request_id, found, "logs") if found else [],
        "downloads": [
            (label, listing.url(format=name))
            for name, (label, _, _) in DOWNLOADS.items()
            if not wanted.outside
        ],
        "outside_url": "" if wanted.outside or not logs.has_index() else listing.url(outside="1", until=None),
        "limit": logs.LINES,
    }
    missing = found is None and not lines
    return respond(request, "requests_app/logs.html", context, region, status=404 if missing else 200)


def permalink(request_id: str, line: ProcessingLog) -> str:
    """A URL that shows the line wherever it is in the log: the page that ends with its stamp."""
    stamp = line.raw.get("timestamp", {}).get("S", "")
    return f"{reverse('requests:logs', args=[request_id])}?until={quote(stamp)}#L-{quote_key(line.id)}"


def _as_text(line: ProcessingLog) -> str:
    stamp = _column(line.raw.get("timestamp", {}).get("S"))
    level, stage = _column(line.log_level).upper(), _column(line.stage)
    text = visible(line.text).replace("\n", "\n    ")
    return f"{stamp} {level:8} {stage} {text}\n"


def _column(value: object) -> str:
    """On one line, so that nothing in it passes for a line of its own."""
    text = "" if value is None else str(value).strip()
    return visible(text).replace("\n", "\u27e6U+000A\u27e7") or "-"


def _as_json(line: ProcessingLog) -> str:
    return as_json({name: plain(value) for name, value in sorted(line.raw.items())}) + "\n"


DOWNLOADS = {
    "txt": ("Text", "text/plain; charset=utf-8", _as_text),
    "ndjson": ("JSON lines", "application/x-ndjson", _as_json),
}


def _download(request: HttpRequest, request_id: str, wanted: logs.LogFilter, kind: str) -> HttpResponseBase:
    """Exactly what the filter shows, streamed: the first page is read now, so that an error is a page."""
    _, content_type, render_line = DOWNLOADS[kind]
    first, lines = logs.begun(wanted)

    def body() -> Iterator[str]:
        if first is not None:
            yield render_line(first)
        try:
            for line in lines:
                yield render_line(line)
        except DynamoError as error:
            # The status is sent; a file that ends early must say so itself.
            yield f"\n# This file is not complete: {error.sentence}\n"

    response = streamed(request, body(), content_type)
    if not response.streaming:
        return response
    name = f"{quote_key(request_id)[:80]}-logs.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
