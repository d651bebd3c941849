"""A new request: what may be asked for, and the item that it becomes.

One model validates what a form or a JSON body asks for, in the shape of the item (seed 002 of docs/data.md). Status, times,
progress and metadata are the console's to make.
"""

import hashlib
import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from opsportal.dynamo.attributes import Typed, raw_text, typed
from opsportal.dynamo.dialects import MAX_ITEM_BYTES
from opsportal.operations.changes import NULL, Raw, number, text
from opsportal.operations.entries import Actor
from requests_app import typed_json
from requests_app.dialects import DOCUMENTED, DOCUMENTED_NAMES, Dialect, own_id
from requests_app.fields import (
    MAX_KEYWORDS,
    MAX_SOURCES,
    Address,
    BatchSize,
    CustomParams,
    ExtractionMode,
    Keyword,
    Line,
    Priority,
    RequestType,
    Retries,
    Share,
    Strategy,
)
from requests_app.models import IntelligenceRequest
from requests_app.source_shapes import DOCUMENTED as DOCUMENTED_SHAPE
from requests_app.source_shapes import Role, SourceShape


class _Part(BaseModel):
    # What is not known would be lost in silence.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Given(NamedTuple):
    """The text of a form for a value of that kind: "S", "N", "BOOL", or "json" for DynamoDB's JSON."""

    kind: str
    text: str


def _typed(value: Any) -> Typed:
    if not isinstance(value, Given):
        return value if isinstance(value, dict) else {}
    try:
        if value.kind == "json":
            return typed_json.read(value.text)
        if value.kind == "BOOL":
            return {"BOOL": {"true": True, "false": False}[value.text.strip().lower()]}
        if value.kind == "N":
            return typed_json.checked({"N": value.text.strip()})
        return typed_json.checked({"S": value.text})
    except KeyError as error:
        raise PydanticCustomError("boolean", "It must be true or false.") from error
    except ValueError as error:
        raise PydanticCustomError("typed", "{why}", {"why": str(error)}) from error


def _bounded(values: dict[str, Typed]) -> dict[str, Typed]:
    for name in values:
        if not 0 < len(name) <= MAX_NAME:
            raise _wrong(name, f"Its name needs 1 to {MAX_NAME:,} characters.")
    size = len(raw_text({"M": values}).encode(errors="replace"))
    if size > typed_json.MAX_BYTES:
        raise PydanticCustomError(
            "size", "At most {most} bytes; there are {size}.", {"most": typed_json.MAX_BYTES, "size": size}
        )
    return values


def _wrong(name: str, sentence: str) -> ValidationError:
    """About one member of a mapping."""
    wrong = PydanticCustomError("extra", "{sentence}", {"sentence": sentence})
    return ValidationError.from_exception_data(
        "extra", [{"type": wrong, "loc": (name,), "input": None}], hide_input=True
    )


# Characters of the name of an attribute that the documents do not name.
MAX_NAME = 1_000
Extras = Annotated[dict[str, Annotated[dict[str, Any], BeforeValidator(_typed)]], AfterValidator(_bounded)]


def _undocumented(values: dict[str, Typed]) -> dict[str, Typed]:
    """None of them is the console's or the workers' to write."""
    table = IntelligenceRequest.binding()
    for name in values:
        if name in DOCUMENTED_NAMES or name in (table.key, table.ttl_attribute):
            raise _wrong(name, f"{name} can't be sent as an extra attribute.")
    return values


def _undocumented_config(values: dict[str, Typed]) -> dict[str, Typed]:
    """None of them takes the place of one that has bounds."""
    for name in values:
        if name in ConfigPart.model_fields or name == "sources":
            raise _wrong(name, f"{name} can't be sent as an extra attribute.")
    return values


