"""The overview, and what load balancers and browsers ask unasked.

Each app's own panel has its own figures, so that a problem with one table stays in it.
"""

import hashlib
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.core.cache import caches
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from opsportal.console import panels, tones
from opsportal.console.access import public, staff
from opsportal.console.timerange import window_of
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, DynamoError, TableMissing
from opsportal.dynamo.structure import index_flaws, key_flaws
from opsportal.dynamo.tables import Binding, bindings, name_setting, other_spellings


@staff
def overview(request: HttpRequest) -> HttpResponse:
    """Is anything wrong? Reads no table itself: figures that are kept are part of the page, and others it loads."""
    shown = panels.on_page(request)
    sees_data = any(one["list_url"] for one in shown)
    context = {"window": window_of(request), "panels": shown, "sees_data": sees_data}
    return render(request, "console/overview.html", context)


def table_figures(before: Any) -> tuple[tuple[str, str, str, str, str], ...]:
    """The tables of the settings as they are deployed: reachable, ACTIVE, with the key that is configured."""
    found = (condition(table) for table in bindings())
    return tuple((one.table.logical, one.state, one.tone, one.sentence, one.fix) for one in found)


def shown_tables(figures: Any, window: str) -> dict[str, Any]:
    tables = {table.logical: table for table in bindings()}
    return {"tables": [Condition(tables[logical], *rest) for logical, *rest in figures if logical in tables]}


def tables_location() -> str:
    return ",".join(table.fingerprint for table in bindings())


@public
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it on pages without an icon link, the admin's among them."""
    return redirect(static("console/favicon.svg"))


@dataclass(frozen=True)
class Condition:
    """A table and what is wrong with it: `tone` is one of `console.tones`, `sentence` "" when all is well."""

    table: Binding
    state: str
    tone: str
    sentence: str = ""
    fix: str = ""


def condition(table: Binding) -> Condition:
    """The table as deployed, against what the console is configured for. Never raises `DynamoError`."""
    try:
        found = describe(table)
    except AccessDenied as denied:
        return Condition(table, "unknown", tones.UNKNOWN, denied.sentence, denied.fix)
    except TableMissing as gone:
        return Condition(
            table, "table missing", tones.FAILED, gone.sentence, _other_spelling(table) or gone.fix
        )
    except DynamoError as problem:
        return Condition(table, problem.kind.replace("_", " "), tones.FAILED, problem.sentence, problem.fix)
    for flaw in key_flaws(table, found):
        state = "sort key" if flaw.point == "sort key" else "key mismatch"
        return Condition(table, state, tones.FAILED, f"{flaw.sentence} {flaw.consequence}", flaw.fix)
    if flaws := [flaw for flaw in index_flaws(table, found) if flaw.breaks]:
        missing = [flaw.index.name for flaw in flaws if flaw.missing and flaw.index]
        first = flaws[0]
        sentence, consequence, fix = first.sentence, first.consequence, first.fix
        if len(missing) > 1:
            sentence = f"The table {table.name} in {table.region} lacks the indexes {', '.join(missing)}."
            consequence = "What reads them reads the table by a bounded scan, which is slower and says so."
        if first.missing:
            fix = f"To add what is missing: {fix}"
        return Condition(table, found.state.lower(), tones.ATTENTION, f"{sentence} {consequence}", fix)
    return Condition(
        table, found.state.lower(), tones.SUCCESS if found.state == "ACTIVE" else tones.ATTENTION
    )


def _other_spelling(table: Binding) -> str:
    """The remedy where the table exists with hyphens for underscores, or the reverse; else ""."""
    for name in other_spellings(table):
        with suppress(DynamoError):
            describe(replace(table, name=name))
            return f"There is a table {name}: {name_setting(table, name)}"
    return ""


# Probes come every few seconds from several sides; DescribeTable is limited per account.
CACHE_SECONDS = 10


@public
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers. Asks nothing else: a restart would not fix it."""
    return HttpResponse("ok", content_type="text/plain")


@public
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 while the database and every table can be reached, else 503; ``degraded`` where a table is not as the console
    needs it, which a console elsewhere would not change. Staff see which fails, and why."""
    parts = _parts()
    ready = all(part["ok"] for part in parts.values())
    said = "degraded" if any(part.get("degraded") for part in parts.values()) else "ok"
    answer: dict[str, Any] = {"status": said if ready else "unavailable"}
    # Without the database no one can be authenticated.
    if parts["database"]["ok"] and request.user.is_authenticated and request.user.is_staff:
        answer["parts"] = parts
    return JsonResponse(answer, status=200 if ready else 503)


def _parts() -> dict[str, dict[str, Any]]:
    """By name, at most 10 s old. One thread looks at a time, and whoever comes meanwhile gets what was found before:
    anybody may ask, and must not hold more threads."""
    tables = bindings()
    cache, key = caches["process"], _cache_key(tables)
    known: tuple[float, dict[str, dict[str, Any]]] = cache.get(key, (0.0, NOT_YET))
    found_at, parts = known
    if (parts is NOT_YET or time.monotonic() - found_at > CACHE_SECONDS) and _looking.acquire(blocking=False):
        try:
            parts = {"database": _database()} | {table.logical: _table(table) for table in tables}
            cache.set(key, (time.monotonic(), parts), None)
        finally:
            _looking.release()
    return parts


NOT_YET: dict[str, dict[str, Any]] = {
    "database": {"ok": False, "problem": "It is being looked at for the first time."}
}
_looking = threading.Lock()


def _database() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as error:
        return {"ok": False, "problem": str(error)}
    return {"ok": True}


def _table(table: Binding) -> dict[str, Any]:
    where = {"table": table.name, "region": table.region}
    try:
        describe(table)
    except AccessDenied as error:
        # The table answered. A role that may read it need not be allowed to describe it.
        return where | {"ok": True, "problem": error.sentence}
    except DynamoError as error:
        return where | {"ok": False, "problem": error.sentence}
    found = condition(table)
    problem = f"{found.sentence} {found.fix}".strip()
    return where | ({"ok": True, "degraded": True, "problem": problem} if problem else {"ok": True})


def _cache_key(tables: list[Binding]) -> str:
    names = "\n".join(f"{table.name} {table.region} {table.endpoint}" for table in tables)
    return f"readyz:{hashlib.sha256(names.encode()).hexdigest()}"
