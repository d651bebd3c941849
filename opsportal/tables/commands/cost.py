"""``manage.py dynamo cost``: what the tables cost a month, estimated and as really used."""

import json
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from opsportal.tables.commands import Console
from opsportal.tables.cost_report import as_json, report
from opsportal.tables.cost_text import lines

HELP = "what the tables cost a month: estimated from their declarations, and as really used"


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 1_000_000_000:
        raise ValueError(text)
    return number


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--workflows-per-day", type=_number, metavar="N", help="default: seed 000's 1,000")
    parser.add_argument("--requests-per-day", type=_number, metavar="N", help="default: 100")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(console: Console, options: dict[str, Any]) -> int:
    given = {"workflow": options["workflows_per_day"], "request": options["requests_per_day"]}
    try:
        found = report({event: number for event, number in given.items() if number is not None})
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    if options["json"]:
        console.show(json.dumps(as_json(found), indent=2))
    else:
        for line in lines(found):
            console.say(line)
    return 0
