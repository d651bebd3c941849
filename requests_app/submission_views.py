"""The submission form `/requests/new/`, also "start like this one". What is decided is in `submission`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from pydantic import ValidationError

from opsportal.console.access import Refusal, requires
from opsportal.console.messages import DONE
from opsportal.console.problems import problem_response
from opsportal.console.sent import sent_fields
from opsportal.dynamo.attributes import pretty
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.json_values import as_json
from opsportal.operations import entries
from opsportal.operations.entries import MAX_REASON, Actor
from opsportal.operations.pages import actor_of
from opsportal.operations.switch import OFF
from opsportal.operations.tags import Action
from opsportal.operations.transactions import IdempotencyMismatch, OutcomeUnknown, Refused
from requests_app import actions, choices, clone, dialects, drafts, queries, submission
from requests_app.clone import Original
from requests_app.dialects import DOCUMENTED, Dialect
from requests_app.drafts import Draft
from requests_app.forms import SubmissionForm
from requests_app.submission import Submission, minted_at, new_action_id

# How long a form can be sent: the time in its action_id becomes that of the request's id.
FORM_LIFE, CLOCKS_APART = timedelta(hours=24), timedelta(minutes=5)


ACTIONS_OFF = Refusal(OFF, title="Nothing can be submitted", status=409)


@dataclass
class Page:
    """What the page says, gathered on the way."""

    draft: Draft
    action_id: str
    reason: str = ""
    like: str = ""
    original: Original | None = None
    types: Sequence[str] | None = None
    dialect: Dialect | None = None
    unread: DynamoError | None = None
    previewed: str = ""
    errors: dict[str, list[str]] = field(default_factory=dict)
    focus: str = ""
    preview: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    refusal_url: str = ""
    problem: DynamoError | None = None
    again: bool = False
    status: int = 200


@requires("requests_app.submit_requests")
def new(request: HttpRequest) -> HttpResponse:
    """GET: the form, with ``?like=<id>`` as that request was. POST: what the button says (`do`): a row more
    or less, the preview, or the submission, which leads to the request's page."""
    if settings.ACTIONS_OFF:
        return problem_response(request, ACTIONS_OFF, fields=sent_fields(request))
    if request.method != "POST":
        return _answer(request, _first(request))
    page = _posted(request)
    wish = request.POST.get("do", "")
    if (focus := page.draft.rows_changed(wish)) is not None:
        page.focus = focus
        return _answer(request, page)
    asked = _validated(page)
    if page.dialect is None:
        page.refusal = (
            "The format of this table's requests could not be read, and its workers might not be able to read "
            "another one. REQUEST_DIALECT=documented submits without reading it."
        )
        page.problem, page.status = page.unread, page.unread.status if page.unread else 503
    elif asked:
        by = actor_of(request)
        if wish != "submit":
            _draw_preview(page, asked, by, page.dialect)
        elif page.previewed not in ("", page.dialect.fingerprint):
            _draw_preview(page, asked, by, page.dialect)
            page.status = 409
            page.refusal = "The format of this table's requests has changed since the preview. Check the preview again, then submit."
        elif request_id := _submitted(page, asked, by):
            messages.info(request, "Submitted.", extra_tags=DONE)
            return redirect("requests:item", request_id)
    return _answer(request, page)


def _first(request: HttpRequest) -> Page:
    """The form as it is first shown."""
    user, types, like = request.user.get_username(), _types(), request.GET.get("like", "")
    page = Page(
        drafts.blank(user, settings.REQUEST_TYPES if types is None else types),
        new_action_id(),
        like=like,
        types=types,
    )
    found = queries.request(like) if like else None
    _read_dialect(page)
    if found:
        page.original = clone.original(found, page.dialect or DOCUMENTED)
        page.draft = page.original.start(user)
    elif like:
        page.refusal = "There is no request with this id, so nothing was copied from it."
        page.status = 404
    if page.dialect:
        page.draft.ask_for(page.dialect.asked_for)
    return page


def _posted(request: HttpRequest) -> Page:
    post = request.POST
    page = Page(
        drafts.posted(post),
        post.get("action_id", ""),
        reason=post.get("reason", ""),
        like=post.get("like", ""),
        types=_types(),
        previewed=post.get("dialect", ""),
    )
    _read_dialect(page)
    try:
        found = queries.request(page.like) if page.like else None
        page.original = clone.original(found, page.dialect or DOCUMENTED) if found else None
    except DynamoError:
        pass  # what was typed is worth more than the comparison
    if page.dialect:
        page.draft.leave_out(page.dialect.made)
        page.draft.ask_for(page.dialect.asked_for)
        page.draft.chosen = {shape.label: shape for shape in page.dialect.shapes}.get(page.draft.shape)
        if page.dialect.shape:
            page.draft.chosen = None
    return page


