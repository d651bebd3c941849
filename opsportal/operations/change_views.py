"""The second tab of *Audit*: who changed accounts and settings, and its export."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

from django.db import Error
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from opsportal.accounts.actors import holders, is_id
from opsportal.accounts.change_rows import rows
from opsportal.accounts.changes import VERBS, Change, phrase_of
from opsportal.console.access import requires
from opsportal.console.clock import iso
from opsportal.console.database import cause_of
from opsportal.console.listing import Empty, Listing
from opsportal.console.rows import page
from opsportal.console.streams import streamed
from opsportal.dynamo.pages import Page
from opsportal.operations.csv_cells import broken_off, excel_mark, neutral

FILTERS = {"actor": "Actor", "action": "Action", "target": "Target"}
FORMATS = {"jsonl": "JSON lines", "csv": "CSV"}
TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


# What each tab says, its address, and the permission that it asks for.
TABS = (
    ("Actions", "operations:feed", "operations.view_audit"),
    ("Accounts and settings", "operations:changes", "accounts.view_changes"),
    ("Undelivered messages", "operations:undelivered", "operations.view_audit"),
)


def tabs(request: HttpRequest, current: str) -> list[tuple[str, str, bool, str]]:
    """For partials/tabs.html: those that the reader may see."""
    return [
        (label, reverse(name), name == current, "")
        for label, name, permission in TABS
        if request.user.has_perm(permission)
    ]


@requires("accounts.view_changes")
def changes(request: HttpRequest) -> HttpResponseBase:
    """Every change, newest first; `format` exports what the filters show."""
    listing = Listing(request, "changes", FILTERS, default_range="all")
    if url := listing.picked_url:
        return redirect(url)
    span = listing.time_range.span
    found = filtered(listing["actor"], listing["action"], listing["target"])
    if span.since:
        found = found.filter(at__gte=span.since)
    if span.until:
        found = found.filter(at__lte=span.until)
    if request.GET.get("format") in FORMATS:
        return _export(request, found, request.GET["format"])
    shown, pager = page(request, found, "at", listing.parameters)
    context: dict[str, Any] = {
        "tabs": tabs(request, "operations:changes"),
        "listing": listing,
        "changes": rows(shown),
        "page": pager,
        "verbs": [(verb, phrase_of(verb)) for verb in VERBS],
        "chips": [
            (label, phrase_of(value) if label == FILTERS["action"] else value, url)
            for label, value, url in listing.chips
        ],
        "menu_filters": (*FILTERS, "format"),
        "downloads": [
            *((label, listing.url(format=name)) for name, label in FORMATS.items()),
            ("CSV for Excel", listing.url(format="csv", bom="1")),
        ],
        "notes": listing.time_range.notices,
        "empty": None if shown else _empty(listing),
    }
    return render(request, "operations/changes.html", context)


def filtered(actor: str, verb: str, target: str) -> QuerySet[Change]:
    """`actor`: an id, or who has that name now, or was recorded under it where it is no name now. `target`: an id, or the
    start of a name."""
    found = Change.objects.all()
    if "\x00" in actor + verb + target:  # which PostgreSQL refuses to look for
        return found.none()
    if actor:
        ids = [actor] if is_id(actor) else holders(actor)
        by_name = Q(actor=actor) if not ids else Q(actor=actor, actor_id="")
        found = found.filter(Q(actor_id__in=ids) | by_name)
    if verb:
        found = found.filter(verb=verb)
    if target:
        found = found.filter(Q(target_id=target) | Q(target__istartswith=target))
    return found


def _empty(listing: Listing) -> Empty | None:
    what = "Changes of accounts, roles, tokens, shared views and alerts."
    empty = listing.empty(Page([]), "entries", what)
    if empty and listing.filtered and not listing.time_range.crossed:
        how = "A target is found by its id, such as user:7, or by the start of its name."
        return replace(empty, sentence=f"{empty.sentence} {how}")
    # Nothing that a demo loads.
    return replace(empty, command="") if empty else None


def row(change: Change) -> dict[str, Any]:
    """As exports and the API have it."""
    return {
        "at": iso(change.at),
        "action": change.verb,
        "actor": change.actor,
        "actor_id": change.actor_id or None,
        "role": change.role,
        "target": change.target,
        "target_id": change.target_id,
        "changes": [
            {"path": path, "before": old, "after": new} for path, (old, new) in change.changed.items()
        ],
        "address": change.address or None,
        "request_id": change.request_id or None,
        "id": change.pk,
    }


def _export(request: HttpRequest, found: QuerySet[Change], kind: str) -> HttpResponseBase:
    shown = found.iterator(chunk_size=500)
    response = streamed(request, chain(excel_mark(request, kind), lines(kind, shown)), TYPES[kind])
    if response.streaming:
        response["Content-Disposition"] = f'attachment; filename="changes.{kind}"'
    return response


def lines(kind: str, found: Iterable[Change]) -> Iterator[str]:
    """The export line by line. One that the database cuts short says so in its last line."""
    try:
        yield from (_jsonl if kind == "jsonl" else _csv)(found)
    except Error as error:
        if not (cause := cause_of(error)):
            raise
        yield broken_off(kind, cause.sentence)


def _jsonl(found: Iterable[Change]) -> Iterator[str]:
    for change in found:
        yield json.dumps(row(change), ensure_ascii=False) + "\n"


def _csv(found: Iterable[Change]) -> Iterator[str]:
    columns = list(row(Change(target_id="")))
    yield _line(columns)
    for change in found:
        yield _line(
            [
                json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
                for value in row(change).values()
            ]
        )


def _line(values: Iterable[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([neutral(value) for value in values])
    return buffer.getvalue()
