"""The export of a list through the API: the list's own operation, with `format`."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest, HttpResponseBase
from pydantic import Field

from opsportal.api import numbers
from opsportal.api.guards import allow, caller_of
from opsportal.api.lists import GivenText, RangedQuery, StrictQuery
from opsportal.api.problems import ApiProblem, Invalid, Wrong
from opsportal.console.access import Access
from opsportal.exports import download
from opsportal.exports.asked import Asked
from opsportal.exports.exportable import EXPORT_LISTS, Exportable
from opsportal.operations.outcomes import OutcomeUnknown, Refused

# For an operation's answer 200.
CONTENT = {
    "text/csv": {"schema": {"type": "string"}},
    "application/x-ndjson": {"schema": {"type": "string"}},
}


class FileQuery(StrictQuery):
    """A list that can be exported. Its filters have the names that they have on its page."""

    format: Literal["json", "csv", "ndjson"] = Field(
        "json", description="csv, ndjson: all rows, as a file. Needs the scope `lists:export`."
    )
    columns: GivenText = Field("", description="Of a file: columns, with commas, in that order.")

    def values(self) -> dict[str, str]:
        """The list's own parameters."""
        others = {"cursor", "length", "start", "end", "format", "columns"}
        given = self.model_dump(exclude=others)
        return {name: "1" if value is True else str(value) for name, value in given.items() if value}

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """Of the time that it is of. Raises Invalid."""
        return None, None


class ExportedQuery(FileQuery, RangedQuery):
    """One that is bounded in time."""

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        found = self.time_range()
        return (None, None) if "outside" in self.values() else (found.start, found.end)


def answer_file(
    request: HttpRequest, query: FileQuery, exportable: Exportable[Any]
) -> HttpResponseBase | None:
    """The file, where one is asked for. Raises ApiProblem, Invalid, `DynamoError`."""
    keys = [name.strip() for name in query.columns.split(",") if name.strip()]
    known = [column.key for column in exportable.columns]
    wrong = []
    if query.format == "json" and keys:
        wrong.append(
            Wrong("query", ("columns",), "Columns are of a file: send format=csv or format=ndjson too.")
        )
    if unknown := [name for name in keys if name not in known]:
        sentence = f"There is no column {unknown[0][:30]}. There are: {', '.join(known)}."
        wrong.append(Wrong("query", ("columns",), sentence))
    if query.format != "json":
        sentence = "A file has all rows and every digit: leave it out."
        wrong += [
            Wrong("query", (name,), sentence) for name in ("cursor", numbers.NAME) if name in request.GET
        ]
    if wrong:
        raise Invalid(wrong, status=400)
    if query.format == "json":
        return None
    caller = caller_of(request)
    allow(caller, Access("permission", EXPORT_LISTS))
    values = query.values()
    asked = Asked(
        exportable,
        values,
        *query.bounds(),
        keys or known,
        query.format,
        words=[f"{name} {value}" for name, value in values.items()],
    )
    try:
        return download.answer(request, asked, caller.actor)
    except (Refused, OutcomeUnknown) as refused:
        raise ApiProblem(refused.status, "Nothing was exported", refused.sentence) from refused
