"""For load balancers and supervisors: is the process up, and can it do its work?"""

import hashlib
from typing import Any

from django.core.cache import caches
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from opsportal.console.access import public
from opsportal.dynamo.descriptions import describe
from opsportal.dynamo.errors import AccessDenied, DynamoError
from opsportal.dynamo.tables import Binding, bindings

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
    """200 while the database and every table can be reached, else 503. Staff see which fails, and why."""
    tables = bindings()
    cache, key = caches["process"], _cache_key(tables)
    parts: dict[str, dict[str, Any]] | None = cache.get(key)
    if parts is None:
        parts = {"database": _database()} | {table.logical: _table(table) for table in tables}
        cache.set(key, parts, CACHE_SECONDS)
    ready = all(part["ok"] for part in parts.values())
    answer: dict[str, Any] = {"status": "ok" if ready else "unavailable"}
    # Without the database no one can be authenticated.
    if parts["database"]["ok"] and request.user.is_authenticated and request.user.is_staff:
        answer["parts"] = parts
    return JsonResponse(answer, status=200 if ready else 503)


def _database() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
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
    return where | {"ok": True}


def _cache_key(tables: list[Binding]) -> str:
    names = "\n".join(f"{table.name} {table.region} {table.endpoint}" for table in tables)
    return f"readyz:{hashlib.sha256(names.encode()).hexdigest()}"
