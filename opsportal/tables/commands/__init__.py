"""The subcommands of ``manage.py dynamo``, one module each.

A module holds ``HELP``, ``add_arguments(parser)`` and ``run(console, options)``. `run` raises `DynamoError` and
`CommandError` with what to do about it, and returns the exit status.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.core.management.base import CommandError, CommandParser

from opsportal.tables.overview import Shown, shown_tables


def _ask(question: str) -> str:
    try:
        return input(question) if sys.stdin.isatty() else ""
    except EOFError:  # Ctrl-D
        return ""


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


@dataclass(frozen=True)
class Console:
    """Where a subcommand speaks and asks. `ask` gives the line typed; "" where nobody can type. `warn` is for what
    must not come between the lines of a document that is printed: it goes to standard error."""

    say: Callable[[str], Any]
    ask: Callable[[str], str] = field(default=_ask)
    warn: Callable[[str], Any] = field(default=_warn)


class Subcommand(Protocol):
    HELP: str

    def add_arguments(self, parser: CommandParser) -> None: ...

    def run(self, console: Console, options: dict[str, Any]) -> int: ...


def chosen_tables(keys: Sequence[str]) -> list[Shown]:
    """The tables of those names, in the page's order; all where none is named. Raises CommandError."""
    shown = {one.key: one for one in shown_tables()}
    for key in keys:
        if key not in shown:
            raise CommandError(f"There is no table {key!r}; there are {', '.join(shown)}.")
    return [one for key, one in shown.items() if not keys or key in keys]
