"""`make bench` and `make bench-quick`: the console against its floor (docs/benchmarks.md).

    python -m benchmarks                        ten minutes
    python -m benchmarks --quick                one minute
    python -m benchmarks --product ../other     the console of another checkout, by this one's benchmark

Ends with 0 whatever the figures, and with 1 where it, or a part of it, can't run. It speaks to its own engine and consoles alone, on
loopback, and leaves nothing but its results.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine, report, wrk
from benchmarks.figures import Figure
from benchmarks.measures import MEASURES, measured
from benchmarks.plan import Plan, quick
from benchmarks.stack import ROOT, require_engine
from benchmarks.wrk import CannotRun

LIMIT_SECONDS = 3600  # on a machine that does much else


def say(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:5.0f} s] {text}", file=sys.stderr, flush=True)


BEGAN = time.monotonic()


def revision(product: Path) -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=product,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    names = list(MEASURES)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="The console against its floor."
    )
    parser.add_argument("--quick", action="store_true", help="one minute, small tables, one round")
    parser.add_argument(
        "--product", type=Path, default=ROOT, help="checkout of the console; default: this one"
    )
    parser.add_argument(
        "--seconds", type=int, default=Plan.seconds, help="of the 50 operators; default: %(default)s"
    )
    parser.add_argument("--before", type=_run, help="JSON of an earlier run, for the table's column of then")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these measurements alone")
    return parser.parse_args(given)


def _run(name: str) -> dict[str, Figure]:
    try:
        return report.figures_in(Path(name))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"{name} is no JSON of a run ({error!r})") from error


def _stopped(number: int, frame: object) -> None:
    raise SystemExit(f"Stopped by {'the limit of time' if number == signal.SIGALRM else 'a signal'}.")


def main(given: Sequence[str] | None = None) -> int:
    asked = _arguments(given)
    product = asked.product.resolve()
    plan = quick(product) if asked.quick else replace(Plan(product), seconds=asked.seconds)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _stopped)
    signal.alarm(LIMIT_SECONDS)
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision(product),
        "quick": asked.quick,
        "before": machine.described(),
    }
    try:
        if not (product / "opsportal" / "run").is_dir():
            raise CannotRun(f"{product} is no checkout of the console.")
        wrk.find()
        require_engine()
        with tempfile.TemporaryDirectory(prefix="opsportal-bench-", ignore_cleanup_errors=True) as home:
            bench = measured(plan, asked.only, Path(home), say)
    except CannotRun as reason:
        print(reason, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    about["after"] = machine.described()
    about["seconds"] = round(time.monotonic() - BEGAN)
    about["problems"] = bench.problems
    file = report.kept(report.document(bench.figures, bench.raw, about))
    loads = " ".join(f"{value:g}" for value in (*about["before"]["load"], *about["after"]["load"]))
    print(f"{report.targets(bench.raw)}\n\n{report.table(bench.figures, asked.before)}\n")
    print(f"{report.NOTE}\n")
    print(
        f"Revision {about['revision']}, {about['before']['cores']} cores, load before and after: {loads}; {about['seconds']} s."
    )
    print(f"JSON: {file}")
    print("\n".join(bench.problems), file=sys.stderr)
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
