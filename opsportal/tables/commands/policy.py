"""``manage.py dynamo policy``: the least IAM policy for a role."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from opsportal.tables.commands import Console
from opsportal.tables.grants import PLACEHOLDER
from opsportal.tables.permissions import ROLES, features
from opsportal.tables.policy import INLINE, MANAGED, document, parts, size, statements, terraform
from opsportal.tables.policy_context import PolicyContext, look

HELP = "print the least IAM policy for a role"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--role",
        choices=ROLES,
        default="operator",
        help="; ".join(f"{role}: {does}" for role, does in ROLES.items()) + ". Default: operator",
    )
    parser.add_argument("--format", choices=("json", "terraform"), default="json")
    parser.add_argument("--account", default="", help="its number; default: the credentials', by STS")
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        choices=list(settings.DYNAMO_TABLES),
        help="for a migrator outside development: another program's table that it may create and change too; for a "
        "writer: the only table that it writes; repeatable",
    )
    parser.add_argument(
        "--part", type=int, default=None, help="only the n-th of the policies that keep to IAM's size"
    )
    parser.add_argument("--offline", action="store_true", help="do not call AWS: use the tables as declared")


def run(console: Console, options: dict[str, Any]) -> int:
    role, account = options["role"], options["account"]
    if account and not (account.isascii() and account.isdigit() and len(account) == 12):
        raise CommandError("--account must be 12 digits.")
    if options["table"] and role not in ("migrator", "writer"):
        raise CommandError(
            "--table is for --role migrator and --role writer: the console itself reads all tables."
        )
    known = PolicyContext() if options["offline"] else look(features(role, options["table"]))
    for note in known.notes:
        if not (account and "--account" in note):
            console.warn(note)
    allowed = statements(
        role, account or known.account or PLACEHOLDER, known.found, known.keys, tuple(options["table"])
    )
    divided = parts(allowed)
    if options["part"] is not None:
        if not 1 <= options["part"] <= len(divided):
            raise CommandError(f"--part is 1 to {len(divided)}.")
        allowed = divided[options["part"] - 1]
        divided = [allowed]
    elif len(divided) > 1:
        console.warn(_too_large(size(allowed), len(divided), options["format"]))
    if options["format"] == "terraform":
        console.show(terraform(role, divided).rstrip("\n"))
    else:
        console.show(json.dumps(document(allowed), indent=2))
    return 0


def _too_large(characters: int, pieces: int, wanted: str) -> str:
    said = (
        f"{characters:,} characters without white space are more than the {MANAGED:,} of a managed policy: "
    )
    if wanted == "terraform":
        return said + f"it is divided into {pieces}."
    inline = f", or make it a role's inline policy, of at most {INLINE:,}" if characters <= INLINE else ""
    return said + f"attach {pieces} instead, with --part 1 to --part {pieces}{inline}."
