"""The overview, whole: its page, and the panels that it then reads side by side."""

import re
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from benchmarks.answers import STATUS
from benchmarks.figures import Figure, percentile
from benchmarks.plan import Bench, Figures, Site
from benchmarks.reader import Reader, regions
from benchmarks.wrk import CannotRun

# Seconds after which no figure of the overview is shown again.
OLD = 11.0
WINDOW, VIEWERS = 10.0, 4
CONNECTIONS = 6  # a browser's
TABLES = ("workflows", "requests", "request_logs", "agents")
SAMPLE = ("workflows Scan", "requests Scan")
_UNITS = re.compile(r"^opsportal_dynamodb_consumed_units_total\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def whole(site: Site, readers: list[Reader], pool: ThreadPoolExecutor) -> float:
    """Seconds for the page and all that it reads at once. Without those in which this process looks through the page for
    it: Python takes longer for that than the console for the page, and a browser a fraction. Raises CannotRun."""
    began = time.perf_counter()
    page = readers[0].get("/")
    taken = time.perf_counter() - began
    if page.status != 200:
        raise CannotRun(f"The overview answered {page.status}.")
    urls = [region.url for region in regions(page.body) if region.loads]
    began = time.perf_counter()
    answers = pool.map(
        lambda pair: pair[1].get(pair[0], {"HX-Request": "true"}).status,
        ((url, readers[number % CONNECTIONS]) for number, url in enumerate(urls)),
    )
    if wrong := [status for status in answers if status not in (200, 204)]:
        raise CannotRun(f"A panel of the overview answered {wrong[0]}.")
    return taken + time.perf_counter() - began


def one(bench: Bench, site: Site, name: str) -> Figures:
    """Cold and warm, against the status endpoint as the same reader sees it."""
    readers = [Reader(site.console.base, site.cookie) for _ in range(CONNECTIONS)]
    cold, warm, status = [], [], []
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        whole(site, readers, pool)  # what a process does once
        for _ in range(bench.plan.cold):
            time.sleep(OLD)
            cold.append(whole(site, readers, pool))
            # All processes have the figures, then it is warm.
            for _ in range(4):
                whole(site, [Reader(site.console.base, site.cookie) for _ in range(CONNECTIONS)], pool)
            warm += [whole(site, readers, pool) for _ in range(bench.plan.warm)]
            status.append(_status(readers[0]))
    bench.raw[name] = {"cold": cold, "warm": warm, "status": status}
    base = percentile(status, 0.5)
    return {
        f"{name}-cold": Figure.of(seconds / base for seconds in cold),
        f"{name}-warm": Figure.of(seconds / base for seconds in warm),
    }


def _status(reader: Reader) -> float:
    """The status endpoint's p50, in seconds."""
    taken = []
    for _ in range(50):
        began = time.perf_counter()
        reader.get(STATUS)
        taken.append(time.perf_counter() - began)
    return percentile(taken, 0.5)


def small(bench: Bench) -> Figures:
    return one(bench, bench.small, "overview")


def large(bench: Bench) -> Figures:
    assert bench.large is not None
    return one(bench, bench.large, "overview-large")


def units(bench: Bench) -> Figures:
    """Read units of the tables in 10 s, in all processes of the web server and in the worker, while some look on; apart
    from them those of the minute's sample, which is the only Scan of these tables."""
    site, kinds = bench.large or bench.small, list[dict[str, float]]()
    for _ in range(bench.plan.windows):
        before, began = _units(site), time.monotonic()
        while time.monotonic() - began < WINDOW:
            for _ in range(VIEWERS):
                readers = [Reader(site.console.base, site.cookie) for _ in range(CONNECTIONS)]
                with ThreadPoolExecutor(CONNECTIONS) as pool:
                    whole(site, readers, pool)
            time.sleep(1)
        tens = (time.monotonic() - began) / WINDOW
        after = _units(site)
        spent = {name: (number - before.get(name, 0)) / tens for name, number in after.items()}
        kinds.append({name: number for name, number in spent.items() if number})
    bench.raw["overview-units"] = kinds
    return {
        "overview-units": Figure.of(
            sum(units for name, units in one.items() if name not in SAMPLE) for one in kinds
        ),
        "sample-units": Figure.of(sum(one.get(name, 0) for name in SAMPLE) for one in kinds),
    }


def _units(site: Site) -> dict[str, float]:
    """Since the processes began, by table and operation."""
    found: defaultdict[str, float] = defaultdict(float)
    for port in (site.console.port, site.console.worker_port):
        page = Reader(f"http://127.0.0.1:{port}").get("/metrics")
        if page.status != 200:
            raise CannotRun("The console's metrics could not be read.")
        for labels, number in _UNITS.findall(page.body):
            given = dict(_LABEL.findall(labels))
            if given["table"] in TABLES:
                found[f"{given['table']} {given['operation']}"] += float(number)
    return found
