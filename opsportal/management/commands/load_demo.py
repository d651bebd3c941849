"""``manage.py load_demo``: demo items for every table, put where they are absent."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.demo import failures, history
from opsportal.demo.load import load, moment_of
from opsportal.demo.place import RefusedError, refuse_real_tables, refuse_strict_environment
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.tables import bindings
from opsportal.operations.switch import OFF


class Command(BaseCommand):
    help = (
        "Put demo data into the tables: a company's week of workflows, requests with logs, agents, actions of its "
        "people and alert rules. Items that exist are left alone. Only for an engine on this machine, in dev and local."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--hostile",
            action="store_true",
            help="also items as careless, broken or hostile writers leave them: markup, control characters, "
            "wrong types, odd spellings",
        )
        parser.add_argument(
            "--check", action="store_true", help="say whether it may be loaded here, load nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            refuse_strict_environment("Sample data")
            refuse_real_tables(bindings(), "load_demo")
            if options["check"]:
                return
            if settings.ACTIONS_OFF:  # its past is made of actions
                raise CommandError(OFF)
            now = moment_of(datetime.now(UTC))
            for loaded in load(now, with_hostile=options["hostile"]):
                self.stdout.write(
                    f"{loaded.table.name}: {loaded.added} added, {loaded.present} already there"
                )
            self.stdout.write(history.make(now))
            self.stdout.write(failures.make(now))
        except RefusedError as refusal:
            raise CommandError(str(refusal)) from refusal
        except DynamoError as error:
            raise CommandError(f"{error.sentence} {error.fix}".strip()) from error