class Source(_Part):
    """Where a worker looks. `fields`: the shape of its own that it has, else the dialect's; `sent`: a program chose
    that shape, and the dialect's names are written beside it. `more`: its further members; `whole`: a source as
    it was in another request, which has no such parts."""

    # Of a part that is missing, too, its shape decides.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    shape: SourceShape | None = None
    whole: dict[str, Any] | None = None
    name: Line | None = None
    base_url: Address | None = None
    source_type: Line | None = None
    sent: bool = False
    more: dict[str, Any] = {}

    @field_validator("name", "base_url", "source_type", mode="wrap")
    @classmethod
    def _needed(cls, value: Any, handler: Any, info: ValidationInfo) -> Any:
        if value is not None and (not isinstance(value, str) or value.strip()):
            return handler(value)
        shape = info.data.get("shape")
        if info.data.get("whole") is None and (shape is None or shape.has(ROLES[str(info.field_name)])):
            raise PydanticCustomError("missing", "This is needed.")
        return None

    def label(self, dialect: Dialect) -> str:
        return "" if self.whole is not None else (self.shape or dialect.shape or DOCUMENTED_SHAPE).label

    @property
    def values(self) -> dict[Role, str]:
        return {role: getattr(self, name) or "" for name, role in ROLES.items()}

    def typed(self, dialect: Dialect) -> Typed:
        if self.whole is not None:
            return self.whole
        written = (self.shape or dialect.shape or DOCUMENTED_SHAPE).written(self.values)
        if self.sent and dialect.shape and dialect.origin != "empty":
            written = {**dialect.shape.written(self.values), **written}
        return {"M": {**written, **self.more}}


ROLES: dict[str, Role] = {"name": "name", "base_url": "address", "source_type": "type"}


class ConfigPart(_Part):
    """`config` of the item without its sources, with the bounds of docs/data.md#request-lifecycle."""

    keywords: list[Keyword] = Field(min_length=1, max_length=MAX_KEYWORDS)
    extraction_mode: ExtractionMode
    quality_threshold: Share
    batch_size: BatchSize
    max_retries: Retries
    custom_params: CustomParams = Field(default_factory=dict)


class Config(ConfigPart):
    """`more`: members that the documents do not name, typed."""

    sources: list[Source] = Field(min_length=1, max_length=MAX_SOURCES)
    more: Annotated[Extras, AfterValidator(_undocumented_config)] = {}

    def typed(self, dialect: Dialect = DOCUMENTED) -> Typed:
        return {
            "M": {
                "keywords": {"L": [text(keyword) for keyword in self.keywords]},
                "sources": {"L": [source.typed(dialect) for source in self.sources]},
                "extraction_mode": text(self.extraction_mode),
                "quality_threshold": number(self.quality_threshold),
                "batch_size": number(self.batch_size),
                "max_retries": number(self.max_retries),
                "custom_params": typed(self.custom_params),
                **self.more,
            }
        }


class SubmissionPart(_Part):
    project_id: Line
    user_id: Line
    request_type: RequestType
    priority: Priority
    processing_strategy: Strategy


