"""What programs send about jobs."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from opsportal.api.effects import ReasonIn
from opsportal.api.problems import Invalid, Wrong
from opsportal.console.parameters import MAX_BYTES
from opsportal.jobs import selection
from opsportal.jobs.job import Pace
from opsportal.jobs.selection import Selection, selected
from opsportal.operations.bulk import Bulk, all_bulk
from opsportal.operations.forms import ReasonedForm

# Items at first, and a minute. A job may hold a million.
MAX_PACE = 1_000_000
# What an item's key can be, and more.
Key = Annotated[str, Field(min_length=1, max_length=MAX_BYTES)]


def _number(value: Any) -> Any:
    """JSON's numbers are exact: 10.0 is a Decimal. A truth value or a text is none."""
    return int(value) if isinstance(value, Decimal) and value == int(value) else value


Number = Annotated[int, Field(strict=True), BeforeValidator(_number)]
Whole = Annotated[int, Field(strict=True, ge=1, le=MAX_PACE), BeforeValidator(_number)]


class PaceValues(BaseModel):
    model_config = ConfigDict(extra="forbid")

    first: Whole = Field(description="So many at once to begin with,")
    per_minute: Whole = Field(description="then so many a minute,")
    halt_share: Decimal = Field(
        ge=0,
        le=1,
        max_digits=4,
        decimal_places=3,
        description="while at most this share of those that were observed failed again.",
        json_schema_extra=lambda schema: _only_numbers(schema),
    )

    def as_pace(self) -> Pace:
        return Pace(self.first, self.per_minute, self.halt_share)


def _only_numbers(schema: dict[str, Any]) -> None:
    """Thousandths, as a number."""
    schema.pop("anyOf", None)
    schema.update({"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.001})


class PaceIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pace: PaceValues | None = Field(description="Null: at once.")


class StartIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    expected: Annotated[
        Number | None,
        Field(description="How many items it is to act on; refused (409) where that differs."),
    ] = None


class JobIn(ReasonIn):
    """`keys`, or a `filter` of the list; an empty one needs `"all": true`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=lambda schema: _described(schema))

    action: str = Field(description="Such as `requests.retry`.")
    keys: list[Key] = Field([], min_length=1, description="Ids of the items; one that is twice counts once.")
    filter: dict[str, Any] = Field(
        {},
        description="The list's own parameters. Without a range it is all time; relative ones are fixed when the job is "
        "made. `cursor`, `sort` and the page's defaults are no filters.",
    )
    all: StrictBool = Field(False, description="That an empty filter is meant: everything.")
    pace: PaceValues | None = Field(None, description="Null: at once. Without it, the default of the action.")


def selection_of(body: JobIn, bulk: Bulk) -> Selection:
    """What it asks for; of keys, nothing of a list. Raises Invalid."""
    given = body.model_fields_set
    if ("keys" in given) == ("filter" in given):
        raise Invalid([Wrong("body", (), "Send keys or a filter, one of them.")])
    if "keys" in given:
        if body.all:
            raise Invalid([Wrong("body", ("all",), "It is for an empty filter.")])
        return Selection()
    found = selected(bulk, body.filter)
    # Each for itself is valid.
    if found.is_everything and not body.all:
        sentence = 'It chooses everything. If that is what you want, send "all": true too.'
        raise Invalid([Wrong("body", ("filter",), sentence)], status=400)
    if body.all and not found.is_everything:
        raise Invalid([Wrong("body", ("all",), "It is for an empty filter.")], status=400)
    return found


def _described(schema: dict[str, Any]) -> None:
    """What goes together: the parameters are those of the action's list, and some actions need a reason."""
    schema["anyOf"] = [
        branch
        for bulk in all_bulk().values()
        for needs_reason in (False, True)
        if (actions := _actions(bulk, needs_reason))
        for branch in _branches(bulk, actions, ["reason"] if needs_reason else [])
    ]


def _actions(bulk: Bulk, needs_reason: bool) -> list[str]:
    return [
        f"{bulk.logical}.{one.tag.verb}"
        for one in bulk.offered
        if issubclass(one.form_class, ReasonedForm) is needs_reason
    ]


def _branches(bulk: Bulk, actions: list[str], needed: list[str]) -> list[dict[str, Any]]:
    action: dict[str, Any] = {"enum": actions}
    chosen = selection.schema(bulk)
    return [
        {
            "required": ["action", "keys", *needed],
            "properties": {"action": action, "filter": False, "all": {"const": False}},
        },
        {
            "required": ["action", "filter", *needed],
            "properties": {
                "action": action, "keys": False, "all": {"const": False}, "filter": {**chosen, "minProperties": 1},
            },
        },
        {
            "required": ["action", "filter", "all", *needed],
            "properties": {
                "action": action, "keys": False, "all": {"const": True}, "filter": {**chosen, "maxProperties": 0},
            },
        },
    ]  # fmt: skip
