"""``manage.py dynamo migrate``: create and change the tables as declared."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from opsportal.dynamo.deployed import deployed
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.migrations import NotFound
from opsportal.dynamo.plans import Plan, carry_out, plan
from opsportal.dynamo.silence import Silence
from opsportal.dynamo.tables import Binding
from opsportal.tables.commands import Console, seed
from opsportal.tables.drift import differences

HELP = "apply the pending table migrations: show the plan, ask, create and change, verify"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "--target", default="", help="up to and including this migration; its beginning will do"
    )
    add_selection(parser)
    parser.add_argument("--plan", action="store_true", help="show the plan and change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--accept-index-rejects",
        action="store_true",
        help="add an index although DynamoDB will refuse later writes of the items that the plan names",
    )
    parser.add_argument(
        "--sample-data",
        action="store_true",
        help="in development: then load sample data, without a question (what is there is left alone)",
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
    sample_data = options.get("sample_data") and not options["plan"]
    if options.get("sample_data"):
        seed.refuse()
    try:
        todo = plan(target=options["target"], app=options["app"], tables=tuple(options["table"]))
    except NotFound as error:
        raise CommandError(str(error)) from error
    for note in todo.notes:
        console.say(note)
    for line in ["The plan:", *todo.lines()] if todo else ["No table migration is pending."]:
        console.say(line)
    existing = [one.table for one in todo.planned if one.outlook.found]
    if options["plan"] or not todo:
        _verify(console, existing)
        return seed.run(console, options) if sample_data else 0
    accepts = options["accept_index_rejects"]
    if not options["yes"] and (accepts or not _rejects(todo)):
        answer = console.ask("Do this? [yes/no] ").strip().lower()
        if answer not in ("y", "yes"):
            raise CommandError("Nothing was changed: nobody said yes. Where nobody can answer, use --yes.")
    carry_out(todo, console.say, accept_index_rejects=accepts)
    _verify(console, [*(one.table for one in todo.planned), *(table for table, _ in todo.lacking)])
    if sample_data:
        return seed.run(console, options)
    if not options["yes"] and any(not (one.outlook.found or one.migration.step.own) for one in todo.planned):
        seed.offer(console)
    return 0


def _rejects(todo: Plan) -> bool:
    return any(one.outlook.rejects for one in todo.planned)


def _verify(console: Console, tables: list[Binding]) -> None:
    """Say where these are not as declared."""
    unlike = untold = 0
    silence = Silence()
    unique = list(dict.fromkeys((table.place, table.name) for table in tables))
    for table in [next(one for one in tables if (one.place, one.name) == key) for key in unique]:
        try:
            found = silence.ask(table, deployed)
        except DynamoError as trouble:
            unlike += 1
            console.trouble(trouble, name=f"{table.name}: ")
            continue
        for one in differences(table, found):
            untold += one.unknown
            if not one.unknown:
                unlike += 1
                where = f"{table.name} in {table.region}"
                console.say(f"{where}, {one.point}: declared {one.declared}, deployed {one.deployed}")
                if one.mend:
                    console.say(f"  {one.mend}")
    if unique and not unlike:
        how_far = ", as far as can be told here" if untold else ""
        console.say(f"Verified: {len(unique)} table{'s' * (len(unique) != 1)} as declared{how_far}.")
