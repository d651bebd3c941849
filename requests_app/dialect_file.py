"""The TOML file of REQUEST_DIALECT: the facts of a dialect, given instead of learned (docs/data.md#dialects)."""

import functools
import os
import re
import tomllib
from typing import Any, Literal

from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from opsportal.dynamo.dialects import Extra
from opsportal.dynamo.timestamp_form import DOCUMENTED, TimestampForm
from requests_app.source_shapes import SourceShape

MAX_FILE_BYTES = 65_536
Begin = Literal["list", "text", "null", "absent"]
_TAGS = {"list": "L", "text": "S", "null": "NULL", "absent": ""}
_KINDS = {"text": "S", "number": "N", "boolean": "BOOL"}
_MADE = {"uuid": "uuid", "uuid-upper": "UUID", "uuid-hex": "hex", "digits": "digits"}
_NAME = r"^[^\x00-\x1f]{1,255}$"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sources(_Table):
    """The names of a source's fields."""

    name: str = Field("name", pattern=_NAME)
    address: str = Field("base_url", pattern=_NAME)
    type: str = Field("source_type", max_length=255)

    @property
    def shape(self) -> SourceShape:
        return SourceShape.named(name=self.name, address=self.address, type=self.type)


class Start(_Table):
    """What a request begins with. `progress`: the names of its members, "absent" for none."""

    errors_as: Begin = Field("list", alias="errors")
    warnings_as: Begin = Field("list", alias="warnings")
    progress_as: list[str] | Literal["absent"] | None = Field(None, alias="progress")

    @property
    def errors(self) -> str:
        return _TAGS[self.errors_as]

    @property
    def warnings(self) -> str:
        return _TAGS[self.warnings_as]

    @property
    def progress(self) -> str:
        return "" if self.progress_as == "absent" else "M"

    def members(self, documented: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Those that are not documented are numbers."""
        if not isinstance(self.progress_as, list):
            return documented
        types = dict(documented)
        return tuple((name, types.get(name, "N")) for name in self.progress_as)


class Attribute(_Table):
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


class Facts(_Table):
    sources: Sources = Sources.model_validate({})
    timestamps: str = ""
    start: Start = Start.model_validate({})
    attributes: dict[str, Attribute] = {}

    @field_validator("timestamps")
    @classmethod
    def _a_time(cls, value: str) -> str:
        if value and _form(value) is None:
            raise ValueError('an example of a time is needed, such as "2026-01-09T15:43:09.250000"')
        return value

    @property
    def stamps(self) -> TimestampForm:
        return _form(self.timestamps) or DOCUMENTED

    @property
    def extras(self) -> tuple[Extra, ...]:
        return tuple(attribute.as_extra(name) for name, attribute in sorted(self.attributes.items()))


def _form(example: str) -> TimestampForm | None:
    return TimestampForm.from_value({"S": example})


def read(path: str) -> Facts:
    """Raises ImproperlyConfigured with a sentence that says what is wrong with the file."""
    try:
        changed = os.stat(path).st_mtime_ns
    except OSError as error:
        raise ImproperlyConfigured(
            f"REQUEST_DIALECT is {path!r}, which can't be read ({error.strerror}). It must be auto, documented, or "
            "the path of a TOML file."
        ) from error
    return _read(path, changed)


@functools.lru_cache(maxsize=4)
def _read(path: str, changed: int) -> Facts:
    del changed
    wrong = f"The file of REQUEST_DIALECT, {path},"
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise ImproperlyConfigured(f"{wrong} is larger than {MAX_FILE_BYTES:,} bytes.")
        return Facts.model_validate(tomllib.loads(content.decode()))
    except OSError as error:
        raise ImproperlyConfigured(f"{wrong} can't be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{wrong} is no TOML: {error}.") from error
    except ValidationError as error:
        raise ImproperlyConfigured(f"{wrong} {_sentence(error)}") from error


def _sentence(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    message = re.sub(r"^Value error, ", "", first["msg"])
    return f"is wrong at {name}: {message}."
