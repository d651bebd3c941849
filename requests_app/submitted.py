"""What a program sends to submit a request, in the bounds of the console's form."""

from typing import Annotated, Any

from django.conf import settings
from ninja import Schema
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from opsportal import patterns
from opsportal.api.documents import ATTRIBUTES, OrNull
from opsportal.api.effects import Reason
from opsportal.api.problems import Invalid, Wrong
from opsportal.dynamo.attributes import typed
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.json_values import MAX_LEVELS
from requests_app import choices, submission
from requests_app.dialects import Dialect
from requests_app.fields import (
    MAX_CHARACTERS,
    MAX_SOURCES,
    Address,
    BatchSize,
    CustomParams,
    Line,
    Retries,
    Share,
)
from requests_app.source_shapes import SourceShape
from requests_app.submission import ConfigPart, Submission, SubmissionPart


def _no_text(value: Any) -> Any:
    """Forms have text for everything, JSON has numbers and objects."""
    if isinstance(value, str):
        raise PydanticCustomError("text", "It must not be a string.")
    return value


def _share(value: Any) -> Any:
    if isinstance(value, str) and not patterns.whole(patterns.SHARE, value):
        raise PydanticCustomError("share", "0 to 1, with at most six decimals.")
    return value


NoText = BeforeValidator(_no_text)


def _one_of_each(schema: dict[str, Any]) -> None:
    for name in ("base_url", "source_type", "url", "type"):
        schema["properties"][name].pop("default")
    schema["allOf"] = [
        {"oneOf": [{"required": ["base_url"]}, {"required": ["url"]}]},
        {"oneOf": [{"required": ["source_type"]}, {"required": ["type"]}]},
    ]


class SourceIn(Schema):
    """Where a worker looks, in either of the forms that writers use: `{name, base_url, source_type}` or
    `{name, type, url}`. It is kept as it was sent; where the table's own requests agree on other names, these are
    written beside it, so that its workers can read it."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_one_of_each)

    name: Line
    base_url: Address = ""
    source_type: Line = ""
    url: Address = ""
    type: Line = ""

    @model_validator(mode="after")
    def _either(self) -> "SourceIn":
        for documented, short in (("base_url", "url"), ("source_type", "type")):
            sent = self.model_fields_set & {documented, short}
            if len(sent) != 1:
                wrong = PydanticCustomError("either", f"Send either {documented} or {short}.")
                raise ValidationError.from_exception_data(
                    "SourceIn", [{"type": wrong, "loc": (short if sent else documented,), "input": None}]
                )
        return self

    def asked(self) -> dict[str, Any]:
        """As `submission.Source` takes it."""
        address = "base_url" if self.base_url else "url"
        type_ = "source_type" if self.source_type else "type"
        return {
            "name": self.name,
            "base_url": getattr(self, address),
            "source_type": getattr(self, type_),
            "shape": SourceShape.named(name="name", address=address, type=type_),
            "sent": True,
        }


class ConfigIn(ConfigPart):
    sources: list[SourceIn] = Field(min_length=1, max_length=MAX_SOURCES)
    quality_threshold: Annotated[Share, BeforeValidator(_share)]
    batch_size: Annotated[BatchSize, NoText]
    max_retries: Annotated[Retries, NoText]
    custom_params: Annotated[
        CustomParams,
        NoText,
        OrNull(dict),
        Field(
            default_factory=dict,
            description=f"At most {MAX_CHARACTERS:,} characters and {MAX_LEVELS} levels.",
            json_schema_extra={**ATTRIBUTES},
        ),
    ]


def _with_known_types(schema: dict[str, Any]) -> None:
    if settings.REQUEST_TYPES:
        known = {
            "enum": list(settings.REQUEST_TYPES),
            "description": "Those of recent requests are taken too.",
        }
        schema["properties"]["request_type"] |= known


class SubmissionIn(SubmissionPart):
    """A new request, with the bounds of the console's form."""

    model_config = ConfigDict(json_schema_extra=_with_known_types)

    config: ConfigIn
    extra: Annotated[
        CustomParams,
        NoText,
        OrNull(dict),
        Field(
            default_factory=dict,
            description="Attributes that the documents do not name, written as they are sent. Those that this "
            f"table's requests have are in the console's form. At most {MAX_CHARACTERS:,} characters.",
            json_schema_extra={**ATTRIBUTES},
        ),
    ]
    reason: Reason = ""


def asked_by(body: SubmissionIn, dialect: Dialect) -> Submission:
    """Validated again with the types of request that are known, which django-ninja can't pass on, and with what the
    table's dialect requires."""
    try:
        types = choices.request_types()
    except DynamoError:
        types = None
    sent = body.model_dump(exclude={"reason": True, "config": {"sources"}, "extra": True})
    sent["config"]["sources"] = [source.asked() for source in body.config.sources]
    sent["extra"] = {name: typed(value) for name, value in body.extra.items()}
    try:
        asked = submission.read(sent, types)
    except ValidationError as error:
        raise Invalid(
            Wrong("body", problem.loc, problem.sentence) for problem in submission.problems(error)
        ) from error
    if missing := dialect.missing(asked.extra):
        raise Invalid(
            Wrong("body", ("extra", name), "This is needed: the setting REQUEST_DIALECT requires it.")
            for name in missing
        )
    return asked
