"""TOML files that say how a table's items are written, for the settings REQUEST_DIALECT and AGENT_DIALECT."""

import functools
import os
import re
import tomllib
from typing import Any, Literal, TypeVar

from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from opsportal.dynamo.dialects import Extra
from opsportal.dynamo.timestamp_form import TimestampForm

MAX_FILE_BYTES = 65_536
_KINDS = {"text": "S", "number": "N", "boolean": "BOOL"}
_MADE = {"uuid": "uuid", "uuid-upper": "UUID", "uuid-hex": "hex", "digits": "digits"}


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Attribute(Table):
    """An attribute that the documents do not name: an id made new (`made`, `prefix`, `length`), or one that a
    person gives (`type`, `required`, `example`)."""

    type: Literal["text", "number", "boolean"] = "text"
    made: Literal["", "uuid", "uuid-upper", "uuid-hex", "digits"] = ""
    prefix: str = Field("", max_length=40)
    length: int = Field(12, ge=1, le=30)
    required: bool = False
    example: str = Field("", max_length=256)

    def as_extra(self, name: str) -> Extra:
        length = self.length if self.made == "digits" else 0
        made = _MADE.get(self.made, "")
        return Extra(name, _KINDS[self.type], made, self.prefix, length, self.required, self.example)


def form_of(example: str) -> TimestampForm | None:
    """The form of a time that the file gives as an example: text, or an epoch number."""
    return TimestampForm.from_value({"N": example} if example.isdecimal() else {"S": example})


class Facts(Table):
    """What either file may say: an example of a time, and the attributes that the documents do not name."""

    timestamps: str = ""
    attributes: dict[str, Attribute] = {}

    @field_validator("timestamps")
    @classmethod
    def _a_time(cls, value: str) -> str:
        if value and form_of(value) is None:
            raise ValueError('an example of a time is needed, such as "2026-01-09T15:43:09.250000"')
        return value

    @property
    def extras(self) -> tuple[Extra, ...]:
        return tuple(attribute.as_extra(name) for name, attribute in sorted(self.attributes.items()))


FactsT = TypeVar("FactsT", bound=Facts)


def read(setting: str, path: str, facts: type[FactsT]) -> FactsT:
    """What the file says, read again once it has changed. Raises ImproperlyConfigured with a sentence that says what
    is wrong with it."""
    try:
        changed = os.stat(path).st_mtime_ns
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(
            f"{setting} is {path!r}, which can't be read: {error}. It must be auto, documented, or the path of a TOML "
            "file."
        ) from error
    return facts.model_validate(_read(setting, path, facts, changed))


@functools.lru_cache(maxsize=8)
def _read(setting: str, path: str, facts: type[Table], changed: int) -> Table:
    del changed
    wrong = f"The file of {setting}, {path},"
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ImproperlyConfigured(f"{wrong} is larger than {MAX_FILE_BYTES:,} bytes.")
        return facts.model_validate(tomllib.loads(content.decode()))
    except OSError as error:
        raise ImproperlyConfigured(f"{wrong} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{wrong} is not valid TOML: {error}.") from error
    except ValidationError as error:
        raise ImproperlyConfigured(f"{wrong} {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = re.sub(r"^Value error, ", "", first["msg"])
    return f"is wrong at {name}: {message}."
