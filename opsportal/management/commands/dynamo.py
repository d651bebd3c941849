"""``manage.py dynamo migrate``: create the tables that this deployment lacks."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.migrations import migrate


class Command(BaseCommand):
    help = "Create and change the DynamoDB tables."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        command = commands.add_parser("migrate", help="apply the pending table migrations")
        command.add_argument(
            "--table",
            action="append",
            default=[],
            help="only this logical table (workflows, requests, request_logs, agents); repeatable",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            migrate(self.stdout.write, tables=tuple(options["table"]))
        except KeyError as error:
            raise CommandError(f"There is no table {error}; see DYNAMO_TABLES in the settings.") from error
        except DynamoError as error:
            raise CommandError(f"{error.sentence} {error.mend}".strip()) from error
