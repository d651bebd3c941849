"""``manage.py bulk ...``: jobs from a shell, as their pages and the API have them."""

import signal
import sys
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from pathlib import Path
from time import sleep
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.accounts.ids import COMMAND
from opsportal.api.problems import Invalid
from opsportal.console.text import one_line, visible
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.json_values import as_json
from opsportal.dynamo.ledger import who
from opsportal.jobs import answers, control, store, texts
from opsportal.jobs.asked import PaceValues
from opsportal.jobs.job import Job, Outcome, Pace, State
from opsportal.jobs.measures import measure
from opsportal.jobs.members import members
from opsportal.jobs.selection import RANGE, Selection, selected
from opsportal.operations.bulk import all_bulk
from opsportal.operations.entries import Actor
from opsportal.operations.outcomes import OutcomeUnknown, Refused

# Seconds between two looks at a job that is waited for.
LOOK_EVERY = 1.0
# The exit code where a job did not end as was asked for.
OTHERWISE = 3
INTERRUPTED = "Interrupted. The job goes on: `bulk show` says how far it is, `bulk stop` ends it."


class Command(BaseCommand):
    help = "Act on many items at once: preview, start, watch, stop and undo jobs. A worker carries them out."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)

        def add(
            name: str, said: str, *, of_job: bool = True, reason: bool = False, wait: bool = False
        ) -> ArgumentParser:
            made: ArgumentParser = commands.add_parser(name, help=said)
            if of_job:
                made.add_argument("id")
            if reason:
                made.add_argument("--reason", default="", help="for the audit trail")
            if wait:
                made.add_argument("--wait", action="store_true", help="until it is done, or can't go on")
            return made

        preview = add(
            "preview", "make a job, whose set a worker freezes", of_job=False, reason=True, wait=True
        )
        preview.add_argument("action", help="such as requests.retry")
        preview.add_argument(
            "--filter",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a parameter of the list; repeatable",
        )
        preview.add_argument("--range", help="1h, 24h, 7d, 30d or all, which is the default")
        preview.add_argument("--from", help="a time in ISO 8601, in place of --range")
        preview.add_argument("--to", help="a time in ISO 8601, in place of --range")
        preview.add_argument("--all", action="store_true", help="that everything is meant")
        preview.add_argument(
            "--key", action="append", default=[], help="an item's id in place of a filter; repeatable"
        )
        preview.add_argument("--keys-file", metavar="FILE", help="ids, one a line; - for standard input")
        _add_allowances(preview)
        _add_pace(preview)
        start = add("start", "start a job that is ready", wait=True)
        start.add_argument(
            "--expected", type=int, help="refuse it where it would act on another number of items"
        )
        add("list", "the newest jobs, open ones first", of_job=False)
        add("show", "one job", wait=True).add_argument(
            "--json", action="store_true", help="as the API answers it"
        )
        add("pause", "pause a running job", reason=True)
        add("resume", "resume a paused or halted one", reason=True, wait=True)
        stop = add("stop", "end a job for good; what is done stays done", of_job=False, reason=True)
        stop.add_argument("id", nargs="?")
        stop.add_argument("--all", action="store_true", help="every open job of every region")
        _add_pace(add("pace", "give a job another pace"), required=True)
        again = add(
            "retry-failed", "a new job on the items that failed, which starts itself", reason=True, wait=True
        )
        _add_allowances(again)
        add("undo", "a new job that undoes this one, and starts itself", reason=True, wait=True)
        items = add("items", "the items of a job, and what became of each")
        items.add_argument("--outcome", choices=[one.value for one in Outcome])

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            status = getattr(self, f"_{options['command'].replace('-', '_')}")(options)
        except DynamoError as error:
            said = one_line(f"{error.sentence} {error.fix}".strip())
            raise CommandError("\n".join(filter(None, (said, visible(error.statement))))) from error
        except (Refused, OutcomeUnknown) as error:
            raise CommandError(visible(error.sentence)) from error
        except Invalid as error:
            raise CommandError(visible(error.detail.replace("/filter/", ""))) from error
        except KeyboardInterrupt:
            raise CommandError(INTERRUPTED, returncode=128 + signal.SIGINT) from None
        if status:
            sys.exit(status)

    # --- Making and starting -------------------------------------------------------------------------------------

    def _preview(self, options: dict[str, Any]) -> int:
        logical, action = control.action_named(options["action"])
        keys = _keys(options)
        given = _given(options)
        if keys is not None and (given or options["all"]):
            raise CommandError("Give keys or a filter, one of them.")
        found = Selection() if keys is not None else selected(all_bulk()[logical], given)
        if keys is None and found.is_everything is not options["all"]:
            raise CommandError(
                "--all is for a command without a filter." if options["all"]
                else "It would choose everything. If that is what you want, add --all."
            )  # fmt: skip
        if unknown := set(options["allow"]) - set(action.allowances):
            raise CommandError(f"{options['action']} knows no --allow {min(unknown)}.")
        job = control.make(
            options["action"], by=_actor(), reason=options["reason"], keys=keys, filter=found.values,
            since=found.since, until=found.until, pace=_pace(options), at_once=options["at_once"],
            data=_allowed(options),
        )  # fmt: skip
        if options["wait"]:
            job = self._wait(job, (State.PREVIEWING,))
        self._say(job)
        return OTHERWISE if options["wait"] and job.state is not State.READY else 0

    def _start(self, options: dict[str, Any]) -> int:
        return self._done(control.start(_job(options), _actor(), expected=options["expected"]), options)

    def _resume(self, options: dict[str, Any]) -> int:
        return self._done(control.resume(_job(options), _actor(), options["reason"]), options)

    def _retry_failed(self, options: dict[str, Any]) -> int:
        made = control.retry_failed(_job(options), _actor(), reason=options["reason"], data=_allowed(options))
        return self._done(made, options)

    def _undo(self, options: dict[str, Any]) -> int:
        return self._done(control.undo(_job(options), _actor(), reason=options["reason"]), options)

    # --- Holding ---------------------------------------------------------------------------------------------------

    def _pause(self, options: dict[str, Any]) -> int:
        return self._done(control.pause(_job(options), _actor(), options["reason"]), options)

    def _pace(self, options: dict[str, Any]) -> int:
        return self._done(control.set_pace(_job(options), _pace(options), _actor()), options)

    def _stop(self, options: dict[str, Any]) -> int:
        if bool(options["id"]) is options["all"]:
            raise CommandError("Give the id of a job, or --all.")
        if not options["all"]:
            return self._done(control.stop(_job(options), _actor(), options["reason"]), options)
        stopped, left = control.stop_all(_actor(), options["reason"])
        for job in stopped:
            self._line(f"{job.id}  {control.name_of(job)}  stopped")
        self._line(f"{len(stopped)} {'job' if len(stopped) == 1 else 'jobs'} stopped.")
        for sentence in left:
            self.stderr.write(visible(sentence))
        return 1 if left else 0

    # --- Looking ---------------------------------------------------------------------------------------------------

    def _list(self, options: dict[str, Any]) -> int:
        for line in texts.listed(store.listed(answers.LISTED)):
            self._line(line)
        return 0

    def _show(self, options: dict[str, Any]) -> int:
        job = _job(options)
        if options["wait"]:
            job = self._wait(job)
        if options["json"]:
            self.stdout.write(as_json(answers.document(job, measure(job)), indent="  ", ascii_only=True))
        else:
            self._say(job)
        return _status(job) if options["wait"] else 0

    def _items(self, options: dict[str, Any]) -> int:
        wanted = [Outcome(options["outcome"])] if options["outcome"] else []
        try:
            for page in members(_job(options), wanted):
                for one in page:
                    self._line("  ".join(filter(None, (one.key, one.outcome, one.status, one.reason))))
        except LookupError:
            raise CommandError("The items of this job are not kept any more.") from None
        return 0

    # --- How -------------------------------------------------------------------------------------------------------

    def _done(self, job: Job, options: dict[str, Any]) -> int:
        wait = options.get("wait", False)
        if wait:
            job = self._wait(job)
        self._say(job)
        return _status(job) if wait else 0

    def _wait(self, job: Job, states: tuple[State, ...] = (State.PREVIEWING, State.RUNNING)) -> Job:
        """Until it is in none of these states; its progress is printed as it changes."""
        said = ""
        while job.state in states:
            progress = texts.progress(job, measure(job))
            if progress != said:
                self._line(progress)
                said = progress
            sleep(LOOK_EVERY)
            job = _found(job.id)
        return job

    def _say(self, job: Job) -> None:
        for line in texts.described(job, measure(job)):
            self._line(line)

    def _line(self, line: str) -> None:
        self.stdout.write(visible(line))


