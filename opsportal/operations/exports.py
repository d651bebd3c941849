"""The audit trail as JSON lines and CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from operator import attrgetter

from opsportal.dynamo.errors import DynamoError
from opsportal.operations.entries import Entry

FORMATS = {"jsonl": ("JSON lines", ".jsonl"), "csv": ("CSV", ".csv")}
TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
# Column: the attribute of the entry.
COLUMNS = {
    "at": "at",
    "action": "action.value",
    "actor": "actor.name",
    "actor_id": "actor.id",
    "role": "actor.role",
    "kind": "target.logical",
    "table": "table",
    "target": "target.id",
    "reason": "reason",
    "count": "count",
    "undo_of": "undo_of",
    "action_id": "action_id",
}


def row(entry: Entry) -> dict[str, object]:
    return {column: attrgetter(path)(entry) for column, path in COLUMNS.items()}


def lines(kind: str, shown: Iterable[Entry]) -> Iterator[str]:
    """The export line by line. One that DynamoDB cuts short says so in its last line, in the same format."""
    try:
        yield from (_jsonl if kind == "jsonl" else _csv)(shown)
    except DynamoError as error:
        sentence = f"This export is not complete: {error.sentence}"
        buffer = io.StringIO()
        csv.writer(buffer).writerow([f"# {sentence}"])
        yield json.dumps({"incomplete": sentence}) + "\n" if kind == "jsonl" else buffer.getvalue()


def _jsonl(shown: Iterable[Entry]) -> Iterator[str]:
    for entry in shown:
        yield json.dumps(row(entry), ensure_ascii=False) + "\n"


def _csv(shown: Iterable[Entry]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for entry in shown:
        writer.writerow([neutral(value) for value in row(entry).values()])
        yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def neutral(value: object) -> object:
    """A cell that a spreadsheet would run as a formula, made text by an apostrophe."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip()[:1] in tuple("=+-@") or text[:1] in ("\t", "\r") else text
