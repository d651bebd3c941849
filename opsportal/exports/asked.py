"""What somebody asks to export, as a value; and the pages that are read for it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from opsportal.console.columns import Column
from opsportal.dynamo import spending
from opsportal.dynamo.errors import Throttled
from opsportal.dynamo.pages import Page, Raw
from opsportal.dynamo.spans import Span
from opsportal.exports import rows
from opsportal.exports.exportable import Exportable, all_exportable

# Items of one page that is read, and so what is in memory at once.
PAGE_ITEMS = 250
# Seconds before a page that was throttled is read again.
PAUSES = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Asked:
    """`values`: the list's own parameters; `columns`: keys, in their order; `kind`: csv or ndjson; `words`: the filter
    for people, in parts."""

    exportable: Exportable[Any]
    values: Mapping[str, str]
    since: datetime | None
    until: datetime | None
    columns: Sequence[str]
    kind: str
    bom: bool = False
    words: Sequence[str] = ()

    @property
    def chosen(self) -> list[Column[Any]]:
        return self.exportable.chosen(self.columns)

    @property
    def filter(self) -> str:
        return ", ".join(self.words) or "all"

    @property
    def described(self) -> str:
        """For the audit trail: format, columns, filter and its exact values."""
        exact = " ".join(f"{name}={value}" for name, value in self.values.items())
        bounds = [f"{label} {at.astimezone(UTC).isoformat()}" for label, at in self._bounds if at]
        return (
            f"{self.exportable.title} as {rows.FORMATS[self.kind]}. Columns: {', '.join(self.columns)}. "
            f"Filter: {' '.join([exact, *bounds]).strip() or 'none'}"
        )[:1_500]

    @property
    def _bounds(self) -> tuple[tuple[str, datetime | None], ...]:
        return ("from", self.since), ("to", self.until)

    @property
    def file_name(self) -> str:
        return f"{self.exportable.name}.{self.kind}"

    def read(self, purpose: str, cursor: str = "", limit: int = 0) -> tuple[Page, Decimal]:
        """A page, of `PAGE_ITEMS` or of so many items, and the read units that it consumed. Raises `DynamoError`."""
        with spending.account() as account:
            before = account.read_units
            span = Span.between(self.since, self.until)
            page = self.exportable.page(
                self.values, span, purpose=purpose, cursor=cursor, limit=limit or PAGE_ITEMS
            )
            return page, account.read_units - before

    def read_patiently(self, purpose: str, cursor: str) -> tuple[Page, Decimal]:
        """The same; throttled, it waits and reads again, for some seconds. Raises `DynamoError`."""
        for pause in PAUSES:
            try:
                return self.read(purpose, cursor)
            except Throttled:
                time.sleep(pause)
        return self.read(purpose, cursor)

    def head(self) -> str:
        return rows.head(self.kind, self.chosen, bom=self.bom)

    def lines(self, items: Sequence[Raw]) -> str:
        return rows.lines(self.kind, self.chosen, self.exportable.rows(items))

    def stored(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "list": self.exportable.name,
            "values": dict(self.values),
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "columns": list(self.columns),
            "kind": self.kind,
            "bom": self.bom,
            "words": list(self.words),
        }

    @classmethod
    def from_stored(cls, given: Mapping[str, Any]) -> "Asked":
        """Raises KeyError, TypeError, ValueError: another version of the console wrote it."""
        exportable = all_exportable()[given["list"]]
        exportable.chosen(given["columns"])
        since, until = (
            datetime.fromisoformat(at) if (at := given[name]) else None for name in ("since", "until")
        )
        if given["kind"] not in rows.FORMATS:
            raise ValueError(given["kind"])
        return cls(
            exportable, given["values"], since, until, given["columns"], given["kind"], bool(given["bom"]),
            given["words"],
        )  # fmt: skip


def encoded(text: str) -> bytes:
    """As it is sent. Half of a character, which UTF-8 can't encode, becomes a question mark."""
    return text.encode("utf-8", "replace")
