"""``manage.py simulate``: orchestrators, request workers and agents at work on the tables."""

import logging
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from opsportal.demo.place import RefusedError, refuse_real_queues, refuse_real_tables
from opsportal.demo.simulation import fill, messages
from opsportal.demo.simulation.population import MAX_REQUESTS, MAX_WORKFLOWS
from opsportal.demo.simulation.run import Run
from opsportal.demo.simulation.world import Pace, World
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.tables import binding, bindings


class Stopped(KeyboardInterrupt):
    """A signal asked for the end. asyncio lets a KeyboardInterrupt through, and no code takes it for a failure."""


class Command(BaseCommand):
    help = (
        "Run simulated orchestrators, request workers and agents until stopped (SIGTERM, Ctrl-C). Writes only "
        f"to an engine on this machine, and takes messages only from queues on it. Keeps at most {MAX_WORKFLOWS} workflows and {MAX_REQUESTS} requests of "
        "its own: the oldest finished ones make room for new ones."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--speed", type=_positive, default=1.0, help="divides every duration (1)")
        parser.add_argument(
            "--rate",
            type=_not_negative,
            default=Pace.rate,
            help=f"new workflows per minute by day ({Pace.rate:.2g}), fewer at night and at weekends",
        )
        parser.add_argument(
            "--failure-rate",
            type=_share,
            default=Pace.failure_rate,
            help=f"share that fails, 0 to 1 ({Pace.failure_rate:g})",
        )
        parser.add_argument(
            "--overwrite-rate",
            type=_share,
            default=Pace.overwrite_rate,
            help="share of requests whose worker puts the whole item back from its memory, and undoes what a "
            f"person did meanwhile, 0 to 1 ({Pace.overwrite_rate:g})",
        )
        parser.add_argument(
            "--foreign-rate",
            type=_share,
            default=Pace.foreign_rate,
            help="share of workflows that another program writes: no start times, totals left at zero, 0 to 1 "
            f"({Pace.foreign_rate:g})",
        )
        parser.add_argument("--duration", type=_not_negative, help="end after so many seconds")
        parser.add_argument("--workflows", type=int, help="submit so many, and end when they are finished")
        parser.add_argument("--requests", type=int, help="submit so many, and end when they are finished")
        parser.add_argument(
            "--finished", action="store_true", help="put them as finished at once, in batches"
        )
        parser.add_argument("--seed", type=int, help="for the same choices again")

    def handle(self, *args: Any, **options: Any) -> None:
        counts = {name: options[name] for name in ("workflows", "requests") if options[name] is not None}
        if any(count < 0 for count in counts.values()):
            raise CommandError("--workflows and --requests cannot be negative.")
        if options["finished"] and not counts:
            raise CommandError("--finished needs --workflows N or --requests N.")
        try:
            refuse_real_tables(bindings(), "simulate")
            refuse_real_queues(messages.endpoints(), "simulate")
            with _stopped_by_signals():
                if options["finished"]:
                    self._fill(counts, options)
                else:
                    self._run(counts, options)
        except Stopped:
            self.stdout.write("Stopped.")
        except RefusedError as refusal:
            raise CommandError(str(refusal)) from refusal
        except DynamoError as error:
            raise CommandError(f"{error.sentence} {error.fix}".strip()) from error

    def _fill(self, counts: dict[str, int], options: dict[str, Any]) -> None:
        makers = {"workflows": fill.finished_workflows, "requests": fill.finished_requests}
        for name, count in counts.items():
            table, now, seed = binding(name), datetime.now(UTC), options["seed"] or 0
            items = makers[name](table.key, count, now, seed, options["failure_rate"])
            fill.fill(table, items, self.stdout.write)

    def _run(self, counts: dict[str, int], options: dict[str, Any]) -> None:
        # The simulator says itself, in one line, when the engine is away.
        logging.getLogger("tracking.writer").setLevel(logging.ERROR)
        pace = Pace(
            options["speed"],
            options["rate"],
            options["failure_rate"],
            options["overwrite_rate"],
            options["foreign_rate"],
        )
        world = World(pace, random.Random(options["seed"]))  # noqa: S311 (not a secret)
        self.stdout.write(f"Simulating on {world.workflows.endpoint}; stop with Ctrl-C.")
        try:
            Run(world, **counts).run(options["duration"])
        finally:
            told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(world.finished.items()))
            self.stdout.write(f"Simulated: {told or 'nothing finished'}.")


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Raise Stopped where SIGTERM, SIGINT or SIGHUP finds the program: in a pause or in a call, at once."""
    if threading.current_thread() is not threading.main_thread():  # only the main one may set handlers
        yield
        return
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def stop(number: int, frame: FrameType | None) -> None:
        for other in signals:
            signal.signal(other, signal.SIG_IGN)  # a second one must not interrupt the ending
        raise Stopped

    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _positive(text: str) -> float:
    if (value := float(text)) <= 0:
        raise ValueError
    return value


def _not_negative(text: str) -> float:
    if (value := float(text)) < 0:
        raise ValueError
    return value


def _share(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise ValueError
    return value
