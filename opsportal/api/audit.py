"""The API of the audit trail: for reading."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from opsportal.api.answers import PageOut, answer
from opsportal.api.lists import GivenText, Length, RangedQuery, page_document
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.dynamo.attributes import Typed, plain
from opsportal.operations import actors, entries, feeds
from opsportal.operations.entries import Entry
from opsportal.operations.views import find

router = Router(tags=["Audit"])


class EntryTargetOut(Schema):
    kind: str = Field(description="The logical table.")
    id: str
    table: str


class EntryOut(Schema):
    """One effect, as the feed has it."""

    action_id: str
    url: str
    at: str
    action: str
    actor: str = Field(description="The name at that time: an account's, or a token's.")
    actor_id: str | None = Field(
        description="Who it was: `user:7`, `token:3`, `worker` or `command`. It never goes to another, as a name may. "
        "Null in an older entry, which was recorded by the name only."
    )
    role: str
    target: EntryTargetOut
    reason: str
    undo_of: str | None
    count: int | None
    note: str
    has_image: bool = Field(description="Whether a copy is stored for undo. The API does not return it.")


class ChangeOut(Schema):
    path: list[str]
    before: Any = Field(description="Null if there was no value. Long values are cut.")
    after: Any


class EntryItemOut(EntryOut):
    condition: str
    changes: list[ChangeOut]


class EntryPageOut(PageOut):
    items: list[EntryOut]


class AuditQuery(RangedQuery):
    length: Length = Field("24h", alias="range", description="The period up to now.")
    actor: GivenText = Field(
        "",
        description="The name that a person has now, or a token (`olga via token ci`, `service ci`): their entries, "
        "whatever the name was then, and older ones without an id under that name. Or an `actor_id`. A name without an "
        "account now stands for what was recorded under it. `notes` say which it was.",
    )
    action: GivenText = Field("", description="Such as `request:cancel`.")
    target: GivenText = Field("", description="The item's id.")
    kind: GivenText = Field("", description="The logical table: workflows, requests, agents.")


@router.get(
    "/audit",
    response=EntryPageOut,
    openapi_extra={
        "responses": {
            200: {
                "links": {
                    "get_audit_entry": {
                        "operationId": "get_audit_entry",
                        "parameters": {"action_id": "$response.body#/items/0/action_id"},
                    }
                }
            }
        }
    },
    summary="List audit entries, newest first",
)
@requires("operations.view_audit")
@admitted(Load.LIST)
def list_audit(request: HttpRequest, query: Query[AuditQuery]) -> HttpResponse:
    query.only_known_in(request)
    span, found = query.time_range().span, actors.find(query.actor)
    wanted = feeds.FeedFilter(
        actor=found.sought,
        action=query.action,
        target=query.target,
        logical=query.kind,
        start=span.since,
        end=span.until,
    )
    page = feeds.page(wanted, purpose=query.purpose("audit"), cursor=query.cursor)
    if page.items:  # else they would name accounts and tokens that the trail does not
        page.notes += found.notes
    return answer(page_document(page, [_row(entries.from_item(raw)) for raw in page.items]))


@router.get("/audit/{key:action_id}", response=EntryItemOut, summary="Get one audit entry with its changes")
@requires("operations.view_audit")
def get_audit_entry(request: HttpRequest, action_id: str) -> HttpResponse:
    entry = find(action_id)
    changes = [
        {"path": list(change.path), "before": _side(change.old), "after": _side(change.new)}
        for change in entry.changes
    ]
    return answer({**_row(entry), "condition": entry.condition, "changes": changes})


def _side(value: Typed | None) -> Any:
    return None if value is None else plain(value)


def _row(entry: Entry) -> dict[str, Any]:
    """See `EntryOut`."""
    return {
        "action_id": entry.action_id,
        "url": f"/api/audit/{entry.action_id}",
        "at": entry.at,
        "action": entry.action.value,
        "actor": entry.actor.name,
        "actor_id": entry.actor.id or None,
        "role": entry.actor.role,
        "target": {"kind": entry.target.logical, "id": entry.target.id, "table": entry.table},
        "reason": entry.reason,
        "undo_of": entry.undo_of or None,
        "count": entry.count,
        "note": entry.note,
        "has_image": entry.has_image,
    }
