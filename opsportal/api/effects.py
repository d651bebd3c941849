"""Operations that change something: once per `Idempotency-Key`, with the item as it is now when refused."""

import re
import uuid
from collections.abc import Callable
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Schema
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opsportal.api.answers import answer, words
from opsportal.api.guards import caller_of
from opsportal.api.problems import ApiProblem, Away, Invalid, Wrong
from opsportal.dynamo.attributes import plain, read_text
from opsportal.dynamo.tables import binding
from opsportal.operations import entries
from opsportal.operations.changes import Raw
from opsportal.operations.entries import CONTROLS, MOST_REASON, Actor, Entry, is_action_id, new_action_id
from opsportal.operations.outcomes import Done, OtherIntent, Refused, Unknown

HEADER, REPLAYED = "Idempotency-Key", "Idempotency-Replayed"
MOST_KEY = 200
_KEY = re.compile(r"[!-~]+")
# Other text than a UUID becomes one: of whom it is from, so that two callers may use the same.
NAMESPACE = uuid.UUID("6f1c6f0a-6d0e-5c43-9a4e-0f6f7c1f2b51")

PARAMETER: dict[str, Any] = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": "Makes the effect happen once: sent again with the same content, the first answer comes back "
    f"with `{REPLAYED}: true`; with other content it is refused (422).",
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_KEY, "pattern": "^[!-~]+$"},
}
EXTRA: dict[str, Any] = {"parameters": [PARAMETER]}


def _without_controls(value: str) -> str:
    if CONTROLS.search(value):
        raise ValueError("It must not hold control characters.")
    return value


Reason = Annotated[
    str,
    Field(
        max_length=MOST_REASON,
        description="Why; it stands in the audit trail.",
        json_schema_extra={"pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f]*$"},
    ),
    AfterValidator(_without_controls),
]


# A plain model: django-ninja's own takes any object, and does not see members that it forbids.
class ReasonIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason = ""


NO_REASON = ReasonIn()


def _says_something(value: str) -> str:
    if not value.strip():
        raise ValueError("It must say why.")
    return value.strip()


class FailIn(BaseModel):
    """`reason` is written into the item, so there must be one."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MOST_REASON,
            description="Why; it becomes the item's error, and stands in the audit trail.",
            json_schema_extra={
                "pattern": r"^[^\u0000-\u0008\u000b-\u001f\u007f]*[^\s\u0000-\u001f\u007f][^\u0000-\u0008\u000b-\u001f\u007f]*$"
            },
        ),
        AfterValidator(_without_controls),
        AfterValidator(_says_something),
    ]


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
    url: str = Field(description="Where the item is.")


def action_id_of(request: HttpRequest, actor: Actor, kind: str) -> tuple[str, bool]:
    """The id that the effect is known by, and whether the caller chose it. `kind`: the logical table that it is
    on. Raises Invalid, `DynamoError`."""
    key = request.headers.get(HEADER)
    if key is None:
        return new_action_id(), False
    if len(key) > MOST_KEY or not _KEY.fullmatch(key):
        raise Invalid([Wrong("header", (HEADER,), f"1 to {MOST_KEY} visible ASCII characters.")])
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
    except OtherIntent:
        raise reused() from None
    except Refused as refused:
        current = state(refused.item) if refused.item is not None else None
        title = "There is no such item" if refused.status == 404 else "Its state does not allow this"
        raise ApiProblem(
            refused.status, title, refused.sentence, more={"action_id": action_id, "current": current}
        ) from None
    except Unknown as unknown:
        raise Away(
            "It is not known whether this was done",
            f"{unknown.sentence} Send it with {HEADER}: {action_id}",
            {"action_id": action_id},
        ).problem from unknown
    if done.repeated and given and not (done.entry.reason == reason.strip() and same(done.entry)):
        raise reused()
    return done


def reused() -> ApiProblem:
    return Invalid([Wrong("header", (HEADER,), "This key was used for something else already.")])


def headers_of(done: Done) -> dict[str, str]:
    return {REPLAYED: "true"} if done.repeated else {}


def effect(done: Done, kind: str, url: str) -> dict[str, Any]:
    """See `EffectOut`. Of the audit entry alone, so that a replay says the same."""
    entry = done.entry
    names = ("status", "overallStatus", "deployment_status")
    status = next((entry.watch[name] for name in names if name in entry.watch), None)
    return {
        "action_id": entry.action_id,
        "action": entry.action.value,
        "target": {"kind": kind, "id": entry.target.key},
        "status": words(read_text(status) if status else None),
        "by": entry.actor.name,
        "actor_id": entry.actor.id or None,
        "at": entry.at,
        "reason": entry.reason,
        "note": entry.note or None,
        "url": url,
    }


def answered(
    request: HttpRequest,
    run: Run,
    *,
    kind: str,
    url: str,
    reason: str,
    state: State,
    same: Callable[[Entry], bool] = lambda entry: True,
) -> HttpResponse:
    """Carry out one action on the item at `url`, as `carry_out` does, and answer an `EffectOut`."""
    done = carry_out(request, run, kind=kind, reason=reason, state=state, same=same)
    return answer(effect(done, kind, url), headers=headers_of(done))


def current_of(*names: str) -> State:
    """The values of these attributes, of what a refusal shows."""
    return lambda raw: {name: plain(raw[name]) if name in raw else None for name in names}
