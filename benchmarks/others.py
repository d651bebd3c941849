"""Calls and units of pages, memory, start, and the discovery of agents."""

import re
import sys

from benchmarks.answers import BUSY, ITEM, LISTS, STATUS, console_target
from benchmarks.figures import Figure
from benchmarks.machine import pss_mb
from benchmarks.plan import Bench, Figures
from benchmarks.stack import clean, run_to_end
from benchmarks.wrk import CannotRun, asked

_ROW = re.compile(r"^(.{33}) +([\d.]+) ms +[\d.]+ x floor", re.MULTILINE)
MAX_CALLS, MAX_UNITS = 5, 100


def calls(bench: Bench) -> Figures:
    """In a process of its own, where DynamoDB is further away."""
    site = bench.large or bench.small
    made = bench.raw["calls"] = site.console.inside("calls")
    found = {
        f"{name}-{what}": made[name][what]
        for name in ("requests-all", "workflows-all")
        for what in ("calls", "waves", "units")
    }
    text = made["text"]
    found |= {
        "text-calls": text["calls"],
        "text-units": text["units"],
        "text": min(text["calls"] / MAX_CALLS, text["units"] / MAX_UNITS),
    }
    return {name: Figure.of([value]) for name, value in found.items()}


def memory(bench: Bench) -> Figures:
    """Of each worker, after pages of all kinds at 16 connections."""
    site = bench.small
    for path in (STATUS, ITEM, "/", "/agents/", "/audit/", *LISTS.values()):
        asked(console_target(site, path, **site.cookie), BUSY, 1)
    workers = [pss_mb(pid) for pid in site.console.web_pids()[1:]]
    bench.raw["memory"] = workers
    return {"memory": Figure.of(workers)}


def start(bench: Bench) -> Figures:
    """Again on the same data."""
    site = bench.small
    taken = [site.console.seconds_to_first_page(site.cookie) for _ in range(bench.plan.starts)]
    bench.raw["start"] = taken
    return {"start": Figure.of(taken)}


def discovery(bench: Bench) -> Figures:
    """benchmarks/discovery.py of the checkout, but for its floor and for the row that reads the registry whole."""
    plan = bench.plan
    command = [sys.executable, str(plan.product / "benchmarks" / "discovery.py")]
    command += ["--agents", str(plan.agents), "--requests", str(plan.agent_requests)]
    said = run_to_end(command, bench.small.console.log, cwd=plan.product, env=clean(), accepted=(0, 1))
    rows = [float(taken) for _, taken in _ROW.findall(said)]
    if len(rows) < 3:
        raise CannotRun(f"benchmarks/discovery.py printed no rows:\n{said}")
    bench.raw["discovery"] = rows
    slowest, least = max(rows[1:-1]), min(rows[1:-1])
    return {"discovery": Figure(slowest, least, slowest)}
