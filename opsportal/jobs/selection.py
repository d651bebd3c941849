"""What a program asks a job to act on: the parameters of a list as values, or why they are refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from opsportal.api.lists import UTC_ZONE, GivenText, Length, Moment
from opsportal.api.problems import Invalid, Wrong
from opsportal.console.parameters import FLAGS
from opsportal.console.timerange import time_range
from opsportal.operations.bulk import Bulk

# Of a list's parameters: its order, and the items that no index holds, in place of all else.
SORT, OUTSIDE = "sort", "outside"
# How a text is compared, and the text.
ANYCASE, TEXT = "anycase", "q"
RANGE = ("range", "from", "to")
_TEXT: TypeAdapter[str] = TypeAdapter(GivenText)
_FLAG: TypeAdapter[bool] = TypeAdapter(bool)
_KINDS: dict[str, TypeAdapter[Any]] = {
    **dict.fromkeys((OUTSIDE, *FLAGS), _FLAG),
    "range": TypeAdapter(Length),
    "from": TypeAdapter(Moment),
    "to": TypeAdapter(Moment),
}


@dataclass(frozen=True)
class Selection:
    """`values`: the list's own parameters. Without any, and without a bound, it is everything."""

    values: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_everything(self) -> bool:
        return not (self.values or self.since or self.until)


def names(bulk: Bulk) -> list[str]:
    """The parameters that choose items of the list."""
    return [*(name for name in bulk.filters if name != SORT), *(RANGE if bulk.ranged else ())]


def selected(bulk: Bulk, given: Mapping[str, Any]) -> Selection:
    """By these parameters. Without a range it is all time. Raises Invalid."""
    known = names(bulk)
    if unknown := sorted(name for name in given if name not in known):
        sentence = f"There is no such parameter. There are: {', '.join(sorted(known))}."
        raise Invalid(_wrong(name[:60], sentence) for name in unknown)
    values, wrong = {}, []
    for name, value in given.items():
        try:
            values[name] = _read(name, value)
        except ValueError as error:
            wrong.append(_wrong(name, str(error)))
    if wrong:
        raise Invalid(wrong)
    if values.get(OUTSIDE) and len(values) > 1:
        raise Invalid([_wrong(OUTSIDE, "It stands in place of all else: send it alone.")], status=400)
    if TEXT not in values:
        values.pop(ANYCASE, None)  # it chooses nothing by itself
    bounds = {name: at.isoformat() for name in ("from", "to") if (at := values.pop(name, None))}
    found = time_range({**bounds, "range": values.pop("range", "all")}, UTC_ZONE)
    if found.crossed:
        raise Invalid([_wrong("to", "It is before `from`: swap the two.")], status=400)
    return Selection(dict(_as_parameters(values)), found.start, found.end)


def _read(name: str, value: Any) -> Any:
    """Raises ValueError."""
    if name != OUTSIDE and name not in FLAGS and not isinstance(value, str):
        raise ValueError("A text is needed. Leave the parameter out to choose all.")
    try:
        return _KINDS.get(name, _TEXT).validate_python(value)
    except ValidationError as error:
        raise ValueError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None


def _as_parameters(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if name != OUTSIDE and name not in FLAGS:
            yield name, value
        elif value:
            yield name, "1"


def _wrong(name: str, sentence: str) -> Wrong:
    return Wrong("body", ("filter", name), sentence)


def schema(bulk: Bulk) -> dict[str, Any]:
    """The filter's, for the description."""
    members = {name: _KINDS.get(name, _TEXT).json_schema() for name in names(bulk)}
    members |= {name: {"type": "string", "format": "date-time"} for name in ("from", "to") if name in members}
    return {"type": "object", "properties": members, "additionalProperties": False}
