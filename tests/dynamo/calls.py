"""Which operations are sent to a table's place, in their order."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opsportal.dynamo import clients


@contextmanager
def calls_on(table: Any) -> Iterator[list[str]]:
    """The names of the operations that the shared client of the table's place sends in the block."""
    calls: list[str] = []

    def note(model: Any, **_: Any) -> None:
        calls.append(model.name)

    events = clients.client(*table.location).meta.events
    events.register("before-call.dynamodb", note)
    try:
        yield calls
    finally:
        events.unregister("before-call.dynamodb", note)
