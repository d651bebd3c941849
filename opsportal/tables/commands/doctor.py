"""``manage.py dynamo doctor``: find why something does not work. It changes nothing."""

import json
import logging
from typing import Any

from django.core.management.base import CommandParser

from opsportal.tables.commands import Console
from opsportal.tables.doctor import FAIL, examine
from opsportal.tables.doctor.findings import lines, summary
from opsportal.tables.permissions import ROLES

HELP = "find why something does not work: credentials, tables, permissions, clock, queues, database"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--role",
        choices=ROLES,
        default="operator",
        help="whose permissions are probed, with the credentials that this process has (default: operator)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(console: Console, options: dict[str, Any]) -> int:
    # What is wrong is said below; the log's traces would stand between the lines.
    logging.disable(logging.ERROR)
    try:
        findings = examine(options["role"])
    finally:
        logging.disable(logging.NOTSET)
    failed = any(finding.state == FAIL for finding in findings)
    if options["json"]:
        answer = {"ok": not failed, "findings": [finding.as_json() for finding in findings]}
        console.show(json.dumps(answer, indent=2))
    else:
        for line in lines(findings):
            console.say(line)
        console.say(summary(findings))
    return int(failed)
