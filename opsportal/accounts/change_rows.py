"""Entries of `changes` as pages show them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from opsportal.accounts.actors import sayings
from opsportal.accounts.changes import Change
from opsportal.console.clock import iso


@dataclass(frozen=True)
class Row:
    """`since`: what became of the actor's name; `exact`: the time in UTC; `parts`: (path, old, new)."""

    change: Change
    since: str
    exact: str
    parts: list[tuple[str, str, str]]


def rows(shown: Sequence[Change]) -> list[Row]:
    said = sayings((one.actor_id, one.actor) for one in shown)
    return [
        Row(
            one,
            since,
            iso(one.at),
            [(path, _short(old), _short(new)) for path, (old, new) in one.changed.items()],
        )
        for one, since in zip(shown, said, strict=True)
    ]


def _short(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
