"""Operations that change something: once per `Idempotency-Key`, with the item as it is now when refused."""

import inspect
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Body, Router, Schema
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opsportal.api.answers import answer, words
from opsportal.api.documents import OrNull
from opsportal.api.guards import caller_of
from opsportal.api.problems import ApiProblem, Away, Invalid, Wrong
from opsportal.console.access import requires
from opsportal.console.converters import quote_key
from opsportal.dynamo.attributes import plain, read_text
from opsportal.dynamo.tables import binding
from opsportal.operations import entries, resource_types
from opsportal.operations.changes import Raw
from opsportal.operations.entries import CONTROLS, MAX_REASON, Actor, Entry, is_action_id, new_action_id
from opsportal.operations.forms import ReasonedForm
from opsportal.operations.item_actions import ItemAction
from opsportal.operations.outcomes import ActionsOff, Done, IdempotencyMismatch, OutcomeUnknown, Refused
from opsportal.operations.pages import ItemActions
from opsportal.operations.tags import Action

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
MAX_KEY = 200
_KEY = re.compile(r"[!-~]+")
# Other text than a UUID becomes one: of whom it is from, so that two callers may use the same.
NAMESPACE = uuid.UUID("6f1c6f0a-6d0e-5c43-9a4e-0f6f7c1f2b51")

PARAMETER: dict[str, Any] = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": "Makes the effect happen once: sent again with the same content, the first answer comes back "
    f"with `{REPLAYED}: true`; with other content it is refused (422).",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
}
EXTRA: dict[str, Any] = {"parameters": [PARAMETER]}


def without_controls(value: str) -> str:
    if CONTROLS.search(value):
        raise ValueError("It must not hold control characters.")
    return value


Reason = Annotated[
    str,
    Field(
        max_length=MAX_REASON,
        description="Why. Recorded in the audit trail.",
        json_schema_extra={"pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f]*$"},
    ),
    AfterValidator(without_controls),
]


# A plain model: django-ninja's own takes any object, and does not see members that it forbids.
class ReasonIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Reason, OrNull()] = ""

    def data(self) -> dict[str, Any]:
        """What the action's plan gets besides the reason."""
        return self.model_dump(exclude={"reason"})

    def is_of(self, entry: Entry) -> bool:
        """Whether a replayed entry is of the same content, beyond the reason."""
        return True


def says_something(value: str) -> str:
    if not value.strip():
        raise ValueError("It must say why.")
    return without_controls(value).strip()


# A reason that must be given. Its field says how long it may be, and what it is.
Said = Annotated[
    str,
    Field(
        min_length=1,
        json_schema_extra={
            "pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f]*[^\s\u0000-\u001f\u007f]"
            r"[^\u0000-\u0008\u000b-\u001f\u007f]*$"
        },
    ),
    AfterValidator(says_something),
]


class FailIn(ReasonIn):
    """`reason` is written into the item, so there must be one."""

    reason: Said = Field(
        max_length=MAX_REASON,
        description="Why. Becomes the item's error, and is recorded in the audit trail.",
    )


class TargetOut(Schema):
    kind: str
    id: str


class EffectOut(Schema):
    """What was done. It says what was written, not what became of it since: a worker may overwrite it."""

    action_id: str = Field(description="Its entry in the audit trail.")
    action: str
    target: TargetOut
    status: str | None = Field(description="The status that was written.")
    by: str = Field(description="The caller's name at that time.")
    actor_id: str | None = Field(description="The caller's id, as in the audit trail.")
    at: str
    reason: str
    note: str | None = Field(
        description="What the audit entry notes, such as where a retry starts, and how many steps keep what they say "
        "where one change holds not all."
    )
    url: str = Field(description="The item's address.")


def action_id_of(request: HttpRequest, actor: Actor, kind: str) -> tuple[str, bool]:
    """The id that the effect is known by, and whether the caller chose it. `kind`: the logical table that it is
    on. Raises Invalid, `DynamoError`."""
    key = request.headers.get(HEADER)
    if key is None:
        return new_action_id(), False
    if len(key) > MAX_KEY or not _KEY.fullmatch(key):
        raise Invalid([Wrong("header", (HEADER,), f"1 to {MAX_KEY} visible ASCII characters.")])
    if is_action_id(key.lower()):
        return key.lower(), True
    # What was done before there were ids is found by the name, and is only taken for that.
    former = entries.read_entry(_named(actor.name, key), binding(kind))
    if former and not former.actor.id:
        return former.action_id, True
    return _named(actor.id, key), True


