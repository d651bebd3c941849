"""Failure cases as the API answers them."""

from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from opsportal.api.answers import time_text
from opsportal.failures.case import Key, moment_of
from opsportal.failures.columns import CaseRow
from opsportal.failures.words import UNTIL_CLOSED

Stated = Literal["open", "reopened", "acknowledged", "muted", "resolved"]
FOREVER = "closed"


class OwnerOut(Schema):
    id: str = Field(description="Of the account, as in the audit trail.")
    name: str


class CaseOut(Schema):
    """Failures of one cause: the same error, without what differs between runs, in the same step of one table."""

    id: str
    url: str
    table: str = Field(description="The logical table.")
    step: str
    label: str
    type: str | None = Field(description="The name of the exception, where the error has one.")
    line: str = Field(description="The error; `<n>`, `<id>`, `<url>` and the like stand for what differs.")
    state: Stated = Field(description="`muted` whether it is open or acknowledged.")
    owner: OwnerOut | None
    muted_until: str | None = Field(description="`closed`: until it is resolved.")
    first_seen: str
    last_seen: str
    count: int = Field(description="Failed runs that were counted since the case was opened.")
    runs: int = Field(description="Those of the window, of whole hours.")
    share: float | None = Field(
        description="`runs` as a percentage of the runs that were created in the window and ended; null where that is not known."
    )
    trend: Literal["rising", "falling", "steady"] | None = Field(
        description="Null while history is too short."
    )
    reason: str | None = Field(description="What fixed it, as said when it was resolved last.")
    closed_by: str | None
    closed_at: str | None


class KeyOut(Schema):
    key: str
    status: str = Field(description="As recorded when it was counted.")
    line: str
    created_at: str | None
    failed_at: str | None


class NoteOut(Schema):
    by: str
    by_id: str
    at: str
    text: str


class HourOut(Schema):
    hour: str
    runs: int


class CaseItemOut(CaseOut):
    keys: list[KeyOut] = Field(description="Up to 20 of the newest failed runs.")
    notes: list[NoteOut]
    hours: list[HourOut] = Field(
        description="Failed runs by hour, of the last 7 days; hours without any are left out."
    )


class CaseListOut(Schema):
    items: list[CaseOut]
    complete: bool = Field(description="False where there are more cases than are read at once.")


def url_of(case_id: str) -> str:
    return f"/api/failures/{case_id}"


def row(one: CaseRow) -> dict[str, Any]:
    """See `CaseOut`."""
    case = one.case
    share = one.share if one.ended and not one.ended.more else None
    return {
        "id": case.id,
        "url": url_of(case.id),
        "table": case.logical,
        "step": case.step,
        "label": case.label,
        "type": case.type or None,
        "line": case.line,
        "state": one.stated.word,
        "owner": {"id": case.owner_id, "name": case.owner} if case.owner_id else None,
        "muted_until": FOREVER if case.muted_until == UNTIL_CLOSED else time_text(case.muted_until),
        "first_seen": time_text(case.first_seen),
        "last_seen": time_text(case.last_seen),
        "count": case.count,
        "runs": one.runs,
        "share": None if share is None else round(share, 1),
        "trend": one.trend.word or None,
        "reason": case.reason or None,
        "closed_by": case.closed_by or None,
        "closed_at": time_text(case.closed_at),
    }


def document(one: CaseRow, keys: tuple[Key, ...]) -> dict[str, Any]:
    """See `CaseItemOut`."""
    return {
        **row(one),
        "keys": [
            {
                "key": key.key,
                "status": key.status,
                "line": key.line,
                "created_at": time_text(key.created_at),
                "failed_at": time_text(key.failed_at),
            }
            for key in keys
        ],
        "notes": [
            {"by": note.by, "by_id": note.by_id, "at": time_text(note.at), "text": note.text}
            for note in one.case.notes
        ],
        "hours": [
            {"hour": time_text(moment_of(hour)), "runs": runs}
            for hour, runs in sorted(one.case.hours.items())
            if runs
        ],
    }
