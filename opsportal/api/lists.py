"""Lists: the filters, ranges and cursors of the pages, as query parameters."""

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from opsportal.api import numbers
from opsportal.api.problems import Invalid, Wrong
from opsportal.console.parameters import MAX_BYTES, cut
from opsportal.console.timerange import LENGTHS, TimeRange, time_range
from opsportal.dynamo.cursors import MAX_CURSOR
from opsportal.dynamo.pages import Page

UTC_ZONE = ZoneInfo("UTC")
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _said(value: Any) -> Any:
    """An empty filter is a variable that a program has not set: without it the list would have everything."""
    if value == "":
        raise ValueError("A value is needed. Leave the parameter out to list all.")
    return value


# Cut to what a key can be, as on the pages: no longer one can match.
FilterText = Annotated[str, Field(max_length=MAX_BYTES), AfterValidator(lambda text: cut(text, MAX_BYTES))]
# The same, but not empty.
GivenText = Annotated[FilterText, Field(min_length=1), BeforeValidator(_said)]
Length = Literal["1h", "24h", "7d", "30d", "all"]
assert set(LENGTHS) == set(Length.__args__)  # type: ignore[attr-defined]


def _iso(value: Any) -> Any:
    """Text that is a date and a time: a number would be taken for seconds."""
    if isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
        raise ValueError("A time in ISO 8601 is needed, such as 2026-11-20T10:00:00Z.")
    return value


def _utc(value: datetime | None) -> datetime | None:
    """Where the zone's offset leads out of the calendar, its end: there is nothing beyond."""
    if value is None or value.tzinfo is None:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return FIRST if value.year == 1 else LAST


Moment = Annotated[datetime | None, BeforeValidator(_iso), AfterValidator(_utc)]


class StrictQuery(Schema):
    """Query parameters of which there are no others, and each once."""

    model_config = ConfigDict(populate_by_name=True)

    def only_known_in(self, request: HttpRequest) -> None:
        """Raise Invalid for a parameter that there is not, or is twice: a filter that is passed over lists too much."""
        known = {field.alias or name for name, field in type(self).model_fields.items()}
        if unknown := sorted(set(request.GET) - known - {numbers.NAME}):
            sentence = f"There is no such parameter. There are: {', '.join(sorted(known | {numbers.NAME}))}."
            raise Invalid(Wrong("query", (name[:60],), sentence) for name in unknown)
        if repeated := sorted(name for name, values in request.GET.lists() if len(values) > 1):
            raise Invalid(Wrong("query", (name,), "It is given more than once.") for name in repeated)


class ListQuery(StrictQuery):
    """What every list takes. Subclasses add its filters."""

    cursor: Annotated[str, Field(max_length=MAX_CURSOR)] = Field(
        "", description="`next` of the page before, with the same filters."
    )

    def purpose(self, name: str) -> str:
        """Binds cursors to this list and its filters."""
        given = self.model_dump(mode="json", exclude={"cursor"})
        digest = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
        return f"api:{name}:{digest[:16]}"


class RangedQuery(ListQuery):
    """A list that is bounded in time."""

    length: Length = Field("7d", alias="range", description="The period up to now.")
    start: Moment = Field(None, alias="from", description="Replaces `range`. UTC if no zone is given.")
    end: Moment = Field(None, alias="to", description="Replaces `range`.")

    def time_range(self) -> TimeRange:
        bounds = {"from": self.start, "to": self.end}
        given = {name: at.isoformat() for name, at in bounds.items() if at}
        found = time_range({**given, "range": self.length}, UTC_ZONE)
        if found.crossed:
            # Each for itself is valid.
            raise Invalid([Wrong("query", ("to",), "It is before `from`: swap the two.")], status=400)
        return found


def page_document(page: Page, items: list[Any], **more: Any) -> dict[str, Any]:
    """A page as it is answered, see `answers.PageOut`."""
    return {
        "items": items,
        "next": page.cursor or None,
        "complete": page.complete,
        "searched_to": page.searched_to or None,
        "how": page.how,
        "notes": page.notes,
        **more,
    }
