"""``manage.py dynamo export-terraform``: the tables as Terraform."""

from typing import Any

from django.core.management.base import CommandParser

from opsportal.tables.commands import Console, chosen_tables
from opsportal.tables.terraform import look, terraform

HELP = "print the tables as Terraform, with imports of those that exist"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        help="only this table (workflows, requests, request_logs, agents, audit-REGION, jobs-REGION, "
        "migrations-REGION); repeatable",
    )
    parser.add_argument(
        "--offline", action="store_true", help="ask AWS nothing: the tables as declared, without imports"
    )


def run(console: Console, options: dict[str, Any]) -> int:
    exported = look(chosen_tables(options["table"]), offline=options["offline"])
    console.show(terraform(exported).rstrip())
    return 0
