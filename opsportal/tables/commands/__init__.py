"""The subcommands of ``manage.py dynamo``, one module each.

A module holds ``HELP``, ``add_arguments(parser)`` and ``run(console, options)``. `run` raises `DynamoError` and
`CommandError` with what to do about it, and returns the exit status.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.core.management.base import CommandError, CommandParser

from opsportal.console.text import one_line, visible
from opsportal.dynamo.deployed import Unknown
from opsportal.dynamo.errors import DynamoError
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
    """Where a subcommand speaks and asks. `ask` gives the line typed; "" where nobody can type.

    Names, tags, keys and messages of others are in what is said, and a terminal obeys what is in them: nothing is
    written but by way of these methods, which make it harmless.
    """

    write: Callable[[str], Any]
    ask: Callable[[str], str] = field(default=_ask)
    complain: Callable[[str], Any] = field(default=_warn)

    def say(self, line: str) -> None:
        """One line, whatever is in it."""
        self.write(one_line(line))

    def show(self, document: str) -> None:
        """Lines that a program reads: JSON, Terraform. They escape for themselves what is in them."""
        self.write(visible(document))

    def warn(self, line: str) -> None:
        """What must not come between the lines of a document: to standard error."""
        self.complain(one_line(line))

    def allow(self, part: object) -> None:
        """The statement that would allow what IAM did not let us know, if `part` is such."""
        if isinstance(part, Unknown) and part.statement:
            self.show(part.statement)

    def trouble(self, error: DynamoError, *, name: str = "", mend: str = "") -> None:
        """What failed, what mends it (`mend`: better than the error knows), and the statement that would allow it."""
        self.say(f"{name}{error.sentence} {mend or error.mend}".rstrip())
        if error.statement:
            self.show(error.statement)


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