def _named(sender: str, key: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{sender}\n{key}"))


Run = Callable[[Actor, str], Done]
State = Callable[[Raw], dict[str, Any]]


def carry_out(
    request: HttpRequest,
    run: Run,
    *,
    kind: str,
    reason: str,
    state: State,
    same: Callable[[Entry], bool] = lambda entry: True,
) -> Done:
    """Run one action under the caller's name, on an item of the logical table `kind`. `same`: whether a replayed entry is of the same content, beyond
    the reason; `state`: what a refusal says of the item as it is now. Raises ApiProblem, `DynamoError`."""
    actor = caller_of(request).actor
    action_id, given = action_id_of(request, actor, kind)
    try:
        done = run(actor, action_id)
    except IdempotencyMismatch:
        raise reused() from None
    except ActionsOff as off:
        raise actions_off(off) from None
    except Refused as refused:
        if refused.field:
            raise Invalid([Wrong("body", (refused.field,), refused.sentence)], more=refused.more) from None
        current = state(refused.item) if refused.item is not None else None
        title = "There is no such item" if refused.status == 404 else "Its state does not allow this"
        raise ApiProblem(
            refused.status, title, refused.sentence, more={"action_id": action_id, "current": current}
        ) from None
    except OutcomeUnknown as unknown:
        raise Away(
            "It is not known whether this was done",
            f"{unknown.sentence} Send it with {HEADER}: {action_id}",
            {"action_id": action_id},
        ).problem from unknown
    if done.repeated and given and not (done.entry.reason == reason.strip() and same(done.entry)):
        raise reused()
    return done


def actions_off(off: ActionsOff) -> ApiProblem:
    return ApiProblem(off.status, "Actions are off", off.sentence)


def reused() -> ApiProblem:
    return Invalid([Wrong("header", (HEADER,), "This key was used for something else already.")])


def headers_of(done: Done) -> dict[str, str]:
    return {REPLAYED: "true"} if done.repeated else {}


def effect(done: Done, kind: str, url: str) -> dict[str, Any]:
    """See `EffectOut`. Of the audit entry alone, so that a replay says the same."""
    entry = done.entry
    subject = resource_types.of_logical(kind)
    names = subject.statuses if subject else ()
    status = next((entry.watch[name] for name in names if name in entry.watch), None)
    return {
        "action_id": entry.action_id,
        "action": entry.action.value,
        "target": {"kind": kind, "id": entry.target.id},
        "status": words(read_text(status) if status else None),
        "by": entry.actor.name,
        "actor_id": entry.actor.id or None,
        "at": entry.at,
        "reason": entry.reason,
        "note": entry.note or None,
        "url": url,
    }


def item_operations(
    router: Router,
    actions: ItemActions,
    *,
    state: State,
    bodies: Mapping[Action, type[ReasonIn]] | None = None,
) -> None:
    """An operation for each action that a scope allows, in the order of the tags. `bodies`: what is sent for it, where
    that is more than a reason; `state`: what a refusal shows of the item."""
    for action in _reached(actions):
        required = issubclass(action.form_class, ReasonedForm)
        body = (bodies or {}).get(action.tag, FailIn if required else ReasonIn)
        router.post(
            f"/{actions.logical}/{{key:{actions.parameter}}}/{action.tag.verb}",
            response=EffectOut,
            openapi_extra=EXTRA,
            summary=action.summary,
        )(_operation(actions, action, state, body, required))


def _reached(actions: ItemActions) -> list[ItemAction]:
    tags = list(Action)
    return sorted((one for one in actions.actions if one.scope), key=lambda one: tags.index(one.tag))


def _operation(
    actions: ItemActions, action: ItemAction, state: State, body_class: type[ReasonIn], required: bool
) -> Callable[..., HttpResponse]:
    def operation(request: HttpRequest, body: ReasonIn, **path: str) -> HttpResponse:
        key = path[actions.parameter]
        data = body.data() | ({"without_image": True} if action.undone else {})
        done = carry_out(
            request,
            lambda by, action_id: action.act(key, by=by, reason=body.reason, action_id=action_id, **data),
            kind=actions.logical,
            reason=body.reason,
            state=state,
            same=body.is_of,
        )
        return answer(effect(done, actions.logical, url_of(actions, key)), headers=headers_of(done))

    # What django-ninja reads: the address has its own name for the key, and each action its own body.
    keyword = inspect.Parameter.KEYWORD_ONLY
    default = inspect.Parameter.empty if required else body_class()
    operation.__name__ = f"{action.tag.verb}_{action.tag.subject}"
    operation.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=HttpRequest),
            inspect.Parameter(actions.parameter, keyword, annotation=str),
            inspect.Parameter("body", keyword, annotation=Body[body_class], default=default),  # type: ignore[misc, valid-type]
        ]
    )
    return requires(action.permission)(operation)


def item_links(actions: ItemActions, pointer: str, *reads: str) -> dict[str, Any]:
    """OpenAPI's links from an answer that holds an item's key at `pointer` to the operations on it: `reads`, and those
    of the actions."""
    names = [*reads, *(f"{one.tag.verb}_{one.tag.subject}" for one in _reached(actions))]
    return {name: {"operationId": name, "parameters": {actions.parameter: pointer}} for name in names}


def url_of(actions: ItemActions, key: str) -> str:
    """Where the item is in the API."""
    return f"/api/{actions.logical}/{quote_key(key)}"


def current_of(*names: str) -> State:
    """The values of these attributes, of what a refusal shows."""
    return lambda raw: {name: plain(raw[name]) if name in raw else None for name in names}