def _read_dialect(page: Page) -> None:
    """How the table's requests are written; where that can't be read the form is shown, but nothing is submitted."""
    try:
        page.dialect = dialects.current()
    except DynamoError as problem:
        page.unread = problem


def _types() -> Sequence[str] | None:
    """The known types of requests; None where they can't be read, and any is allowed."""
    try:
        return choices.request_types()
    except DynamoError:
        return None


def _validated(page: Page) -> Submission | None:
    """What is asked for, or None with the errors put at their fields."""
    types = page.types
    if types is not None and page.original:
        types = (*types, page.original.draft.texts["request_type"])
    asked = None
    try:
        asked = submission.read(page.draft.data(), types)
    except ValidationError as error:
        for problem in submission.problems(error):
            page.errors.setdefault(page.draft.place(problem), []).append(problem.sentence)
    if page.dialect:
        for name in page.dialect.missing(asked.extra if asked else page.draft.data()["extra"]):
            page.errors.setdefault(page.draft.extra_row("", name), []).append("This is needed.")
        if not page.dialect.shape and page.draft.needs_shape and not page.draft.chosen:
            page.errors["source_shape"] = ["Choose the names of a source's fields."]
    if len(page.reason) > MAX_REASON:
        page.errors["reason"] = [f"At most {MAX_REASON:,} characters."]
    now, minted = datetime.now(UTC), minted_at(page.action_id)
    if minted is None or not now - FORM_LIFE < minted < now + CLOCKS_APART:
        page.action_id = new_action_id()
        page.errors[""] = ["The form was open for more than a day. Check it and submit it again."]
    if page.errors:
        page.status = 422
        return None
    return asked


def _draw_preview(page: Page, asked: Submission, by: Actor, dialect: Dialect) -> None:
    """The item, and for the strategy `sqs` the message, as they would be written now."""
    page.previewed = dialect.fingerprint
    intent = actions.intent_to_submit(
        asked, by=by, reason=page.reason, action_id=page.action_id, dialect=dialect
    )
    plan = actions.plan_submit(None, datetime.now(UTC), intent)
    sent = [{**message.body, "action_id": message.action_id} for message in plan.messages]
    labels = dict.fromkeys(source.label(dialect) for source in asked.config.sources)
    page.preview = {
        "item": pretty(plan.put or {}),
        "message": as_json(sent[0], indent="  ") if sent else "",
        "dialect": dialect.sentence(filter(None, labels)),
    }


def _submitted(page: Page, asked: Submission, by: Actor) -> str:
    """The id of the request made (now or by an earlier sending of the same form), "" when there is none."""
    like = page.like if page.original else ""
    try:
        done = actions.submit(
            asked,
            by=by,
            reason=page.reason,
            action_id=page.action_id,
            like=like,
            dialect=page.dialect or DOCUMENTED,
        )
    except IdempotencyMismatch as other:
        page.status, page.refusal = other.status, other.sentence
        _sent_before(page)
    except Refused as refused:
        page.status, page.refusal = refused.status, refused.sentence
    except OutcomeUnknown as unknown:
        page.status, page.refusal, page.again = unknown.status, unknown.sentence, True
    except DynamoError as problem:
        page.status, page.problem = problem.status, problem
    else:
        return done.entry.target.id
    return ""


def _sent_before(page: Page) -> None:
    """The form was sent, and then changed: link to what it created, and let it be sent as another request."""
    try:
        earlier = entries.read_entry(page.action_id, actions.target("").table)
    except DynamoError:
        earlier = None
    page.action_id = new_action_id()
    page.refusal = (
        "This form was submitted already. Submit it again to create another request with its current values."
    )
    if earlier and earlier.action is Action.REQUEST_SUBMIT:
        page.refusal_url = reverse("requests:item", args=[earlier.target.id])


def _answer(request: HttpRequest, page: Page) -> HttpResponse:
    projects, hints = _projects()
    types = [*(settings.REQUEST_TYPES if page.types is None else page.types)]
    if page.original and (kind := page.original.draft.texts["request_type"]) and kind not in types:
        types.append(kind)
    if not types:
        hints["request_type"] = "No type is known yet: set REQUEST_TYPES."
    context: dict[str, Any] = {
        "page": page,
        "form": SubmissionForm(
            page.draft, page.reason, types, page.errors, page.focus, hints, page.dialect or DOCUMENTED
        ),
        "projects": projects,
        "differences": clone.differences(page.original, page.draft) if page.original else (),
    }
    return render(request, "requests_app/new.html", context, status=page.status)


def _projects() -> tuple[Sequence[str], dict[str, str]]:
    """The projects to offer, and the hint that says what of them is missing."""
    try:
        found = choices.projects()
    except DynamoError as error:
        return (), {"project_id": f"The projects in use can't be read: {error.sentence}"}
    return found.values, {} if found.complete else {
        "project_id": f"Not every project in use is listed: {found.reason}"
    }
