"""The statistics, and the table that is made of them."""

import contextlib
import json
import re
from pathlib import Path

import pytest

from benchmarks import measures, report
from benchmarks.figures import Figure, percentile, ratio, waves
from benchmarks.goals import GOALS, LARGE, keys_of
from benchmarks.measures import MEASURES, Measure
from benchmarks.plan import Bench, Figures, Plan, quick
from benchmarks.wrk import CannotRun


def test_a_ratio_is_made_within_each_round() -> None:
    """The second round was ten times as slow for both: that is the machine's."""
    floor = [{"p50": 100.0}, {"p50": 1_000.0}, {"p50": 200.0}]
    ours = [{"p50": 150.0}, {"p50": 1_300.0}, {"p50": 400.0}]
    assert ratio(ours, floor, "p50") == Figure(1.5, 1.3, 2.0)
    with pytest.raises(ValueError, match="nothing was measured"):
        ratio([], [], "p50")
    with pytest.raises(ValueError, match="shorter"):
        ratio(ours, floor[:2], "p50")


def test_percentiles_and_waves() -> None:
    hundred = list(range(100, 0, -1))
    assert [percentile(hundred, share) for share in (0.0, 0.5, 0.95, 1.0)] == [1, 50, 95, 100]
    assert percentile([7], 0.95) == 7
    # One after the other, side by side, and two of the first with one that waits for the shorter.
    assert waves([(0, 1), (1, 2), (2, 3)]) == 3
    assert waves([(0, 5), (1, 5), (2, 5)]) == 1
    assert waves([(0, 9), (1, 2), (3, 4)]) == 2
    assert waves([]) == 0


def test_every_goal_has_a_measure_and_a_row() -> None:
    assert {goal.measure for goal in GOALS} == MEASURES.keys()
    assert set(LARGE) < MEASURES.keys()
    assert len({goal.key for goal in GOALS}) == len(GOALS)
    assert keys_of("polls") == {"polls-rendered"}
    heading, _, *rows = report.table({}).splitlines()
    assert heading.split() == ["work", "then", "now", "(range)", "goal"]
    assert len(rows) == len(GOALS)
    for goal, row in zip(GOALS, rows, strict=True):
        assert row.startswith(goal.name)
        assert ("make bench" in row) == (goal.measure in LARGE)
        assert row.endswith(goal.wanted or ("make bench" if goal.measure in LARGE else "not measured"))


def test_a_row_says_whether_its_goal_is_met() -> None:
    figures = {
        "status-cookie-p50": Figure(1.3, 1.1, 1.9),
        "status-token-p50": Figure(1.31, 1.31, 1.31),
        "status-cookie-rate": Figure(0.69, 0.6, 0.7),
        "status-token-rate": Figure(0.7, 0.7, 0.7),
        "polls-rendered": Figure(0, 0, 0),
        "requests-all-calls": Figure(13, 13, 13),
    }
    rows = dict(zip((goal.key for goal in GOALS), report.table(figures).splitlines()[2:], strict=True))
    assert re.search(r" 4\.4 +1\.3 \(1\.1-1\.9\) +<= 1\.3 x floor +met$", rows["status-cookie-p50"])
    assert re.search(r"<= 1\.3 x floor +not met$", rows["status-token-p50"])
    assert re.search(r">= 0\.7 x floor +not met$", rows["status-cookie-rate"])
    assert re.search(r">= 0\.7 x floor +met$", rows["status-token-rate"])
    assert re.search(r" 0 +<= 0 +met$", rows["polls-rendered"])
    assert rows["requests-all-calls"].endswith("13")  # there is nothing to meet


def test_the_json_holds_each_row_and_each_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    measured = {"p50": 2_000.0, "p99": 3_000.0, "rate": 500.0, "cpu": 1.5, "bytes": 99.0, "bad": 1.0}
    raw = {
        "status": {"floor": [measured], "token": [measured | {"p50": 3_000.0}, measured]},
        "memory": [80.5],
    }
    document = report.document({"memory": Figure(80.5, 79, 81)}, raw, {"revision": "abc"})
    written = json.loads(report.kept(document).read_text())
    assert written["revision"] == "abc"
    assert written["raw"] == raw
    assert [row["key"] for row in written["rows"]] == [goal.key for goal in GOALS]
    (row,) = (row for row in written["rows"] if row["key"] == "memory")
    assert (row["met"], row["now"]) == (False, {"value": 80.5, "low": 79, "high": 81})
    before = report.figures_in(next((tmp_path / "results").iterdir()))
    lines = report.table({"memory": Figure(60, 60, 60)}, before).splitlines()
    (line,) = (line for line in lines if line.startswith("web worker"))
    assert line.split()[-7:] == ["80.5", "(79-81)", "60", "<=", "80", "MB", "met"]
    assert not any("1.6-2.4" in line for line in lines)  # another run's take the place of the goals' own
    rows = [line.split() for line in report.targets(raw).splitlines()[2:]]
    assert rows == [
        ["status:", "floor", "2.00", "3.00", "500", "1.50", "99", "1"],
        ["status:", "token", "2.50", "3.00", "500", "1.50", "99", "2"],
    ]


def test_a_measurement_that_cannot_run_leaves_the_others_their_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bench: Bench) -> Figures:
        raise CannotRun("The console answered 503.")

    def none_of_its_goals(bench: Bench) -> Figures:
        return {"memory": Figure(1, 1, 1)}

    def polls(bench: Bench) -> Figures:
        return {"polls-rendered": Figure(0, 0, 0)}

    works = {
        "status": broken, "lists": none_of_its_goals, "polls": polls, "growth": polls, "operators": polls,
    }  # fmt: skip
    monkeypatch.setattr(measures, "MEASURES", {name: Measure(work) for name, work in works.items()})
    sites = iter((contextlib.nullcontext(), None))  # the second one can't be entered
    monkeypatch.setattr(measures, "site", lambda *arguments: next(sites))
    said: list[str] = []
    bench = measures.measured(Plan(tmp_path), list(works), tmp_path, said.append)
    assert bench.figures == {"polls-rendered": Figure(0, 0, 0)}
    first, second, third, fourth = bench.problems
    assert first == "status: The console answered 503."
    assert second.startswith("lists: measured ['memory'], and its goals are ['requests-all-page-cpu'")
    assert third.startswith("growth: TypeError")
    assert fourth == "operators: there are no large tables."
    assert said.count("loading 100,000 items ...") == 1
    sites = iter([contextlib.nullcontext()])
    assert len(measures.measured(quick(tmp_path), list(works), tmp_path, said.append).problems) == 2
