"""Several changes of one account that are one entry: its role is taken away and another given, say."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from django.db import transaction


class Pending(Protocol):
    changed: dict[str, list[Any]]

    def save(self) -> None: ...


_pending: ContextVar[dict[str, Any] | None] = ContextVar("pending", default=None)


def save(entry: Pending, target_id: str) -> None:
    """Now; within `one_entry`, at its end and together with what else is of the same target."""
    pending = _pending.get()
    if pending is None:
        entry.save()
    elif earlier := pending.get(target_id):
        for path, (old, new) in entry.changed.items():
            earlier.changed[path] = [earlier.changed.get(path, [old])[0], new]
    else:
        pending[target_id] = entry


@contextmanager
def one_entry() -> Iterator[None]:
    """A transaction. What is done to one target in it is one entry, of who did the first of it."""
    if _pending.get() is not None:
        yield
        return
    with transaction.atomic():
        pending: dict[str, Any] = {}
        token = _pending.set(pending)
        try:
            yield
        finally:
            _pending.reset(token)
        for entry in pending.values():
            entry.changed = {path: pair for path, pair in entry.changed.items() if pair[0] != pair[1]}
            if entry.changed:
                entry.save()
