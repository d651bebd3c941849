"""Rows of an export as text: CSV for spreadsheets, NDJSON for programs."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from opsportal.console.columns import Column, plain
from opsportal.dynamo.json_values import as_json, number_text
from opsportal.operations.csv_cells import neutral

# By the format's name in an address: what it is called, and its media type.
FORMATS = {"csv": "CSV", "ndjson": "NDJSON"}
TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
# Excel knows a file as UTF-8 by this mark and by no header.
BOM = "\ufeff"


def head(kind: str, columns: Sequence[Column[Any]], *, bom: bool = False) -> str:
    """What an export begins with."""
    if kind != "csv":
        return ""
    return (BOM if bom else "") + _csv_line(column.key for column in columns)


def lines(kind: str, columns: Sequence[Column[Any]], rows: Iterable[Any]) -> str:
    """One line for each row."""
    if kind == "csv":
        return "".join(_csv_line(plain(column.value(row)) for column in columns) for row in rows)
    return "".join(
        as_json({column.key: plain(column.value(row)) for column in columns}, compact=True) + "\n"
        for row in rows
    )


def _csv_line(values: Iterable[Any]) -> str:
    return ",".join(map(_cell, values)) + "\r\n"


def _cell(value: Any) -> str:
    """Nothing for what is missing, numbers as they are stored, all else quoted: what stands between quotes is one cell,
    whatever a spreadsheet takes for a separator."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal | int):
        return number_text(Decimal(value))
    text = value if isinstance(value, str) else as_json(value)
    return '"' + str(neutral(text)).replace('"', '""') + '"'
