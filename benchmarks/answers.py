"""The status endpoint, lists and their polls against the floor, and on large tables against small ones."""

from benchmarks.figures import Figure, ratio
from benchmarks.load import workflow_id
from benchmarks.machine import until
from benchmarks.plan import Bench, Figures, Site
from benchmarks.reader import Reader, live
from benchmarks.wrk import CannotRun, Target, interleaved

STATUS = f"/api/workflow/{workflow_id(0)}/status"
LISTS = {
    "requests": "/requests/?status=completed",
    "workflows": "/workflows/?status=completed",
    "requests-all": "/requests/",
    "workflows-all": "/workflows/",
}
ITEM = f"/workflows/{workflow_id(0)}/"
BUSY = 16
POLLS, WARM_SECONDS = 3, 30


def console_target(site: Site, path: str, **headers: str) -> Target:
    return Target(site.console.base + path, site.console.web_pids, headers)


def floor_target(site: Site, path: str) -> Target:
    return Target(site.floor.base + path, site.floor.pids)


def warmed(site: Site, *paths: str) -> None:
    """Both processes have answered each: what a process does once is not in the figures. Raises CannotRun."""
    for path in paths:
        for _ in range(6):  # the kernel gives each connection to one of two workers
            if not until(lambda: Reader(site.console.base, site.cookie).status(path) == 200, WARM_SECONDS):  # noqa: B023
                raise CannotRun(f"The console did not answer {path} with 200 within {WARM_SECONDS} s.")


def status(bench: Bench) -> Figures:
    site, found = bench.small, Figures()
    warmed(site, STATUS)
    targets = {
        "floor": floor_target(site, f"/status/{workflow_id(0)}"),
        "cookie": console_target(site, STATUS, **site.cookie),
        "token": console_target(site, STATUS, **site.bearer),
    }
    busy = bench.keep(
        "status-busy", interleaved(targets, connections=BUSY, rounds=max(1, bench.plan.rounds - 2))
    )
    one = bench.keep("status", interleaved(targets, connections=1, rounds=bench.plan.rounds))
    for name in ("cookie", "token"):
        found[f"status-{name}-p50"] = ratio(one[name], one["floor"], "p50")
        found[f"status-{name}-rate"] = ratio(busy[name], busy["floor"], "rate")
        found[f"status-{name}-cpu"] = ratio(one[name], one["floor"], "cpu")
    return found


def lists(bench: Bench) -> Figures:
    """Pages, and polls that find nothing new, each against the floor's page of the same query."""
    site, found = bench.small, Figures()
    warmed(site, *LISTS.values())
    for name, path in LISTS.items():
        region = live(Reader(site.console.base, site.cookie).get(path).body)
        targets = {
            "floor": floor_target(site, f"/{name}"),
            "page": console_target(site, path, **site.cookie),
            "poll": console_target(site, region.url, **site.cookie, **region.poll),
        }
        rounds = bench.keep(name, interleaved(targets, connections=1, rounds=bench.plan.rounds))
        for kind in ("page", "poll"):
            found[f"{name}-{kind}-p50"] = ratio(rounds[kind], rounds["floor"], "p50")
            found[f"{name}-{kind}-cpu"] = ratio(rounds[kind], rounds["floor"], "cpu")
    return found


def polls(bench: Bench) -> Figures:
    """How many polls of pages whose items did not change were answered with anything but 204."""
    answered: dict[str, list[int]] = {}
    reader = Reader(bench.small.console.base, bench.small.cookie)
    for path in (*LISTS.values(), ITEM):
        region = live(reader.get(path).body)
        answered[path] = [reader.get(region.url, region.poll).status for _ in range(POLLS)]
    bench.raw["polls"] = answered
    wrong = sum(status != 204 for statuses in answered.values() for status in statuses)
    return {"polls-rendered": Figure.of([wrong])}


def growth(bench: Bench) -> Figures:
    """Large to small, within each round."""
    small, large, found = bench.small, bench.large, Figures()
    assert large is not None
    paths = {"status": STATUS, **LISTS}
    for name, path in paths.items():
        warmed(large, path)
        targets = {
            label: console_target(one, path, **one.cookie)
            for label, one in (("small", small), ("large", large))
        }
        rounds = bench.keep(f"growth-{name}", interleaved(targets, connections=1, rounds=bench.plan.rounds))
        found[f"growth-{name}"] = ratio(rounds["large"], rounds["small"], "p50")
    return found
