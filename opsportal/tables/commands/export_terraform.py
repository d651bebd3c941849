"""``manage.py dynamo export-terraform``: the tables as Terraform."""

from typing import Any

from django.core.management.base import CommandParser

from opsportal.tables.commands import Console, add_tables, chosen_tables
from opsportal.tables.terraform import look, refusal, terraform

HELP = "print the tables as Terraform, with imports of those that exist"


def add_arguments(parser: CommandParser) -> None:
    add_tables(parser)
    parser.add_argument("--offline", action="store_true", help="do not call AWS: show the tables as declared")


def run(console: Console, options: dict[str, Any]) -> int:
    """Ends with 1 where a table is refused; the others are printed."""
    exported = look(chosen_tables(options["table"]), offline=options["offline"])
    console.show(terraform(exported).rstrip())
    refused = [one for one in exported if one.refused]
    for one in refused:
        console.warn(refusal(one))
    return 1 if refused else 0
