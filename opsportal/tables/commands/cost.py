"""``manage.py dynamo cost``: what the tables cost a month, estimated and as really used."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from opsportal.dynamo.json_values import as_json
from opsportal.tables.commands import Console, whole_number
from opsportal.tables.cost_report import as_json as data
from opsportal.tables.cost_report import report
from opsportal.tables.cost_text import lines
from opsportal.tables.modes import PEAK_FACTOR

HELP = "what the tables cost a month: estimated, as really used, and on demand against provisioned"

MOST = 1_000_000_000
# The hours of a month: all of it in one of them.
MAX_FACTOR = 720


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--workflows-per-day", type=whole_number(0, MOST), metavar="N", help="default: seed 000's 1,000"
    )
    parser.add_argument("--requests-per-day", type=whole_number(0, MOST), metavar="N", help="default: 100")
    parser.add_argument(
        "--peak-factor",
        type=whole_number(1, MAX_FACTOR),
        default=PEAK_FACTOR,
        metavar="N",
        help="the busiest hour as a multiple of the average one, for tables that CloudWatch has no figures of; "
        f"default: {PEAK_FACTOR}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(console: Console, options: dict[str, Any]) -> int:
    given = {"workflow": options["workflows_per_day"], "request": options["requests_per_day"]}
    try:
        per_day = {event: number for event, number in given.items() if number is not None}
        found = report(per_day, options["peak_factor"])
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    if options["json"]:
        console.show(as_json(data(found), indent="  "))
    else:
        for line in lines(found):
            console.say(line)
    return 0
