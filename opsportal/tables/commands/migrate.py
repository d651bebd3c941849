"""``manage.py dynamo migrate``: create and change the tables as declared."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from opsportal.dynamo.circuit_breaker import CircuitBreaker
from opsportal.dynamo.deployed import deployed
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.migrations import NotFound
from opsportal.dynamo.plans import carry_out, plan, refuse_unaccepted
from opsportal.dynamo.tables import Binding
from opsportal.tables.commands import Console, indexes, seed
from opsportal.tables.drift import differences

HELP = "apply the pending table migrations: show the plan, ask, create and change, verify"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--target", default="", help="up to and including this migration; a prefix is enough")
    add_selection(parser)
    parser.add_argument("--plan", action="store_true", help="show the plan and change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    parser.add_argument(
        "--accept-index-rejects",
        action="store_true",
        help="add an index although DynamoDB will refuse later writes of the items that the plan names",
    )
    parser.add_argument(
        "--sample-data",
        action="store_true",
        help="in development: then load sample data without asking (existing items stay)",
    )
    parser.add_argument(
        "--accept-unlisted",
        action="store_true",
        help="add an index although some items lack its key attributes and would not be in it",
    )
    parser.add_argument(
        "--add-indexes",
        action="store_true",
        help="with --table: also add the declared indexes that the table lacks, whichever program created it",
    )
    parser.add_argument(
        "--drop-index",
        default="",
        metavar="NAME",
        help="with --table: only remove this declared index, if migrate added it",
    )
    parser.add_argument(
        "--confirm-name",
        action="append",
        default=[],
        metavar="TABLE",
        help="outside development and without a terminal: the name of another program's table whose indexes change",
    )


def add_selection(parser: CommandParser) -> None:
    """``--app`` and ``--table``, which more than one command takes."""
    parser.add_argument(
        "--app", default="", help="only this app's: tracking, requests_app, registry, operations"
    )
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        help="of other programs' tables only this logical one (workflows, requests, request_logs, agents); repeatable",
    )


def run(console: Console, options: dict[str, Any]) -> int:
    if options["drop_index"]:
        if options["add_indexes"]:
            raise CommandError("Use --add-indexes or --drop-index, not both.")
        return indexes.drop(console, options)
    sample_data = options.get("sample_data") and not options["plan"]
    if options.get("sample_data"):
        seed.refuse()
    try:
        todo = plan(
            target=options["target"],
            app=options["app"],
            tables=tuple(options["table"]),
            add_indexes=options["add_indexes"],
        )
    except NotFound as error:
        raise CommandError(str(error)) from error
    for note in todo.notes:
        console.say(note)
    said = ["The plan:", *todo.lines(), *indexes.index_lines(todo)]
    for line in said if todo else [todo.nothing]:
        console.say(line)
    existing = [one.table for one in todo.planned if one.outlook.found]
    if options["plan"] or not todo:
        _verify(console, existing)
        return seed.run(console, options) if sample_data else 0
    accepted = {name: options[name] for name in ("accept_index_rejects", "accept_unlisted")}
    refuse_unaccepted(todo, **accepted)
    if not options["yes"]:
        indexes.yes_or_no(console)
    foreign = [one.table for one in todo.planned if one.foreign]
    indexes.confirm_names(console, foreign, "add the indexes to it", options)
    carry_out(todo, console.say, **accepted)
    _verify(console, [*(one.table for one in todo.planned), *(table for table, _ in todo.lacking)])
    if sample_data:
        return seed.run(console, options)
    if not options["yes"] and any(not (one.outlook.found or one.migration.step.own) for one in todo.planned):
        seed.offer(console)
    return 0


def _verify(console: Console, tables: list[Binding]) -> None:
    """Say where these are not as declared."""
    unlike = untold = 0
    breaker = CircuitBreaker()
    unique = list(dict.fromkeys((table.location, table.name) for table in tables))
    for table in [next(one for one in tables if (one.location, one.name) == key) for key in unique]:
        try:
            found = breaker.ask(table, deployed)
        except DynamoError as problem:
            unlike += 1
            console.problem(problem, name=f"{table.name}: ")
            continue
        for one in differences(table, found):
            untold += one.unknown
            if not one.unknown:
                unlike += 1
                where = f"{table.name} in {table.region}"
                console.say(f"{where}, {one.point}: declared {one.declared}, deployed {one.deployed}")
                for line in filter(None, (one.consequence, one.fix)):
                    console.say(f"  {line}")
    if unique and not unlike:
        how_far = ", as far as this engine reports it" if untold else ""
        console.say(f"Verified: {len(unique)} table{'s' * (len(unique) != 1)} as declared{how_far}.")
