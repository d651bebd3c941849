"""``manage.py dynamo backup``: back up now, list backups, and what the tables can be restored to."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from opsportal.dynamo.backups import backups, create_backup
from opsportal.dynamo.circuit_breaker import CircuitBreaker
from opsportal.dynamo.deployed import Deployed, Recovery, Unknown, deployed
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.migrations import place_text
from opsportal.dynamo.steps import size_text
from opsportal.dynamo.tables import Binding
from opsportal.tables.commands import Console, add_tables, chosen_tables

HELP = "make an on-demand backup, list them, or show how to restore"
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        default="list",
        choices=("list", "create", "restore"),
        help="list: backups, and what point-in-time recovery covers; create: back up now (needs --table); "
        "restore: the AWS CLI commands that restore, which this tool leaves to you",
    )
    add_tables(parser)


def run(console: Console, options: dict[str, Any]) -> int:
    """1 where a table could not be read or backed up."""
    chosen = chosen_tables(options["table"])
    if options["what"] == "create" and not options["table"]:
        raise CommandError(
            f"Name what to back up: --table with one of {', '.join(one.key for one in chosen)}."
        )
    do = {"list": _list, "create": _create, "restore": _restore}[options["what"]]
    failed, breaker = False, CircuitBreaker()
    for one in chosen:
        console.say(f"{one.key}: {one.table.name}, {place_text(one.table)}")
        try:
            failed = not do(console, one.table, breaker.ask(one.table, deployed)) or failed
        except DynamoError as problem:
            failed = True
            console.problem(problem, name="  ")
    return int(failed)


def _list(console: Console, table: Binding, there: Deployed) -> bool:
    recovery = there.recovery
    console.say(f"  point-in-time recovery: {_recovery_text(recovery)}")
    console.allow(recovery)
    found = backups(table)
    if isinstance(found, Unknown):
        console.say(f"  on-demand backups: {found}")
        console.allow(found)
        return not found.denied
    console.say(f"  on-demand backups: {len(found) or 'none'}")
    for one in found:
        at = one.created_at.strftime(STAMP) if one.created_at else "?"
        console.say(f"    {at} {one.name}, {one.state}, {one.kind}, {size_text(one.size)}: {one.arn}")
    return not (isinstance(recovery, Unknown) and recovery.denied)


def _recovery_text(recovery: Recovery | Unknown) -> str:
    if isinstance(recovery, Unknown):
        return str(recovery)
    if not recovery.enabled:
        return "off"
    if not (recovery.earliest and recovery.latest):
        return "on"
    return f"any second from {recovery.earliest.strftime(STAMP)} to {recovery.latest.strftime(STAMP)}"


def _create(console: Console, table: Binding, there: Deployed) -> bool:
    made = create_backup(table, say=console.say)
    if isinstance(made, Unknown):
        console.say(f"  on-demand backups: {made}; none was made")
        return False
    console.say(f"  {made.state}: {made.name}, {size_text(made.size)}: {made.arn}")
    return True


def _restore(console: Console, table: Binding, there: Deployed) -> bool:
    """A restore makes a new table, under a name that is not taken, without TTL, tags, alarms and recovery."""
    target, where = f"{table.name}-restored", f"--region {table.region}"
    if table.endpoint:
        where += f" --endpoint-url {table.endpoint}"
    found, recovery = backups(table), there.recovery
    if isinstance(recovery, Recovery) and recovery.enabled and recovery.latest:
        console.say("  # to a second between the two that `backup list` shows")
        console.say(
            f"  aws dynamodb restore-table-to-point-in-time --source-table-name {table.name} "
            f"--target-table-name {target} --restore-date-time {recovery.latest.strftime(STAMP)} {where}"
        )
    for one in [] if isinstance(found, Unknown) else found:
        if one.state == "AVAILABLE":
            console.say(f"  # {one.name}")
            console.say(
                f"  aws dynamodb restore-table-from-backup --target-table-name {target} --backup-arn {one.arn} {where}"
            )
            break
    else:
        if not (isinstance(recovery, Recovery) and recovery.enabled):
            console.say(
                f"  nothing to restore from: point-in-time recovery {_recovery_text(recovery)}, no backup"
            )
            return True
    console.say(
        f"  # the restored table has no TTL, tags, alarms or recovery: point DYNAMODB_{table.logical.upper()}_TABLE at "
        "it, then python manage.py dynamo verify says what to turn on"
        if table.logical not in ("audit", "jobs", "migrations")
        else "  # the restored table has no TTL, tags or recovery, and a name that the console does not read"
    )
    return True
