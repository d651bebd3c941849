"""The subcommands of ``manage.py dynamo``, one module each.

A module holds ``HELP``, ``add_arguments(parser)`` and ``run(console, options)``. `run` raises `DynamoError` and
`CommandError` with what to do about it, and returns the exit status.
"""

import sys
from argparse import ArgumentTypeError
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

    def agreed(self, question: str) -> bool:
        """Whether the answer is yes."""
        return self.ask(question).strip().lower() in ("y", "yes")

    def allow(self, part: object) -> None:
        """The statement that would allow what IAM did not let us know, if `part` is such."""
        if isinstance(part, Unknown) and part.statement:
            self.show(part.statement)

    def problem(self, error: DynamoError, *, name: str = "", fix: str = "") -> None:
        """What failed, its fix (`fix`: a better one than the error's), and the statement that would allow it."""
        self.say(f"{name}{error.sentence} {fix or error.fix}".rstrip())
        if error.statement:
            self.show(error.statement)


class Subcommand(Protocol):
    HELP: str

    def add_arguments(self, parser: CommandParser) -> None: ...

    def run(self, console: Console, options: dict[str, Any]) -> int: ...


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """The type of an argument: a number within these."""

    def read(text: str) -> int:
        number = int(text) if text.isdecimal() else low - 1
        if not low <= number <= high:
            raise ArgumentTypeError(f"{text!r} is not a number from {low} to {high:,}")
        return number

    return read


def add_tables(parser: CommandParser) -> None:
    """``--table``, as `chosen_tables` takes it."""
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        help="only this table (workflows, requests, request_logs, agents, audit-REGION, jobs-REGION, "
        "migrations-REGION; without -REGION in every region); repeatable",
    )


def chosen_tables(keys: Sequence[str]) -> list[Shown]:
    """The tables of those names, in the page's order; all where none is named. One of the console's own goes by its
    region too (``audit-us-east-1``), or by its name alone in every region. Raises CommandError."""
    shown = shown_tables()
    known = dict.fromkeys([*(one.key for one in shown), *(one.table.logical for one in shown)])
    for key in keys:
        if key not in known:
            raise CommandError(f"There is no table {key!r}; there are {', '.join(known)}.")
    return [one for one in shown if not keys or {one.key, one.table.logical} & set(keys)]
