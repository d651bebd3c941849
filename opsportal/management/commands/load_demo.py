"""``manage.py load_demo``: demo items for every table, put where they are absent."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from opsportal.demo.load import load
from opsportal.demo.place import RefusedError, refuse_real_tables
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.tables import bindings
from opsportal.environments import is_strict


class Command(BaseCommand):
    help = (
        "Put demo data into the tables: workflows, requests with logs, and agents in every state, and some "
        "malformed items. Items that exist are left alone. Only for an engine on this machine, in dev and local."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if is_strict(settings.OPSPORTAL_ENV):
            raise CommandError(f"load_demo is for dev and local; OPSPORTAL_ENV is {settings.OPSPORTAL_ENV}.")
        try:
            refuse_real_tables(bindings(), "load_demo")
            for loaded in load(datetime.now(UTC)):
                self.stdout.write(
                    f"{loaded.table.name}: {loaded.added} added, {loaded.present} already there"
                )
        except RefusedError as refusal:
            raise CommandError(str(refusal)) from refusal
        except DynamoError as error:
            raise CommandError(f"{error.sentence} {error.mend}".strip()) from error
