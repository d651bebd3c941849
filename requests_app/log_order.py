"""The order of log lines: by the time that they say, then by what their writer counted, else by their id.

The index orders them by the text of their time, and in no order where that is the same.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from opsportal.dynamo.attributes import Malformed, read_document, read_number, read_text, read_time
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.pages import Raw
from opsportal.dynamo.timestamp_form import form_of, is_mixed, off_by

# What writers call the number of a line, at its top or in its metadata.
COUNTERS = (
    "seq", "sequence", "sequence_number", "sequenceNumber", "seq_no", "seqNo", "line_no", "line_number", "lineNumber",
)  # fmt: skip
# Bytes of lines that a stream holds back to put them in order; and where their times have several forms.
HELD, HELD_OF_MIXED = 900_000, 8_000_000
# Where it stands among lines of its time: those that are counted first, last those whose own time can't be read.
COUNTED, NOT_COUNTED, TIMELESS = range(3)

Place = tuple[datetime, int, Decimal, str]


def counter_of(line: Raw) -> tuple[str, Decimal] | None:
    """The name and the number that its writer gave the line."""
    metadata = read_document(line.get("metadata"))
    for name in COUNTERS:
        number = read_number(line.get(name))
        if number is None and isinstance(metadata, dict):
            number = _number(metadata.get(name))
        if isinstance(number, Decimal):
            return name, number
    return None


def _number(value: object) -> Decimal | Malformed | None:
    """Of plain data: a number, or text that spells one."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    return read_number({"S": str(value)})


class _Places:
    """Of lines that come in the order of their text. What has no time that can be read keeps behind the line before."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.at = datetime.min.replace(tzinfo=UTC)

    def next(self, line: Raw) -> Place:
        at, ident = read_time(line.get("timestamp")), str(read_text(line.get(self.key)) or "")
        if not isinstance(at, datetime):
            return self.at, TIMELESS, Decimal(0), ident
        self.at = at
        counted = counter_of(line)
        return (at, COUNTED, counted[1], ident) if counted else (at, NOT_COUNTED, Decimal(0), ident)


def in_order(lines: Iterable[Raw], key: str) -> Iterator[Raw]:
    """The lines, which come in the order of their text, oldest first, by their time. As many are held back as `HELD`
    says. A `DynamoError` of `lines` follows those that came before it. `key`: the attribute of a line's id."""
    places, held, size, forms = _Places(key), list[tuple[Place, int, int, Raw]](), 0, set[str]()
    failed: DynamoError | None = None
    try:
        for number, line in enumerate(lines):
            forms.add(form_of(line.get("timestamp", {})))
            length = sum(len(str(value)) for value in line.values())
            heapq.heappush(held, (places.next(line), number, length, line))
            size += length
            while size > (HELD_OF_MIXED if is_mixed(forms) else HELD):
                _, _, length, first = heapq.heappop(held)
                size -= length
                yield first
    except DynamoError as error:
        failed = error
    while held:
        yield heapq.heappop(held)[3]
    if failed:
        raise failed


def newest_first(lines: Sequence[Raw], key: str) -> list[Raw]:
    """A page of lines that are in the order of their text, newest first."""
    places = _Places(key)
    placed = [(places.next(line), line) for line in reversed(lines)]
    return [line for _, line in sorted(placed, key=lambda pair: pair[0], reverse=True)]


def notes(lines: Sequence[Raw]) -> list[str]:
    """What must be said of the order of a page, in sentences."""
    forms = sorted({form_of(line.get("timestamp", {})) for line in lines} - {"other"})
    off = off_by(forms)
    if not off:
        return []
    return [
        f"timestamp has {len(forms)} forms ({'; '.join(forms)}), which the index orders by text: this page is sorted by "
        f"the time itself. From page to page the order may be off by {off}."
    ]


def of_one_time(lines: Sequence[Raw]) -> str:
    """In which order lines stand that share their time, as a sentence; "" where none do."""
    by_time: dict[datetime, list[Raw]] = {}
    for line in lines:
        at = read_time(line.get("timestamp"))
        if isinstance(at, datetime):
            by_time.setdefault(at, []).append(line)
    shared = [line for alike in by_time.values() if len(alike) > 1 for line in alike]
    if not shared:
        return ""
    names = sorted({found[0] for line in shared if (found := counter_of(line))})
    order = (
        f"by {' or '.join(names)}, or else by id" if names else "by id, so that may not be their true order"
    )
    return f"{len(shared)} lines have the same timestamp as another line. They are sorted {order}."
