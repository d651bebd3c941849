"""The TOML file of REQUEST_DIALECT: the facts of a dialect, given instead of learned (docs/dialects.md)."""

from typing import Literal

from pydantic import Field

from opsportal.dynamo import dialect_files
from opsportal.dynamo.dialect_files import Table, form_of
from opsportal.dynamo.timestamp_form import DOCUMENTED, TimestampForm
from requests_app.source_shapes import SourceShape

Begin = Literal["list", "text", "null", "absent"]
_TAGS = {"list": "L", "text": "S", "null": "NULL", "absent": ""}
_NAME = r"^[^\x00-\x1f]{1,255}$"


class Sources(Table):
    """The names of a source's fields."""

    name: str = Field("name", pattern=_NAME)
    address: str = Field("base_url", pattern=_NAME)
    type: str = Field("source_type", max_length=255)

    @property
    def shape(self) -> SourceShape:
        return SourceShape.named(name=self.name, address=self.address, type=self.type)


class Start(Table):
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


class Facts(dialect_files.Facts):
    sources: Sources = Sources.model_validate({})
    start: Start = Start.model_validate({})

    @property
    def stamps(self) -> TimestampForm:
        return form_of(self.timestamps) or DOCUMENTED
