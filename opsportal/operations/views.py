"""The audit trail: the overview's panel, the feed, one entry, its export as JSON lines and CSV, and the undo."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from opsportal.console import pasted, polls
from opsportal.console.access import Refusal, lacking, requires
from opsportal.console.admission import Load, admitted
from opsportal.console.listing import Empty, Listing, Region, respond, seen_token
from opsportal.console.refusals import forbidden
from opsportal.console.streams import streamed
from opsportal.console.timerange import WINDOWS, Window
from opsportal.dynamo.attributes import Raw, pretty
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Page
from opsportal.operations import actors, entries, feeds, resource_types, undo
from opsportal.operations.change_views import tabs
from opsportal.operations.csv_cells import broken_off, excel_mark, neutral
from opsportal.operations.entries import Entry
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.outcomes import Conflict
from opsportal.operations.pages import Button, action_page, button
from opsportal.operations.tables import audit_table_for, locations
from opsportal.operations.tags import CASE, EXPORT, JOB, ROUTINE, Action, read_action

VIEW_IMAGES = "operations.view_images"
VIEW_CASES = "failures.view_cases"
NOTHING_YET = "Actions of operators appear here, with who did them and what they changed."
FILTERS = {"actor": "Actor", "action": "Action", "target": "Target", "kind": "Kind"}


@requires("operations.view_audit")
@admitted(Load.LIST)
def feed(request: HttpRequest) -> HttpResponseBase:
    """Every effect, newest first; `format` exports what the filters show."""
    # Every day is four partitions in each place: a short default keeps the poll cheap.
    listing = Listing(request, "audit", FILTERS, default_range="24h")
    if url := listing.picked_url:
        return redirect(url)
    if request.GET.get("format") in FORMATS:
        return _export(request, listing, request.GET["format"])
    found = actors.find(listing["actor"])
    wanted = _filter(listing, found.sought)
    page = feeds.page(wanted, purpose=listing.purpose, cursor=listing.cursor)
    for target in pasted.keys(wanted.target)[1:]:
        if not (page.items or page.cursor or listing.cursor):
            wanted = replace(wanted, target=target)
            page = feeds.page(wanted, purpose=listing.purpose)
    digest = polls.digest_of(page)
    if polls.unchanged(request, digest):
        return polls.nothing_new()
    shown = actors.named([entries.from_item(raw) for raw in page.items])
    # Of the people only the names may be others by then.
    moments = [datetime.now(UTC) + polls.MINUTE] if shown else []
    region = Region("live", seen=polls.lasting(digest, moments))
    context = {
        **listing.context(page, region),
        "entries": [(entry, item_url(entry, request.user)) for entry in shown],
        # Beside entries only: who may read the trail may not see each account and token by its id.
        "who": found.notes if shown else (),
        "empty": _empty(listing, page),
        "verbs": [(action.value, action.phrase) for action in Action],
        "chips": [
            (label, read_action(value).phrase if label == FILTERS["action"] else value, url)
            for label, value, url in listing.chips
        ],
        "routine_url": "" if listing["action"] else listing.url(action=ROUTINE.value),
        "menu_filters": (*FILTERS, "format"),
        "tabs": tabs(request, "operations:feed"),
        "downloads": [
            *((label, listing.url(format=name)) for name, (label, _) in FORMATS.items()),
            ("CSV for Excel", listing.url(format="csv", bom="1")),
        ],
    }
    return respond(request, "operations/feed.html", context, region)


def _empty(listing: Listing, page: Page) -> Empty | None:
    empty = listing.empty(page, "entries", NOTHING_YET)
    if empty and empty.kind == "no_match" and listing["target"]:
        # An index finds them by a digest of the whole.
        return replace(empty, sentence=f"{empty.sentence} A target is found by its whole id only.")
    return empty


def _filter(listing: Listing, actor: feeds.Sought) -> feeds.FeedFilter:
    span = listing.time_range.span
    return feeds.FeedFilter(
        actor=actor,
        action=listing["action"],
        target=listing["target"],
        logical=listing["kind"],
        start=span.since,
        end=span.until,
        routine=False,
    )


def item_url(entry: Entry, user: User | AnonymousUser | None = None) -> str:
    """Of what it was done to, "" where that has no page here, or none that the user may see. Without a user: of a page
    that many share."""
    if entry.action.subject == JOB:
        return job_url(entry.target.id)
    if entry.action.subject == CASE:
        return case_url(entry.target.id) if user and user.has_perm(VIEW_CASES) else ""
    if entry.action.subject == EXPORT:
        return ""  # its target is an export's id, which is no item's
    subject = resource_types.of_logical(entry.target.logical)
    return subject.item_url(entry.target.id) if subject and entry.is_ours and entry.target.id else ""


def job_url(job_id: str) -> str:
    return reverse("jobs:job", args=[job_id]) if entries.is_action_id(job_id) else ""


_CASE_ID = re.compile(r"[0-9a-f]{16}")


def case_url(case_id: str) -> str:
    return reverse("failures:case", args=[case_id]) if _CASE_ID.fullmatch(case_id) else ""


def _export(request: HttpRequest, listing: Listing, kind: str) -> HttpResponseBase:
    """All that the filters show, page by page: the list's own query, streamed."""
    wanted = _filter(listing, actors.find(listing["actor"]).sought)
    first = feeds.page(wanted, purpose="export")

    def pages() -> Iterator[Page]:
        page = first
        while True:
            yield page
            if not page.cursor:
                return
            page = feeds.page(wanted, purpose="export", cursor=page.cursor)

    summaries = (entries.from_item(raw) for page in pages() for raw in page.items)
    response = streamed(request, chain(excel_mark(request, kind), lines(kind, summaries)), TYPES[kind])
    if not response.streaming:
        return response
    response["Content-Disposition"] = f'attachment; filename="audit.{kind}"'
    return response


