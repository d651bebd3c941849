"""Pages of rows of the relational database, newest first."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.http import HttpRequest

SHOWN = 50

Row = TypeVar("Row", bound=models.Model)


def page(
    request: HttpRequest, rows: "models.QuerySet[Row]", stamp: str, query: Mapping[str, str] | None = None
) -> tuple[list[Row], dict[str, str]]:
    """A page of rows, newest first by `stamp` and key, and what partials/pager.html needs. The position is that of
    the last row shown, so that new rows shift nothing; nonsense in its place is the first page. `query`: what the
    addresses of other pages carry; without it, what this one's does."""
    query = request.GET.dict() if query is None else query
    ordered = rows.order_by(f"-{stamp}", "-pk")
    if position := _position(request.GET.get("cursor", ""), rows.model):
        at, key = position
        ordered = ordered.filter(Q(**{f"{stamp}__lt": at}) | Q(**{stamp: at, "pk__lt": key}))
    found = list(ordered[: SHOWN + 1])
    shown = found[:SHOWN]
    cursor = ""
    if len(found) > SHOWN:
        last = f"{getattr(shown[-1], stamp).isoformat()}|{shown[-1].pk}"
        cursor = base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")
    return shown, {
        "next_url": _url(request, query, cursor) if cursor else "",
        "first_url": _url(request, query, "") if request.GET.get("cursor") else "",
    }


def _position(cursor: str, model: type[models.Model]) -> tuple[datetime, Any] | None:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        stamp, _, key = text.partition("|")
        at = datetime.fromisoformat(stamp)
        return (at, model._meta.pk.to_python(key)) if at.tzinfo and model._meta.pk else None
    except (ValueError, binascii.Error, OverflowError, ValidationError):
        return None


def _url(request: HttpRequest, query: Mapping[str, str], cursor: str) -> str:
    given = {name: value for name, value in {**query, "cursor": cursor}.items() if value}
    return f"{request.path}?{urlencode(given)}" if given else request.path
