"""Entries of `changes` as pages show them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opsportal.accounts.actors import sayings
from opsportal.accounts.changes import Change
from opsportal.console.clock import iso
from opsportal.console.labels import label_of
from opsportal.dynamo.attributes import parse_time


@dataclass(frozen=True)
class Part:
    """One value that changed. `new` alone is shown where there was none before; `at`: both are times."""

    label: str
    old: str | datetime | None
    new: str | datetime | None
    at: bool = False


@dataclass(frozen=True)
class Row:
    """`since`: what became of the actor's name; `exact`: the time in UTC."""

    change: Change
    since: str
    exact: str
    parts: list[Part]


def rows(shown: Sequence[Change]) -> list[Row]:
    said = sayings((one.actor_id, one.actor) for one in shown)
    return [
        Row(
            one,
            since,
            iso(one.at),
            list(_parts(one.changed)),
        )
        for one, since in zip(shown, said, strict=True)
    ]


NOTHING: tuple[object, ...] = (None, "", [], {})
# What is yes or no, and is recorded as nothing where it is no.
FLAGS = {"is_active", "is_staff", "is_superuser", "shared"}
TIMES = {"expires_at", "snoozed_until"}


def _parts(changed: dict[str, list[Any]]) -> Iterator[Part]:
    """What a person reads of them: nothing that was and is empty."""
    for path, (old, new) in changed.items():
        if old == new or (old in NOTHING and new in NOTHING):
            continue
        label = label_of(path) or path
        if path in FLAGS or isinstance(old, bool) or isinstance(new, bool):
            yield Part(label, "yes" if old else "no", "yes" if new else "no")
        elif path in TIMES and (times := [_time(old), _time(new)]) != [None, None]:
            yield Part(label, times[0], times[1], at=True)
        else:
            yield Part(
                label, "" if old in NOTHING else _short(old), "none" if new in NOTHING else _short(new)
            )


def _time(value: Any) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')}: {_short(member)}" for name, member in value.items())
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
