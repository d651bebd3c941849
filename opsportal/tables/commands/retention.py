"""``manage.py dynamo retention``: what the worker would give an expiry, or give it now."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from opsportal.accounts.actors import COMMAND
from opsportal.console.templatetags.lists import ident_text
from opsportal.dynamo.ledger import who
from opsportal.operations.entries import Actor
from opsportal.operations.outcomes import OutcomeUnknown, Refused
from opsportal.operations.switch import OFF
from opsportal.tables.commands import Console
from opsportal.tables.retention.chore import obstacle, work
from opsportal.tables.retention.rules import MAX_DAYS, RetentionPolicy, Rule, rules
from opsportal.tables.retention.stamping import keep
from opsportal.tables.retention.sweeps import NAMED, Preview, Sweep, preview, sweeps

HELP = "show which old requests and logs the worker would give an expiry; --apply does it now"


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--apply", action="store_true", help="set the expiries now, as the worker does")
    parser.add_argument("--yes", action="store_true", help="with --apply: do not ask")
    parser.add_argument("--request-days", type=int, help="in place of RETENTION_REQUEST_DAYS")
    parser.add_argument("--log-days", type=int, help="in place of RETENTION_LOG_DAYS")
    parser.add_argument("--keep", metavar="REQUEST_ID", help="remove the expiry, and never set one again")
    parser.add_argument("--reason", default="", help="with --keep: for the audit trail")


def run(console: Console, options: dict[str, Any]) -> int:
    if options["keep"]:
        return _keep(console, options["keep"], options["reason"])
    if options["reason"]:
        raise CommandError("--reason needs --keep.")
    lives = RetentionPolicy.configured()
    for name, given in (("items", options["request_days"]), ("logs", options["log_days"])):
        if given is not None:
            if not 0 <= given <= MAX_DAYS:
                raise CommandError(f"A number of days is 0, for never, to {MAX_DAYS:,}; not {given}.")
            lives = replace(lives, **{name: given})
    status, stamps = 0, 0
    ready: list[Sweep] = []
    for rule in rules():
        _say_settings(console, rule, lives)
        for sweep in sweeps(rule, lives):
            why = obstacle(sweep, lives)
            found = preview(sweep)
            _say(console, found, why)
            if why:
                status = 1
            else:
                ready.append(sweep)
                stamps += found.stamps
    if not options["apply"]:
        return status
    if not ready:
        raise CommandError("No item needs an expiry. See above.")
    if settings.ACTIONS_OFF:
        raise CommandError(OFF)
    if not options["yes"] and console.ask("Stamp them? Type yes: ").strip() != "yes":
        raise CommandError("No expiry was set. Type yes, or use --yes to skip the confirmation.")
    for sweep in ready:
        _apply(console, sweep, lives)
    return status


def _say_settings(console: Console, rule: Rule, lives: RetentionPolicy) -> None:
    for setting, days, table in (
        ("RETENTION_REQUEST_DAYS", lives.items, rule.table),
        ("RETENTION_LOG_DAYS", lives.logs, rule.logs_table),
    ):
        if not days:
            console.say(f"{table.name}: off. Set {setting} to a number of days to switch it on.")


def _say(console: Console, found: Preview, why: str) -> None:
    table, days = found.sweep.table, "day" if found.sweep.days == 1 else "days"
    console.say(f"{table.name} in {table.region}: finished, and {found.sweep.days} {days} old")
    if why:
        console.say(f"  Nothing would be stamped. {why}")
    cap = f" (of the first {found.read} that were read; there are more)" if found.more else ""
    console.say(f"  {found.stamps} to stamp{cap}, for about {found.units} write units")
    if found.oldest and found.newest:
        console.say(
            f"  last touched between {found.oldest:%Y-%m-%d %H:%M} and {found.newest:%Y-%m-%d %H:%M} UTC"
        )
    if found.stamps and not found.sweep.of_logs:
        console.say("  and, while RETENTION_LOG_DAYS is not 0, the logs of each")
    for verdict, number in sorted(found.verdicts.items(), key=lambda pair: -pair[1]):
        if verdict.name != "STAMP":
            console.say(f"  {number} passed by: {verdict.value}")
    for key, touched in found.first:
        console.say(f"    {ident_text(key)}  {f'{touched:%Y-%m-%d %H:%M}' if touched else ''}".rstrip())
    if found.stamps > NAMED:
        console.say(f"    and {found.stamps - NAMED} more")


def _apply(console: Console, sweep: Sweep, lives: RetentionPolicy) -> None:
    expiry = datetime.fromtimestamp(lives.expiry(datetime.now(UTC)), UTC)
    console.say(f"Stamping {sweep.table.name}; what is stamped now expires {expiry:%Y-%m-%d %H:%M} UTC.")
    total, first = 0, True
    while True:
        worked = work(sweep, lives, over=lambda: False, forced=first)
        first = False
        total += worked.count
        if worked.elsewhere:
            raise CommandError(f"{total} stamped here; a worker is working on this table now, and continues.")
        if worked.ended:
            console.say(f"  {total} stamped.{' The audit trail has an entry of it.' if total else ''}")
            return
        console.say(f"  {total} so far; the units of this minute are used up (RETENTION_UNITS_PER_MINUTE)")
        time.sleep(worked.wait)


def _keep(console: Console, key: str, reason: str) -> int:
    for rule in rules():
        try:
            done, logs = keep(rule, key, by=Actor(who(), "command line", COMMAND), reason=reason)
        except (Refused, OutcomeUnknown) as refused:
            raise CommandError(f"{ident_text(key)}: {refused.sentence}") from refused
        console.say(f"{ident_text(key)} is kept, with {logs} logs; entry {done.entry.action_id}.")
    return 0
