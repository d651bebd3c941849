"""``manage.py dynamo seed``: sample data in development. It is `load_demo`, by whichever command it is asked for."""

from io import StringIO
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from opsportal.dynamo import clients
from opsportal.dynamo.errors import DynamoError, translated
from opsportal.dynamo.tables import bindings
from opsportal.tables.commands import Console

HELP = "put sample data into the tables of an engine on this machine; the same as load_demo"
QUESTION = "The tables are empty. Load sample data, a week of a made-up company? [yes/no] "


def add_arguments(parser: CommandParser) -> None:
    """It takes none."""


def run(console: Console, options: dict[str, Any]) -> int:
    said = StringIO()
    call_command("load_demo", stdout=said)
    for line in said.getvalue().splitlines():
        console.say(line)
    return 0


def refuse() -> None:
    """Raise CommandError, with the reason, where sample data has no place."""
    call_command("load_demo", check=True)


def offer(console: Console) -> None:
    """Ask whether to load it, where it has a place and the tables are there and empty. Loading raises
    CommandError."""
    try:
        refuse()
    except CommandError:
        return
    if _all_empty() and console.agreed(QUESTION):
        run(console, {})


def _all_empty() -> bool:
    """Whether all tables of other programs are there and hold nothing: one read each. Not where that can't be
    known: an offer must not fail what has succeeded."""
    for table in bindings():
        client = clients.client(*table.location, background=True)
        try:
            with translated(table):
                page = client.scan(TableName=table.name, Limit=1, Select="COUNT")
        except DynamoError:
            return False
        if page["Count"]:
            return False
    return True