class Submission(SubmissionPart):
    """What a person or a program asks for. Validate it with `read`. `extra`: attributes that the documents do not
    name, typed."""

    config: Config
    extra: Annotated[Extras, AfterValidator(_undocumented)] = {}

    @model_validator(mode="after")
    def _storable(self) -> Self:
        # JSON is somewhat more than DynamoDB counts, and the console's own attributes add a little.
        size = len(raw_text({"M": self.asked()}).encode(errors="replace"))
        if size > MAX_ITEM_BYTES:
            raise PydanticCustomError(
                "size",
                "The whole request has {size} bytes; DynamoDB holds {most}.",
                {"size": size, "most": MAX_ITEM_BYTES},
            )
        return self

    def asked(self, dialect: Dialect = DOCUMENTED) -> Raw:
        """The attributes that were asked for, as the item has them."""
        names = SubmissionPart.model_fields
        texts = {name: text(getattr(self, name)) for name in names}
        return {**self.extra, **texts, "config": self.config.typed(dialect)}

    def request_id(self, action_id: str, milliseconds: int | None = None) -> str:
        """``req_<epoch ms>_<8 hex>``: the time is that of the action_id, the digits are of it and of what is
        asked for. So a form sent twice is one request, and one that was changed meanwhile is another.

        `milliseconds`: the time, where the action_id is another's. Without it, ValueError for an action_id
        that `new_action_id` has not made.
        """
        if milliseconds is None:
            if minted_at(action_id) is None:
                raise ValueError("This action_id holds no time.")
            milliseconds = _milliseconds(action_id)
        # Not of the dialect, which may be another when the form is sent again.
        digest = hashlib.sha256(f"{action_id}\n{raw_text({'M': self.asked()})}".encode()).hexdigest()
        return own_id(milliseconds, digest)

    def item(
        self,
        *,
        by: Actor,
        action_id: str,
        now: datetime,
        milliseconds: int | None = None,
        dialect: Dialect = DOCUMENTED,
    ) -> Raw:
        """The whole item, pending, as it is written at `now`. `milliseconds`: see `request_id`."""
        moment = dialect.stamps.written(now)
        entry: Typed = {
            "M": {
                "timestamp": moment,
                "old_status": NULL,
                "new_status": text("pending"),
                "message": text(f"Submitted by {by.name}"),
            }
        }
        return {
            **dialect.new_ids(action_id),
            **IntelligenceRequest.binding().key_of(self.request_id(action_id, milliseconds)).wire,
            **self.asked(dialect),
            "status": text("pending"),
            "status_message": NULL,
            "created_at": moment,
            "updated_at": moment,
            "started_at": NULL,
            "completed_at": NULL,
            "results": NULL,
            **dialect.start(now),
            "processing_metadata": {"M": {"submitted_by": text(by.name), "status_history": {"L": [entry]}}},
        }


def read(data: Any, types: Iterable[str] | None = None) -> Submission:
    """The submission that `data` (texts of a form, or JSON) asks for. `types`: the types of request that are
    known, None when that could not be found out. Raises pydantic's ValidationError, see `problems`."""
    return Submission.model_validate(data, context={"types": None if types is None else frozenset(types)})


@dataclass(frozen=True)
class Problem:
    """What is wrong with one value, in a sentence. `loc` leads to it: ("config", "keywords", 2)."""

    loc: tuple[str | int, ...]
    sentence: str


# pydantic's words are about types; these are for the person who fills in a form.
_SENTENCES = {
    "missing": "This is needed.",
    "string_too_short": "This is needed.",
    "string_too_long": "At most {max_length} characters.",
    "string_unicode": "It must be Unicode text.",
    "greater_than_equal": "At least {ge}.",
    "less_than_equal": "At most {le}.",
    "too_short": "Add at least one.",
    "too_long": "At most {max_length}; there are {actual_length}.",
    "extra_forbidden": "There is no such field.",
    **dict.fromkeys(
        ("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "Enter a whole number."
    ),
    **dict.fromkeys(("decimal_type", "decimal_parsing", "finite_number"), "Enter a number."),
}


def problems(error: ValidationError) -> list[Problem]:
    """Every problem that validation found, in the order of the model."""
    found = []
    for one in error.errors(include_url=False, include_input=False):
        template = _SENTENCES.get(one["type"])
        found.append(Problem(one["loc"], template.format_map(one.get("ctx", {})) if template else one["msg"]))
    return found


# --- The action_id of a submission -----------------------------------------------------------------------


def new_action_id() -> str:
    """A UUID of version 7 (RFC 9562): the time in it becomes that of the request's id."""
    value = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return str(uuid.UUID(int=value))


def _milliseconds(action_id: str) -> int:
    return uuid.UUID(action_id).int >> 80


def minted_at(action_id: str) -> datetime | None:
    """When `new_action_id` made it; None for any other text."""
    try:
        known = uuid.UUID(action_id)
        if known.version == 7 and str(known) == action_id:
            return datetime.fromtimestamp(_milliseconds(action_id) / 1000, UTC)
    except (ValueError, OverflowError):
        pass
    return None
