"""Answers: plain documents as JSON, whatever values foreign items hold."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from opsportal.console.clock import iso
from opsportal.console.waiting import Reason
from opsportal.dynamo.attributes import Malformed, Typed, plain
from opsportal.dynamo.json_values import as_json

JSON = "application/json; charset=utf-8"


def answer(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """Not left to a response model: what a foreign item holds must never fail to be answered."""
    # Text of an item is UTF-8, but JSON that someone put into a string may spell half of a character.
    return HttpResponse(
        as_json(document).encode(errors="replace"),
        status=status,
        headers=dict(headers or {}),
        content_type=JSON,
    )


def time_text(value: object) -> str | None:
    """An instant as ISO 8601 in UTC; what is missing or could not be read as a time is None."""
    return iso(value) if isinstance(value, datetime) else None


def words(value: object) -> str | None:
    """A text; what could not be read as one, as it is written."""
    return None if value is None else str(value)


def number(value: object) -> Any:
    """A number, None for what is none."""
    return None if isinstance(value, Malformed) else value


def attributes(raw: Mapping[str, Typed]) -> dict[str, Any]:
    """The whole item as plain JSON: sets as sorted lists, binary as base64."""
    return {name: plain(value) for name, value in sorted(raw.items())}


def now_text() -> str:
    return iso(datetime.now(UTC))


class FindingOut(Schema):
    """What the console noticed about an item."""

    kind: str
    sentence: str


def findings_of(found: Any) -> list[dict[str, str]]:
    return [{"kind": finding.kind, "sentence": finding.sentence} for finding in found]


class WaitingOut(Schema):
    """Why an item waits, as far as the console knows."""

    reason: Literal["undelivered", "throttled", "no_ready_agent", "idle", "overtaken", "ahead"]
    sentence: str


def waiting_of(reason: Reason | None) -> dict[str, str] | None:
    return None if reason is None else {"reason": reason.kind, "sentence": reason.sentence}


class PageOut(Schema):
    """What every page of a list says beside its items."""

    next: str | None = Field(description="The cursor of the next page; null at the end.")
    complete: bool = Field(
        description="False if the page used all its calls before the end: continue with `next`."
    )
    searched_to: str | None = Field(description="Where the search stopped if `complete` is false.")
    how: str = Field(description="How DynamoDB was read.")
    notes: list[str]
