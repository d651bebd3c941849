"""``manage.py dynamo alarms``: CloudWatch alarms for throttles, system errors and age."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from opsportal.aws import ServiceTrouble
from opsportal.dynamo.deployed import UNKNOWN_HERE
from opsportal.tables.alarms import Change, RegionPlan, carry_out, is_topic_in, plan, regions_of
from opsportal.tables.commands import Console, add_tables, chosen_tables

HELP = "create, show and remove CloudWatch alarms for throttles, system errors and age"
SIGNS = {"create": "+", "change": "~", "keep": "=", "remove": "-", "foreign": "!"}
DONE = {"create": "created", "change": "changed", "remove": "removed"}


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--plan", action="store_true", help="show what would be done, and do nothing")
    parser.add_argument("--remove", action="store_true", help="remove the alarms that this command made")
    parser.add_argument(
        "--sns-topic",
        action="append",
        default=[],
        metavar="ARN",
        help="the SNS topic to notify, in the alarms' region; once per region",
    )
    add_tables(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask for confirmation")


def run(console: Console, options: dict[str, Any]) -> int:
    """1 where CloudWatch refused, an alarm is somebody else's, or nobody agreed."""
    tables = chosen_tables(options["table"])
    for topic in options["sns_topic"]:
        if not is_topic_in(topic, regions_of(tables)):
            raise CommandError(
                f"{topic} is not the ARN of a standard SNS topic in {' or '.join(regions_of(tables))}: an alarm can "
                "only notify one in its own region."
            )
    plans = plan(tables, topics=options["sns_topic"], every=not options["table"], remove=options["remove"])
    failed = False
    for one in plans:
        failed = not _show(console, one) or failed
    wanted = sum(change.does for one in plans for change in one.changes)
    if options["plan"]:
        return int(failed)
    if not wanted:
        console.say("Nothing to do.")
        return int(failed)
    if not options["yes"] and not console.agreed(f"Carry out {_many(wanted)}? [y/N] "):
        console.say("Nothing was changed. Use --yes to skip the confirmation.")
        return 1
    for one in plans:
        failed = not _do(console, one) or failed
    return int(failed)


def _many(number: int) -> str:
    return f"{number} change{'' if number == 1 else 's'}"


def _show(console: Console, one: RegionPlan) -> bool:
    if one.problem is not None:
        return _trouble(console, one.region, one.problem)
    console.say(f"{one.region}: {len(one.changes) or 'no'} alarm{'' if len(one.changes) == 1 else 's'}")
    for change in one.changes:
        console.say(f"  {SIGNS[change.what]} {change.name}{_more(change)}")
        for detail in change.details:
            console.say(f"      {detail}")
    for note in one.notes:
        console.say(f"  {note}")
    return all(change.what != "foreign" for change in one.changes)


def _more(change: Change) -> str:
    if change.what == "foreign":
        return " was made by another program, and stays as it is"
    return f" ({change.state})" if change.state else ""


def _trouble(console: Console, region: str, problem: ServiceTrouble) -> bool:
    console.say(f"{region}: {problem.why}")
    if problem.statement:
        console.show(problem.statement)
    return problem.why == UNKNOWN_HERE


def _do(console: Console, one: RegionPlan) -> bool:
    try:
        for change in carry_out(one):
            console.say(f"{one.region}: {DONE[change.what]} {change.name}")
    except ServiceTrouble as problem:
        return _trouble(console, one.region, problem)
    return True
