"""What an agent sends to be registered, and whether it can be: in the bounds of the console's own form."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opsportal import patterns
from opsportal.api.documents import ATTRIBUTES, MEMBERS
from opsportal.api.problems import Invalid, Wrong
from registry import actions, documents
from registry.announcements import DECIDED, MOST_NAME, MOST_OTHERS, Announcement
from registry.forms import MOST_KEY, wrong_with
from registry.profile import FIELDS, MOST_LINES, settled

# Of `profile.FIELDS`, as the items and the agents spell them.
NAMES = {
    "tieredPricing": "tiered_pricing",
    "serviceAvailability": "service_availability",
}


def _key(value: str) -> str:
    if len(value.encode(errors="replace")) > MOST_KEY:
        raise ValueError(f"At most {MOST_KEY:,} bytes.")
    if any(ord(character) < 32 for character in value):
        raise ValueError("It must not hold control characters.")
    return value


AgentId = Annotated[
    str,
    Field(
        max_length=MOST_KEY,
        json_schema_extra={"minLength": 1, "pattern": r"^[^\u0000-\u001f]*$"},
    ),
    AfterValidator(_key),
]


def _like(pattern: str, otherwise: str = "It must not hold control characters.") -> Any:
    """Text of that pattern; empty text says nothing, and what is needed is looked for elsewhere."""

    def check(value: str) -> str:
        if value.strip() and not patterns.whole(pattern, value):
            raise ValueError(otherwise)
        return value

    return AfterValidator(check)


def _text(name: str, pattern: str = patterns.SIMPLE, **more: Any) -> Any:
    """The default and the description of one of `profile.FIELDS`, in the bounds of the console's own form."""
    return Field(
        "",
        max_length=FIELDS[name].most,
        json_schema_extra={"pattern": pattern, **more.pop("extra", {})},
        **more,
    )


def _document(name: str) -> Any:
    return Field(
        None,
        description=f"At most {FIELDS[name].most:,} characters as JSON.",
        json_schema_extra={**ATTRIBUTES},
    )


Simple = Annotated[str, _like(patterns.SIMPLE)]
Endpoint = Annotated[
    str, _like(patterns.OPEN_ADDRESS, "This is no http or https address: https://agent.example.com/path.")
]
Texts = Annotated[
    list[
        Annotated[
            str,
            Field(max_length=FIELDS["tags"].most, json_schema_extra={"pattern": patterns.SIMPLE}),
            _like(patterns.SIMPLE),
        ]
    ],
    Field(max_length=MOST_LINES),
]
Document = dict[str, Any] | None


class ProfileIn(BaseModel):
    """What an agent says of itself. Further members are kept as attributes, but for those that a registry
    decides (status, reputation, stamps ...), which are ignored."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "required": ["id", "endpoint"],
            "propertyNames": {"minLength": 1, "maxLength": MOST_NAME},
            "additionalProperties": MEMBERS,
        },
    )

    id: AgentId = ""
    endpoint: Endpoint = _text(
        "endpoint",
        patterns.OPEN_ADDRESS,
        description="http or https, without user and password.",
        extra={"minLength": 1},
    )
    name: Simple = _text("name", description="The id, where it is missing.")
    capabilities: Texts = []
    tags: Texts = []
    type: Simple = _text("type", description="core or dynamic.")
    protocol: Simple = _text("protocol")
    role: Simple = _text("role")
    location: Simple = _text("location")
    emoji: Simple = _text("emoji")
    description: Annotated[str, _like(patterns.SIMPLE_LINES)] = _text("description", patterns.SIMPLE_LINES)
    pricing: Document = _document("pricing")
    tieredPricing: Document = _document("tiered_pricing")  # noqa: N815 (as agents spell it)
    serviceAvailability: Document = _document("service_availability")  # noqa: N815


class RegisterIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    profile: ProfileIn
    signature: str | None = Field(None, description="Accepted for the agents that send it; not verified.")


def announced_by(profile: ProfileIn) -> Announcement:
    """What the profile says, in the bounds of the console's own form. Raises Invalid."""
    needed = [
        Wrong("body", ("profile", name), "This is needed.")
        for name in ("id", "endpoint")
        if not getattr(profile, name).strip()
    ]
    if needed:
        # As agents of the discovery service know it.
        raise Invalid(needed, status=400)
    texts: dict[str, str] = {}
    wrong = []
    sent = profile.model_dump(exclude_unset=True, exclude={"id"})
    others = {
        name: sent[name]
        for name in (profile.model_extra or {})
        if name not in DECIDED and name != actions.target("").table.key
    }
    for name, value in sent.items():
        field = FIELDS.get(NAMES.get(name, name))
        if field is None or name in others or value is None:
            continue
        given = settled(_as_text(value), field)
        if name == "name" and not given:
            continue
        if (given or name == "endpoint") and (sentence := wrong_with(field, given)):
            wrong.append(Wrong("body", ("profile", name), sentence))
        texts[field.name] = given
    wrong += _wrong_others(others)
    if wrong:
        raise Invalid(wrong)
    return Announcement(profile.id, texts, others)


def _as_text(value: Any) -> str:
    if isinstance(value, list):
        # A line break in one would make two of it.
        return "\n".join(" ".join(member.split()) for member in value)
    return documents.spell(value) if isinstance(value, dict) else str(value)


def _wrong_others(others: Mapping[str, Any]) -> list[Wrong]:
    if len(others) > MOST_OTHERS:
        return [
            Wrong("body", ("profile",), f"At most {MOST_OTHERS} further members; there are {len(others)}.")
        ]
    wrong = []
    for name, value in others.items():
        if not 0 < len(name) <= MOST_NAME:
            wrong.append(
                Wrong("body", ("profile", name[:60]), f"Its name needs 1 to {MOST_NAME} characters.")
            )
            continue
        try:
            documents.check(value)
        except ValueError as error:
            wrong.append(Wrong("body", ("profile", name), str(error)))
    return wrong
