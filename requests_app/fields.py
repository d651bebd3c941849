"""The values that a submission is made of, each with its bounds and what is said when it is beyond them."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any

from django.conf import settings
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from opsportal import patterns
from opsportal.dynamo.json_values import MAX_DIGITS, as_json, digits, read_object, shortest, storable
from requests_app.models import PRIORITIES, STRATEGIES

EXTRACTION_MODES = ("summary", "full", "metadata")
# An item holds 400 KB and a message to SQS 256 KB: the most that these allow together is below both, were
# every character four bytes long.
MAX_KEYWORDS, MAX_SOURCES = 50, 20
MAX_NAME, MAX_KEYWORD, MAX_ADDRESS = 200, 200, 1_000
# A share is 0, or no less: what is smaller was not meant, and beyond 1E-130 DynamoDB can't hold it.
LEAST_SHARE = 0.000001
# Of a JSON object, without white space.
MAX_CHARACTERS = 10_000

_CONTROLS = re.compile(f"[{patterns.CONTROLS}]")


def priorities() -> tuple[str, ...]:
    return (*PRIORITIES, *settings.REQUEST_EXTRA_PRIORITIES)


def _one_line(value: str) -> str:
    """As it is, space at its ends and all: it is compared with what other items hold."""
    if not value.strip():
        raise PydanticCustomError("missing", "This is needed.")
    if _CONTROLS.search(value):
        raise PydanticCustomError("controls", "It must not hold line breaks or control characters.")
    return value


def _address(value: str) -> str:
    if not patterns.whole(patterns.ADDRESS, value):
        raise PydanticCustomError("address", "Enter a full URL, with http:// or https://.")
    return value.strip()


def _among(choices: Callable[[], Iterable[str]]) -> AfterValidator:
    def check(value: str) -> str:
        known = tuple(choices())
        if value not in known:
            raise PydanticCustomError("choice", "It must be one of: {known}.", {"known": ", ".join(known)})
        return value

    return AfterValidator(check)


def _known_type(value: str, info: ValidationInfo) -> str:
    """`types` of the context are those known; without it any will do."""
    types = (info.context or {}).get("types")
    if types is not None and value not in types:
        raise PydanticCustomError(
            "request_type",
            "No recent request has this type, and it is not in the setting REQUEST_TYPES.",
        )
    return value


def _deliverable(value: str) -> str:
    if value == "sqs" and not settings.REQUESTS_QUEUE_URL:
        raise PydanticCustomError(
            "queue", "The setting REQUESTS_QUEUE_URL is missing, so no message can be sent to a worker."
        )
    return value


def deliverable() -> tuple[str, ...]:
    """The strategies that a request can be submitted with."""
    return tuple(one for one in STRATEGIES if one != "sqs" or settings.REQUESTS_QUEUE_URL)


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "Enter a number.")
    # Python reads 1_0 as ten, and the digits of every script.
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        raise PydanticCustomError("decimal_parsing", "Enter a number.")
    return value


def _settled(value: Decimal) -> Decimal:
    """One spelling per number, so that two spellings of one request are the same."""
    if 0 < value < Decimal(str(LEAST_SHARE)):
        raise PydanticCustomError("least", "0, or at least {least}.", {"least": f"{LEAST_SHARE:f}"})
    if digits(value) > MAX_DIGITS:
        raise PydanticCustomError("digits", "At most {most} digits.", {"most": MAX_DIGITS})
    return shortest(value)


def read_params(given: Any) -> dict[str, Any]:
    """An object of JSON text, or of data that were JSON. Raises ValueError with a sentence for people."""
    found: dict[str, Any] = storable(read_object(given))
    if (length := len(as_json(found, compact=True))) > MAX_CHARACTERS:
        raise ValueError(f"At most {MAX_CHARACTERS:,} characters; there are {length:,}.")
    return found


def _object(value: Any) -> Any:
    try:
        return read_params(value)
    except ValueError as error:
        raise PydanticCustomError("object", "{why}", {"why": str(error)}) from error


# What a validator knows and a type does not say, for the API's description.
def _as_share(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        {"type": "number", "const": 0},
        {"type": "number", "minimum": LEAST_SHARE, "maximum": 1},
        {"type": "string", "pattern": patterns.SHARE},
    ]


def _like(pattern: str) -> dict[str, Any]:
    return {"minLength": 1, "pattern": pattern}


def _described(choices: Callable[[], Iterable[str]]) -> Any:
    return Field(json_schema_extra=lambda schema: schema.update(enum=list(choices())))


Line = Annotated[
    str, Field(max_length=MAX_NAME, json_schema_extra=_like(patterns.LINE)), AfterValidator(_one_line)
]
Keyword = Annotated[
    str, Field(max_length=MAX_KEYWORD, json_schema_extra=_like(patterns.LINE)), AfterValidator(_one_line)
]
Address = Annotated[
    str,
    Field(max_length=MAX_ADDRESS, json_schema_extra=_like(patterns.ADDRESS)),
    AfterValidator(_one_line),
    AfterValidator(_address),
]
Share = Annotated[
    Decimal,
    Field(ge=0, le=1, json_schema_extra=_as_share),
    BeforeValidator(_no_boolean),
    AfterValidator(_settled),
]
RequestType = Annotated[Line, AfterValidator(_known_type)]
Priority = Annotated[str, _among(priorities), _described(priorities)]
Strategy = Annotated[str, _among(lambda: STRATEGIES), AfterValidator(_deliverable), _described(deliverable)]
ExtractionMode = Annotated[str, _among(lambda: EXTRACTION_MODES), _described(lambda: EXTRACTION_MODES)]
BatchSize = Annotated[int, Field(ge=1, le=20), BeforeValidator(_no_boolean)]
Retries = Annotated[int, Field(ge=0, le=10), BeforeValidator(_no_boolean)]
CustomParams = Annotated[dict[str, Any], BeforeValidator(_object)]
