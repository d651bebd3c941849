"""``manage.py dynamo seed``: sample data in development."""

from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from opsportal.environments import is_strict
from opsportal.tables.commands import Console

HELP = "put sample data into the tables of an engine on this machine; the same as load_demo"


def add_arguments(parser: CommandParser) -> None:
    """It takes none."""


def run(console: Console, options: dict[str, Any]) -> int:
    if is_strict(settings.OPSPORTAL_ENV):
        raise CommandError(f"Sample data is for dev and local; OPSPORTAL_ENV is {settings.OPSPORTAL_ENV}.")
    said = StringIO()
    call_command("load_demo", stdout=said)
    for line in said.getvalue().splitlines():
        console.say(line)
    return 0