def find(action_id: str) -> Entry:
    """The entry, wherever it lies. Http404 when there is none. Raises `DynamoError`."""
    if entries.is_action_id(action_id):
        for table in locations():
            if entry := entries.read_entry(action_id, table):
                return entry
    raise Http404("There is no audit entry with this id.")


@requires("operations.view_audit")
def entry_page(request: HttpRequest, action_id: str) -> HttpResponse:
    """One effect: who, when, why, what it changed, and the copy it kept."""
    entry = find(action_id)
    entry, *related = actors.named([entry, *(feeds.of_target(entry.target) if entry.is_ours else [entry])])
    undone = undo.undone_by(entry, related)
    image = no_image = ""
    if entry.has_image and not request.user.has_perm(VIEW_IMAGES):
        no_image = f"But your role may not see it. {lacking(VIEW_IMAGES).sentence}"
    elif entry.has_image and entry.is_ours:
        try:
            image = pretty(undo.copy_of(entry))
        except Conflict as conflict:
            no_image = conflict.sentence
    region = Region("live", seen=seen_token(action_id, undone.action_id if undone else ""), finished=True)
    context: dict[str, Any] = {
        "entry": entry,
        "item_url": item_url(entry, request.user),
        "job_url": job_url(entry.job),
        "undone": undone,
        "buttons": _buttons(request, entry, undone),
        "image": image,
        "no_image": no_image,
        "related": related,
    }
    return respond(request, "operations/entry.html", context, region)


def _buttons(request: HttpRequest, entry: Entry, undone: Entry | None) -> list[Button]:
    if not undo.permission(entry):
        return []
    why_not = "It was undone already." if undone else undo.why_not(entry)
    return [button(request, _undo(entry), reverse("operations:undo", args=[entry.action_id]), why_not)]


def _undo(entry: Entry) -> ItemAction:
    purged, spoken = entry.action.verb == "purge", entry.action.spoken
    effect = (
        "Restores the item, if its id is still free."
        if purged
        else "Restores the values from before the change, if they were not changed since."
    )
    return ItemAction(
        Action(f"{entry.action.subject}:undo"),
        undo.permission(entry),
        undo.plan,
        label="Undo",
        icon="history",
        title=f"Undo the {spoken}" if entry.action.verb in ("purge", "edit") else f"Undo {spoken}",
        effect=effect,
    )


