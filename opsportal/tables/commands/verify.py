"""``manage.py dynamo verify``: are the tables as the console needs them?"""

import json
from typing import Any

from django.core.management.base import CommandParser

from opsportal.tables.commands import Console, add_tables, chosen_tables, whole_number
from opsportal.tables.shapes import SAMPLE
from opsportal.tables.verification import verify
from opsportal.tables.verification_report import as_data, lines, summary

HELP = "compare the tables as deployed with their declarations, and a sample of their items with the models"
MOST = 10_000


def add_arguments(parser: CommandParser) -> None:
    add_tables(parser)
    parser.add_argument(
        "--sample",
        type=whole_number(0, MOST),
        default=SAMPLE,
        metavar="N",
        help=f"read up to N items of each table (default {SAMPLE}; 0: none), which costs read units",
    )
    parser.add_argument(
        "--write-test",
        action="store_true",
        help="also put, read and delete one marked item in each table",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(console: Console, options: dict[str, Any]) -> int:
    verifications = []
    chosen = chosen_tables(options["table"])
    for made in verify(
        (one.table for one in chosen), sample_size=options["sample"], write=options["write_test"]
    ):
        verifications.append(made)
        if not options["json"]:
            for line in (*lines(made), ""):
                console.say(line)
    if options["json"]:
        console.show(json.dumps(as_data(verifications), indent=2))
    else:
        console.say(summary(verifications))
    return 1 if any(made.breaks for made in verifications) else 0
