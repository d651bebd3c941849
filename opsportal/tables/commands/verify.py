"""``manage.py dynamo verify``: are the tables as the console needs them?"""

import argparse
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from opsportal.dynamo.tables import Binding
from opsportal.tables.commands import Console
from opsportal.tables.shapes import SAMPLE
from opsportal.tables.verification import verifiable, verify
from opsportal.tables.verification_report import as_data, lines, summary

HELP = "compare the tables as deployed with their declarations, and a sample of their items with the models"
MOST = 10_000


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        help="only this logical table (workflows, requests, request_logs, agents, or audit, jobs, migrations); "
        "repeatable",
    )
    parser.add_argument(
        "--sample",
        type=_size,
        default=SAMPLE,
        metavar="N",
        help=f"look at up to N items of each table (default {SAMPLE}; 0: none), which costs read units",
    )
    parser.add_argument(
        "--write-test",
        action="store_true",
        help="also put, read and delete one marked item in each table",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(console: Console, options: dict[str, Any]) -> int:
    verifications = []
    chosen = _chosen(options["table"])
    for made in verify(chosen, sample_size=options["sample"], write=options["write_test"]):
        verifications.append(made)
        if not options["json"]:
            for line in (*lines(made), ""):
                console.say(line)
    if options["json"]:
        console.show(json.dumps(as_data(verifications), indent=2))
    else:
        console.say(summary(verifications))
    return 1 if any(made.breaks for made in verifications) else 0


def _chosen(logicals: list[str]) -> list[Binding]:
    tables = verifiable()
    known = list(dict.fromkeys(table.logical for table in tables))
    for logical in logicals:
        if logical not in known:
            raise CommandError(f"There is no table {logical!r}; there are {', '.join(known)}.")
    return [table for table in tables if not logicals or table.logical in logicals]


def _size(text: str) -> int:
    size = int(text) if text.isdecimal() else -1
    if not 0 <= size <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {MOST}")
    return size