@requires("operations.view_audit")
def undo_page(request: HttpRequest, action_id: str) -> HttpResponseBase:
    """Ask for, and carry out, an undo; the permission is that of what is undone."""
    entry = find(action_id)
    if not (permission := undo.permission(entry)):
        return forbidden(request, Refusal(undo.why_not(entry), title="This can't be undone"))
    if not request.user.has_perm(permission):
        return forbidden(request, lacking(permission))
    action = _undo(entry)
    return action_page(
        request,
        replace(action, effect=f"{action.effect} {undo.note(entry)}".strip()),
        lambda by, form: undo.undo(
            entry, by=by, reason=form.cleaned_data["reason"], action_id=form.cleaned_data["action_id"]
        ),
        what=entry.target.id,
        back_url=resource_types.subject(entry.action.subject).item_url(entry.target.id),
        why_not=undo.why_not(entry),
    )


SHOWN = 8
# The trail is written in the order of time, so the panel reads what is new alone: since its last reading, and a little
# before it, since clocks differ and an index lags behind.
OVERLAP = timedelta(minutes=2)


def panel_location() -> str:
    return ",".join(audit_table_for(table).fingerprint for table in locations())


def panel_fresh() -> float:
    """Four partitions in each location are asked each time."""
    return 10.0 * len(locations())


def panel_figures(before: Any) -> dict[str, Any]:
    """Of the overview: the newest entries. The first reading is of today and yesterday, and each one goes a day further
    back, until there are enough or the longest window is read. A day is four partitions of the index."""
    now = datetime.now(UTC)
    oldest = now - max(Window(key, "").length for key in WINDOWS)
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    if before and before["until"] > oldest:
        since = before["since"]
        known = feeds.together([_panel_page(before["until"] - OVERLAP), before["entries"]])
        if before["filling"] and len(known) <= SHOWN:
            back = _panel_page(since - timedelta(days=1), since - timedelta(microseconds=1))
            known, since = feeds.together([known, back]), since - timedelta(days=1)
    else:
        known = _panel_page(since)
    newest = tuple(known[: SHOWN + 1])
    filling = len(newest) <= SHOWN and since > oldest
    return {"entries": newest, "since": since, "until": now, "filling": filling}


def _panel_page(start: datetime, end: datetime | None = None) -> list[Raw]:
    wanted = feeds.FeedFilter(start=start, end=end, routine=False)
    return feeds.page(wanted, purpose="panel", limit=SHOWN + 1).items


def shown_on_panel(figures: Any, window: str) -> dict[str, Any]:
    since = entries.stamp(Window(window, "").since)
    found = [raw for raw in figures["entries"] if raw["at"]["S"] >= since]
    shown = actors.named([entries.from_item(raw) for raw in found[:SHOWN]])
    return {
        "entries": [(entry, item_url(entry)) for entry in shown],
        "more": len(found) > SHOWN,
        "filling": figures["filling"],
    }


FORMATS = {"jsonl": ("JSON lines", ".jsonl"), "csv": ("CSV", ".csv")}
TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
# Column: the attribute of the entry.
COLUMNS = {
    "at": "at",
    "action": "action.value",
    "actor": "actor.name",
    "actor_id": "actor.id",
    "role": "actor.role",
    "kind": "target.logical",
    "table": "table",
    "target": "target.id",
    "reason": "reason",
    "count": "count",
    "undo_of": "undo_of",
    "action_id": "action_id",
}


def row(entry: Entry) -> dict[str, object]:
    return {column: attrgetter(path)(entry) for column, path in COLUMNS.items()}


def lines(kind: str, shown: Iterable[Entry]) -> Iterator[str]:
    """The export line by line. One that DynamoDB cuts short says so in its last line, in the same format."""
    try:
        yield from (_jsonl if kind == "jsonl" else _csv)(shown)
    except DynamoError as error:
        yield broken_off(kind, error.sentence)


def _jsonl(shown: Iterable[Entry]) -> Iterator[str]:
    for entry in shown:
        yield json.dumps(row(entry), ensure_ascii=False) + "\n"


def _csv(shown: Iterable[Entry]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for entry in shown:
        writer.writerow([neutral(value) for value in row(entry).values()])
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
