"""The parts of a request that are maps and lists: what was read of each, whatever its writer made of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from opsportal.dynamo.attributes import (
    Malformed,
    Typed,
    raw_text,
    read_list,
    read_map,
    read_number,
    read_text,
    read_time,
)


@dataclass  # not frozen, see `tracking.steps.Step`
class Progress:
    """`progress` as recorded. `percentage` may be missing, text or above 100 (docs/data.md#what-deployed-writers-do)."""

    stage: str | Malformed | None = None
    percentage: Decimal | Malformed | None = None
    urls_found: Decimal | Malformed | None = None
    content_extracted: Decimal | Malformed | None = None
    processing_errors: Decimal | Malformed | None = None
    estimated_completion: datetime | Malformed | None = None
    last_updated: datetime | Malformed | None = None
    malformed: Malformed | None = None


@dataclass(frozen=True)
class Source:
    """A source in either of the two shapes that writers use (docs/data.md#what-deployed-writers-do)."""

    name: str | Malformed | None
    url: str | Malformed | None
    type: str | Malformed | None
    malformed: Malformed | None = None


@dataclass(frozen=True)
class StatusChange:
    """One entry of `processing_metadata.status_history`."""

    at: datetime | Malformed | None
    old_status: str | Malformed | None
    new_status: str | Malformed | None
    message: str | Malformed | None
    malformed: Malformed | None = None


def progress_of(value: Typed | None) -> Progress:
    members = read_map(value)
    if members is None:
        return Progress()
    if isinstance(members, Malformed):
        return Progress(malformed=members)
    return Progress(
        stage=read_text(members.get("current_stage")),
        percentage=read_number(members.get("percentage")),
        urls_found=read_number(members.get("urls_found")),
        content_extracted=read_number(members.get("content_extracted")),
        processing_errors=read_number(members.get("processing_errors")),
        estimated_completion=read_time(members.get("estimated_completion")),
        last_updated=read_time(members.get("last_updated")),
    )


def messages_of(value: Typed | None) -> list[Any]:
    members = read_list(value)
    if members is None:
        return []
    if isinstance(members, Malformed):
        text = read_text(value)
        if text == "":
            return []
        return [text if isinstance(text, str) else members]
    return [_message(member) for member in members]


def _message(value: Typed) -> Any:
    text = read_text(value)
    return raw_text(value) if text is None or isinstance(text, Malformed) else text


def source_of(value: Typed) -> Source:
    members = read_map(value)
    if not isinstance(members, dict):
        text = read_text(value)
        if isinstance(text, str):
            return Source(name=text, url=None, type=None)
        return Source(None, None, None, members or Malformed(value, "expected a map"))
    return Source(
        name=read_text(members.get("name")),
        url=_either(members, "base_url", "url"),
        type=_either(members, "source_type", "type"),
    )


def _either(members: dict[str, Typed], *names: str) -> str | Malformed | None:
    """The first of the members that says something, readable or not."""
    texts = (read_text(members.get(name)) for name in names)
    return next((text for text in texts if text not in (None, "")), None)


def change_of(value: Typed) -> StatusChange:
    members = read_map(value)
    if not isinstance(members, dict):
        return StatusChange(None, None, None, None, members or Malformed(value, "expected a map"))
    return StatusChange(
        at=read_time(members.get("timestamp")),
        old_status=read_text(members.get("old_status")),
        new_status=read_text(members.get("new_status")),
        message=read_text(members.get("message")),
    )