def _add_pace(parser: ArgumentParser, *, required: bool = False) -> None:
    either = parser.add_mutually_exclusive_group(required=required)
    either.add_argument(
        "--pace",
        metavar="FIRST,PER_MINUTE,SHARE",
        help="such as 10,60,0.2: halt when more than that share failed again",
    )
    either.add_argument("--at-once", action="store_true", help="without a pace")


def _add_allowances(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NAME",
        help="such as unfinished, with requests.purge; repeatable",
    )


def _actor() -> Actor:
    return Actor(who(), "command line", COMMAND)


def _job(options: dict[str, Any]) -> Job:
    return _found(options["id"])


def _found(job_id: str) -> Job:
    try:
        job = store.find(job_id)
    except (ValueError, KeyError, TypeError):
        raise CommandError("Another program, or a later version of the console, wrote this job.") from None
    if job is None:
        raise CommandError(f"There is no job {job_id}, or it is older than {store.LIFE_DAYS} days.")
    return job


def _keys(options: dict[str, Any]) -> list[str] | None:
    """None where none are given."""
    if options["keys_file"] is None:
        return options["key"] or None
    try:
        path = options["keys_file"]
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--keys-file: {error}") from error
    # Not `splitlines`: a key may hold other ends of a line. Reading has made one of CR LF; the mark is Windows'.
    return [*options["key"], *filter(None, text.removeprefix("\ufeff").split("\n"))]


def _given(options: dict[str, Any]) -> dict[str, str]:
    given: dict[str, str] = {}
    for one in options["filter"]:
        name, equals, value = one.partition("=")
        if not equals:
            raise CommandError(f"--filter {one}: write it as NAME=VALUE.")
        if name in given or name in RANGE:
            raise CommandError(
                f"--filter {name}: {'use --' + name if name in RANGE else 'it is given twice'}."
            )
        given[name] = value
    return given | {name: options[name] for name in RANGE if options[name] is not None}


def _allowed(options: dict[str, Any]) -> dict[str, bool]:
    return dict.fromkeys(options["allow"], True)


def _pace(options: dict[str, Any]) -> Pace | None:
    if options["pace"] is None:
        return None
    try:
        first, per_minute, share = options["pace"].split(",")
        return PaceValues(first=int(first), per_minute=int(per_minute), halt_share=Decimal(share)).as_pace()
    except (ValueError, InvalidOperation):
        raise CommandError(
            "--pace is FIRST,PER_MINUTE,SHARE: two numbers from 1 on, and a share from 0 to 1."
        ) from None


def _status(job: Job) -> int:
    """0 where it is finished and nothing failed."""
    if job.state is not State.FINISHED:
        return OTHERWISE
    return OTHERWISE if measure(job).counts.failed else 0
