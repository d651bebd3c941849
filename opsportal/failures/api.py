"""The API of failure cases: see them, and what people do with one."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Body, Query, Router
from pydantic import Field

from opsportal.accounts.actors import holders, is_id, names_now
from opsportal.api import effects
from opsportal.api.answers import answer
from opsportal.api.effects import ReasonIn, Said
from opsportal.api.lists import GivenText, Moment, StrictQuery
from opsportal.api.problems import ApiProblem
from opsportal.console.access import requires
from opsportal.console.admission import Load, admitted
from opsportal.console.timerange import Window
from opsportal.exports.api import CONTENT, FileQuery, answer_file
from opsportal.failures import actions, answers, figures, store
from opsportal.failures.answers import CaseItemOut, CaseListOut, Stated
from opsportal.failures.case import MAX_NOTE, Case, from_item
from opsportal.failures.columns import CaseRow, row_of
from opsportal.failures.selection import EXPORT, NOBODY, chosen
from opsportal.failures.views import not_yet
from opsportal.failures.words import UNTIL_CLOSED, stated
from opsportal.operations.changes import Raw
from opsportal.operations.entries import MAX_REASON, Actor
from opsportal.operations.outcomes import ActionsOff, Done
from opsportal.operations.switch import check_actions_are_on

router = Router(tags=["Failures"])
NO_REASON = ReasonIn()
Span = Literal["1h", "24h", "7d"]
_ACTIONS = ("acknowledge_case", "assign_case", "add_case_note", "mute_case", "resolve_case", "reopen_case")


def _links(pointer: str) -> dict[str, Any]:
    names = ("get_failure", *_ACTIONS)
    return {name: {"operationId": name, "parameters": {"case_id": pointer}} for name in names}


class CasesQuery(FileQuery):
    state: Stated | None = Field(None, description="Empty: all that are not resolved.")
    window: Span = Field("24h", description="Of `runs` and `share`.")
    owner: GivenText = Field("", description=f"An account's name or id; `{NOBODY}`: cases without an owner.")
    table: GivenText = Field("", description="The logical table: workflows, requests.")
    order: Literal["", "runs", "newest"] = Field("", description="Empty: unassigned first.")


class CaseQuery(StrictQuery):
    window: Span = Field("24h", description="Of `runs` and `share`.")


class AssignIn(ReasonIn):
    owner: str | None = Field(max_length=150, description="An account's name or id; null: no owner.")


class MuteIn(ReasonIn):
    until: Moment | Literal["closed"] = Field(
        description="A time in ISO 8601; `closed`: until it is resolved; null ends the mute."
    )


class NoteIn(ReasonIn):
    reason: Said = Field(max_length=MAX_NOTE, description="The note. Recorded in the audit trail too.")


class ResolveIn(ReasonIn):
    reason: Said = Field(max_length=MAX_REASON, description="What fixed it.")


@router.get(
    "/failures",
    response=CaseListOut,
    openapi_extra={"responses": {200: {"content": CONTENT, "links": _links("$response.body#/items/0/id")}}},
    summary="List failure cases",
)
@requires("failures.view_cases")
@admitted(Load.LIST)
def list_failures(request: HttpRequest, query: Query[CasesQuery]) -> HttpResponseBase:
    """At most 200 active ones, or the 50 that were resolved last."""
    query.only_known_in(request)
    if file := answer_file(request, query, EXPORT):
        return file
    found = figures.of(figures.at_hand().value)
    picked = chosen(query.values(), found, datetime.now(UTC))
    return answer({"items": [answers.row(row) for row in picked.rows], "complete": not picked.cut})


@router.get(
    "/failures/{key:case_id}",
    response=CaseItemOut,
    openapi_extra={"responses": {200: {"links": _links("$response.body#/id")}}},
    summary="Get one failure case with its runs, notes and hours",
)
@requires("failures.view_cases")
def get_failure(request: HttpRequest, case_id: str, query: Query[CaseQuery]) -> HttpResponse:
    query.only_known_in(request)
    return answer(_document(_found(case_id), query.window))


# --- What is done with one ---------------------------------------------------------------------------------------


def _operation(
    verb: str, summary: str
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    return router.post(
        f"/failures/{{key:case_id}}/{verb}",
        response=CaseItemOut,
        openapi_extra=effects.EXTRA,
        summary=summary,
    )


@_operation("acknowledge", "Acknowledge a failure case")
@requires(actions.MANAGE)
def acknowledge_case(request: HttpRequest, case_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    """Somebody works on it: it no longer counts as open."""
    return _done(
        request, case_id, body, lambda case, **by: actions.acknowledge(case, reason=body.reason, **by)
    )


@_operation("assign", "Assign a failure case")
@requires(actions.MANAGE)
def assign_case(request: HttpRequest, case_id: str, body: Body[AssignIn]) -> HttpResponse:
    """Its state does not change."""
    owner = _account(body.owner) if body.owner else ""
    return _done(
        request, case_id, body, lambda case, **by: actions.assign(case, owner, reason=body.reason, **by)
    )


@_operation("notes", "Add a note to a failure case")
@requires(actions.MANAGE)
def add_case_note(request: HttpRequest, case_id: str, body: Body[NoteIn]) -> HttpResponse:
    return _done(request, case_id, body, lambda case, **by: actions.note(case, body.reason, **by))


@_operation("mute", "Mute a failure case")
@requires(actions.MANAGE)
def mute_case(request: HttpRequest, case_id: str, body: Body[MuteIn]) -> HttpResponse:
    """Its failures fire no alerts, and the badge and the overview leave it out. They are still counted."""
    until = UNTIL_CLOSED if body.until == answers.FOREVER else body.until
    assert not isinstance(until, str)
    return _done(
        request, case_id, body, lambda case, **by: actions.mute(case, until, reason=body.reason, **by)
    )


@_operation("resolve", "Resolve a failure case")
@requires(actions.MANAGE)
def resolve_case(request: HttpRequest, case_id: str, body: Body[ResolveIn]) -> HttpResponse:
    """A run that fails after this reopens the case."""
    return _done(request, case_id, body, lambda case, **by: actions.resolve(case, body.reason, **by))


@_operation("reopen", "Reopen a failure case")
@requires(actions.MANAGE)
def reopen_case(request: HttpRequest, case_id: str, body: Body[ReasonIn] = NO_REASON) -> HttpResponse:
    return _done(request, case_id, body, lambda case, **by: actions.reopen(case, reason=body.reason, **by))


# --- How ------------------------------------------------------------------------------------------------------------


def _found(case_id: str) -> Case:
    """Raises ApiProblem, Unreadable, `DynamoError`."""
    case = store.find(case_id)
    if case is None:
        raise ApiProblem(404, "There is no such case", not_yet())
    return case


def _account(given: str) -> str:
    """The id of the account with that name or id. Raises ApiProblem."""
    named = [given] if is_id(given) and given in names_now([given]) else holders(given)
    if owner := next((one for one in named if one.startswith("user:")), ""):
        return owner
    raise ApiProblem(400, "There is no such account", "`owner` is the name or the id of an account, or null.")


def _row(case: Case, window: str) -> CaseRow:
    found = figures.of(figures.at_hand().value)
    ended = figures.ended([case.logical], window)
    return row_of(case, found, Window(window, ""), ended, datetime.now(UTC))


def _document(case: Case, window: str = "24h") -> dict[str, Any]:
    return answers.document(_row(case, window), store.keys_of(case))


def _current(raw: Raw) -> dict[str, Any]:
    """What a refusal says of the case."""
    case = from_item(raw)
    return {"state": stated(case, datetime.now(UTC)).word, "owner": case.owner or None}


def _done(request: HttpRequest, case_id: str, body: ReasonIn, run: Callable[..., Done]) -> HttpResponse:
    """Run it once per Idempotency-Key, and answer the case as it is now."""
    try:
        check_actions_are_on()  # before the case is looked for, as of every action
    except ActionsOff as off:
        raise effects.actions_off(off) from None
    case = _found(case_id)

    def carried(by: Actor, action_id: str) -> Done:
        return run(case, by=by, action_id=action_id)

    done = effects.carry_out(request, carried, kind=case.logical, reason=body.reason, state=_current)
    return answer(_document(_found(case_id)), headers=effects.headers_of(done))
