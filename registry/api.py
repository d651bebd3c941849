"""The API of agents: what agents of the discovery service speak (docs/data.md#registry-items), and one agent.

Errors have the sentence under `error` too, where those agents look for it (see `opsportal.api.problems`).
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Body, Query, Router, Schema
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from opsportal.api import effects
from opsportal.api.answers import JSON, answer, now_text, number, time_text, words
from opsportal.api.guards import caller_of
from opsportal.api.lists import FilterText
from opsportal.api.problems import ApiProblem, Away, Invalid, Wrong
from opsportal.console.access import requires
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.json_values import as_decimal, as_json
from opsportal.exports.api import CONTENT, FileQuery, answer_file
from opsportal.operations.outcomes import ActionsOff, Conflict, NotFound, OutcomeUnknown
from registry import actions, dialects, discovery, heartbeats, queries, registration
from registry.action_views import ACTIONS
from registry.exported import EXPORT
from registry.models import DEFAULT_SCORE
from registry.profile import HEARTBEAT, UPDATED
from registry.registration import DECIDED, AgentId, Announcement, RegisterIn, announced_by

router = Router(tags=["Agents"])

STATE = effects.current_of("status", "deployment_status", UPDATED, *HEARTBEAT)
AGENT: dict[str, Any] = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}},
    "description": "The id, and every attribute of the item: JSON text as the document that it holds, "
    "sets as lists, times as they are written (milliseconds).",
}


MAX_BOUND = 10**15


def _as_sent(value: Any) -> Any:
    """Empty text is none, and what Python alone reads as a number, such as 1_0, is not one."""
    if value == "":
        return None
    if isinstance(value, str) and as_decimal(value.strip()) is None:
        raise ValueError("A number is needed.")
    return value


def _finite(value: Decimal | None) -> Decimal | None:
    # As JSON, in which it is answered, has no larger ones.
    # Compared, never calculated with: of 1E+999999999 the absolute value is an error of arithmetic.
    if value is not None and not (value.is_finite() and -MAX_BOUND <= value <= MAX_BOUND):
        raise ValueError("A number of at most 1e15 is needed.")
    return value


Bound = Annotated[
    Decimal | None,
    BeforeValidator(_as_sent),
    AfterValidator(_finite),
    # As agents send what they do not ask for: `minReputation=`.
    Field(
        json_schema_extra=lambda schema: schema.update(
            anyOf=[
                {"type": "number", "minimum": -MAX_BOUND, "maximum": MAX_BOUND},
                {"type": "string", "maxLength": 0},
            ]
        )
    ),
]


class DiscoveryQuery(FileQuery):
    capability: FilterText = Field("", description="Only active agents that offer it.")
    min_reputation: Bound = Field(None, alias="minReputation")
    tier: FilterText = Field("", description="Only agents with a free slot in that tier.")
    max_response_ms: Bound = Field(
        None,
        alias="maxResponseTime",
        description="Milliseconds: only agents that declare no longer a response, in `tier` where it is given.",
    )


class CacheOut(Schema):
    age_seconds: float = Field(
        description="How old the answer is. Never older than the last write through the console."
    )


class DiscoveryOut(Schema):
    success: Literal[True]
    count: int
    agents: list[Annotated[dict[str, Any], Field(json_schema_extra=AGENT)]] = Field(
        description="Best reputation first."
    )
    filters: dict[str, Any]
    timestamp: str
    cache: CacheOut


@router.get(
    "/agents",
    response=DiscoveryOut,
    openapi_extra={
        "responses": {
            200: {
                "content": CONTENT,
                "headers": {"Age": {"schema": {"type": "integer"}, "required": True}},
                "links": effects.item_links(ACTIONS, "$response.body#/agents/0/id", "get_agent"),
            }
        }
    },
    summary="Discover agents",
)
@requires("registry.view_agents")
def discover_agents(request: HttpRequest, query: Query[DiscoveryQuery]) -> HttpResponseBase:
    """A file has the whole registry, whatever the state of an agent."""
    query.only_known_in(request)
    asked = (name for name, value in request.GET.items() if value and name not in ("format", "columns"))
    if query.format != "json" and (given := list(asked)):
        sentence = "A file has all agents: leave it out."
        raise Invalid([Wrong("query", (name,), sentence) for name in given], status=400)
    if file := answer_file(request, query, EXPORT):
        return file
    found = discovery.discover(
        discovery.Wanted(query.capability, query.min_reputation, query.tier, query.max_response_ms)
    )
    filters = {
        "capability": query.capability or None,
        "minReputation": query.min_reputation,
        "tier": query.tier or None,
        "maxResponseTime": query.max_response_ms,
    }
    head = as_json({"success": True, "count": len(found.rendered)})
    tail = as_json(
        {"filters": filters, "timestamp": now_text(), "cache": {"age_seconds": round(found.age, 3)}}
    )
    # Rendered when the registry was read: a thousand agents are a megabyte of JSON.
    body = b'%s, "agents": [%s], %s' % (head[:-1].encode(), b", ".join(found.rendered), tail[1:].encode())
    return HttpResponse(body, content_type=JSON, headers={"Age": str(int(found.age))})


# --- Register ----------------------------------------------------------------------------------------------------


class RegisterOut(Schema):
    success: Literal[True]
    message: str
    agent: Annotated[dict[str, Any], Field(json_schema_extra=AGENT)] = Field(
        description="As it was registered."
    )


@router.post(
    "/agents/register",
    response={201: RegisterOut},
    openapi_extra={
        **effects.EXTRA,
        "responses": {
            201: {
                "headers": {"Location": {"schema": {"type": "string"}, "required": True}},
                "links": {
                    **effects.item_links(ACTIONS, "$response.body#/agent/id", "get_agent"),
                    "send_heartbeat": {
                        "operationId": "send_heartbeat",
                        "requestBody": {"id": "$response.body#/agent/id"},
                    },
                },
            }
        },
    },
    summary="Register an agent, or register it again",
)
@requires("registry.register_agents")
def register_agent(request: HttpRequest, body: Body[RegisterIn]) -> HttpResponse:
    announced = announced_by(body.profile)
    dialect = dialects.current()
    if missing := dialect.missing(announced.others):
        raise Invalid(
            Wrong("body", ("profile", name), "This is needed: the setting AGENT_DIALECT requires it.")
            for name in missing
        )
    try:
        done = effects.carry_out(
            request,
            lambda by, action_id: registration.register(
                announced, by=by, reason="", action_id=action_id, dialect=dialect
            ),
            kind="agents",
            reason="",
            state=STATE,
            same=announced.is_of,
        )
    except ApiProblem as problem:
        if problem.status == 409 and not settings.ACTIONS_OFF:  # no state forbids it
            raise _busy(problem.detail, problem.more) from None
        raise
    moment = done.entry.time
    stamp = int(actions.MILLISECONDS.written(moment)["N"]) if isinstance(moment, datetime) else None
    agent = {
        **body.profile.model_dump(exclude=set(DECIDED) - {"id"}, exclude_unset=True),
        **_kept(announced, stamp),
        "status": actions.ACTIVE,
        "lastHeartbeat": stamp,
        "updatedAt": stamp,
    }
    return answer(
        {"success": True, "message": f"Agent {announced.agent_id} registered", "agent": agent},
        201,
        {"Location": effects.url_of(ACTIONS, announced.agent_id), **effects.headers_of(done)},
    )


def _kept(announced: Announcement, stamp: int | None) -> dict[str, Any]:
    """What the registry keeps of the agent, and discovery services answer: as it is now, where it can be read."""
    try:
        agent = queries.agent(announced.agent_id)
    except DynamoError:
        agent = None
    if agent is None:
        return {
            "type": announced.texts.get("type") or "dynamic",
            "registeredAt": stamp,
            "reputationScore": DEFAULT_SCORE,
        }
    since = agent.registered_at
    return {
        "type": words(agent.declared_type),
        "registeredAt": int(actions.MILLISECONDS.written(since)["N"])
        if isinstance(since, datetime)
        else stamp,
        "reputationScore": number(agent.reputation),
    }


def _busy(sentence: str, more: Mapping[str, Any]) -> ApiProblem:
    return ApiProblem(503, "Others are writing it", sentence, headers={"Retry-After": "1"}, more=more)


# --- Heartbeat -----------------------------------------------------------------------------------------------------


class HeartbeatIn(BaseModel):
    model_config = ConfigDict(extra="ignore", json_schema_extra={"required": ["id"]})

    id: AgentId = ""


class HeartbeatOut(Schema):
    success: Literal[True]
    message: str
    id: str
    type: str | None
    status: str | None = Field(description="What is declared: an inactive agent stays so.")
    timestamp: str


@router.post("/agents/heartbeat", response=HeartbeatOut, summary="Send a heartbeat")
@requires("registry.register_agents")
def send_heartbeat(request: HttpRequest, body: Body[HeartbeatIn]) -> HttpResponse:
    if not body.id:
        raise Invalid([Wrong("body", ("id",), "This is needed.")], status=400)
    try:
        agent = heartbeats.heartbeat(body.id, by=caller_of(request).actor)
    except NotFound as missing:
        raise ApiProblem(404, "There is no such item", missing.sentence) from None
    except ActionsOff as off:
        raise effects.actions_off(off) from None
    except Conflict as conflict:
        raise _busy(conflict.sentence, {}) from None
    except OutcomeUnknown as unknown:
        raise Away(
            "It is not known whether this was done", f"{unknown.sentence} Send the heartbeat again."
        ).problem from unknown
    return answer(
        {
            "success": True,
            "message": "Heartbeat received",
            "id": body.id,
            "type": words(agent.declared_type),
            "status": words(agent.declared_status),
            "timestamp": now_text(),
        }
    )


# --- One agent -----------------------------------------------------------------------------------------------------


class AgentOut(Schema):
    success: Literal[True]
    agent: Annotated[dict[str, Any], Field(json_schema_extra=AGENT)]
    url: str
    health: Literal["healthy", "degraded", "offline", "unknown"] = Field(
        description="Derived from the heartbeat's age, never from what is declared."
    )
    heartbeat_at: str | None
    contradiction: str = Field(description="Where declared and observed state disagree, in a sentence.")


@router.get("/agents/{key:agent_id}", response=AgentOut, summary="One agent")
@requires("registry.view_agents")
def get_agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    agent = queries.agent(agent_id)
    if agent is None:
        raise ApiProblem(404, "There is no such item", actions.GONE)
    return answer(
        {
            "success": True,
            "agent": discovery.document(agent),
            "url": effects.url_of(ACTIONS, agent_id),
            "health": agent.health,
            "heartbeat_at": time_text(agent.heartbeat),
            "contradiction": agent.contradiction,
        }
    )


effects.item_operations(router, ACTIONS, state=STATE)
