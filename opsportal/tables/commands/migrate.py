"""``manage.py dynamo migrate``: create and change the tables as declared."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from opsportal.dynamo.migrations import migrate
from opsportal.tables.commands import Console

HELP = "apply the pending table migrations"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        help="only this logical table (workflows, requests, request_logs, agents); repeatable",
    )


def run(console: Console, options: dict[str, Any]) -> int:
    try:
        migrate(console.say, tables=tuple(options["table"]))
    except KeyError as error:
        raise CommandError(f"There is no table {error}; see DYNAMO_TABLES in the settings.") from error
    return 0
