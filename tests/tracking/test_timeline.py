"""The time axis of a workflow's steps: what is on it, what is cut out, and what its ticks say."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.factories import MISSING, step, workflow, zulu
from tracking.models import Workflow
from tracking.timeline import CUT, EARLIER, NEWEST, Timeline, timeline

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = BEGIN + timedelta(days=2)
HOUR = 3600.0


def drawn(
    spans: Sequence[tuple[float, float | None]], *, retries: int = 1, zone: str = "UTC", **values: Any
) -> Timeline:
    """Of steps that began and lasted so many seconds (None: it runs)."""
    steps = {}
    for number, (began, lasted) in enumerate(spans):
        at = BEGIN + timedelta(seconds=began)
        if lasted is None:
            times: dict[str, Any] = {"status": "in-progress", "completedAt": MISSING, "duration": MISSING}
        else:
            times = {"completedAt": zulu(at + timedelta(seconds=lasted)), "duration": MISSING}
        steps[f"step{number}"] = step(startedAt=zulu(at), **times)
    item = workflow(
        "w",
        pdfAdapter=MISSING,
        createdAt=zulu(BEGIN),
        **steps,
        **({"retryCount": retries} if retries else {}),
        **values,
    )
    return timeline(Workflow.from_item(item), NOW, ZoneInfo(zone))


def bars(found: Timeline) -> list[tuple[float, float]]:
    return [(round(row.bar.x, 1), round(row.bar.width, 1)) for row in found.rows if row.bar]


@pytest.mark.parametrize(
    ("spans", "idle"),
    [
        ([(0, 20)], []),
        ([(0, 20), (20, 30), (50, 50)], []),
        # What is short, or no longer than the work, is part of a run.
        ([(0, 1), (59, 1)], []),
        ([(0, 300), (590, 300)], []),
        ([(0, 20), (20, 10), (18 * HOUR, 40)], ["17 h 59 m idle"]),
        ([(0, 20), (HOUR, 30), (3 * HOUR, 10)], ["59 m 40 s idle", "1 h 59 m idle"]),
        # A step that worked all the time leaves nothing idle.
        ([(0, 18 * HOUR), (0, 20), (18 * HOUR, 20)], []),
        # It runs: until now, which is two days later.
        ([(0, 20), (172_700, None)], ["1 d 23 h idle"]),
        ([(0, None), (3 * HOUR, 20)], []),
        # Steps that took no time; of many waits the longest are cut.
        ([(0, 0)], []),
        ([(0, 0), (61, 0)], ["1 m 1 s idle"]),
        ([(0, 0), (HOUR, 0), (3 * HOUR, 0), (6 * HOUR, 0), (10 * HOUR, 0)], ["2 h 0 m idle", "3 h 0 m idle", "4 h 0 m idle"]),
    ],
)  # fmt: skip
def test_long_idle_time_is_cut_out_of_the_axis_and_named(
    spans: list[tuple[float, float | None]], idle: list[str]
) -> None:
    found = drawn(spans)
    assert [cut.label for cut in found.cuts] == idle
    assert len(found.runs) == (len(idle) + 1 if idle else 0)
    assert all(row.bar for row in found.rows if row.key.startswith("step"))
    # All of the axis is used, from its beginning to its end, and no bar lies in a cut.
    assert min(x for x, _ in bars(found)) == 0
    if spans[-1][1] != 0:
        assert max(x + width for x, width in bars(found)) == pytest.approx(100, abs=0.11)
    for cut in found.cuts:
        assert not [x for x, width in bars(found) if cut.x + 0.7 < x + width and x < cut.x + CUT - 0.1]
    if found.cuts:
        assert sum(run.width for run in found.runs) + CUT * len(idle) == pytest.approx(100)
        assert found.runs[-1].width >= (NEWEST if spans[-1][1] != 0 else EARLIER) - 0.01
        assert min(run.width for run in found.runs) >= EARLIER - 0.01


def test_each_run_has_its_own_ticks_which_are_where_they_say() -> None:
    found = drawn([(0, 7200), (18 * HOUR, 10), (18 * HOUR + 10, 20)])
    assert [(run.label, round(run.width)) for run in found.runs] == [("2 Mar 09:00", 50), ("3 Mar 03:00", 43)]
    first, second = found.runs
    by_run = [
        [tick for tick in found.ticks if run.x <= tick.x <= run.x + run.width + 0.01] for run in found.runs
    ]
    assert [tick.label for tick in by_run[0]] == [
        "",
        "1 h",
        "",
    ]  # the others give way to the names of the run and of the cut
    assert [tick.label for tick in by_run[1]] == ["", "15 s", "30 s"]
    assert by_run[0][1].x == pytest.approx(first.x + first.width / 2)
    assert by_run[1][1].x == pytest.approx(second.x + second.width / 2)
    assert [row.earlier for row in found.rows if row.bar] == [True, False, False]
    assert bars(found)[1:] == [(57.0, 14.3), (71.3, 28.7)]
    # Where nothing is cut there is one axis, with one step between its ticks.
    whole = drawn([(0, 20)])
    assert [tick.label for tick in whole.ticks] == ["0", "5 s", "10 s", "15 s", "20 s"]
    assert (whole.ticks[0].anchor, whole.ticks[-1].anchor) == ("is-first", "is-last")
    # What took no time has no scale.
    assert [tick.label for tick in drawn([(0, 0)]).ticks] == ["0"]
    moment = drawn([(0, 20), (HOUR, 0)])
    assert [tick.label for tick in moment.ticks] == ["", "5 s", "10 s", "15 s", "", ""]
    assert [round(run.width) for run in moment.runs] == [81, 12]


def test_a_run_is_named_by_when_it_began_in_the_readers_zone() -> None:
    spans = [(0.0, 20.0), (3 * HOUR, 20.0)]
    assert [run.label for run in drawn(spans, zone="Europe/Berlin").runs] == ["10:00:00", "13:00:00"]
    assert [run.label for run in drawn(spans, zone="Asia/Tokyo").runs] == ["18:00:00", "21:00:00"]
    assert [run.label for run in drawn(spans, zone="Pacific/Auckland").runs] == ["2 Mar 22:00", "3 Mar 01:00"]


def test_only_a_retry_makes_an_earlier_run() -> None:
    spans = [(0.0, 20.0), (3 * HOUR, 20.0)]
    assert [row.earlier for row in drawn(spans).rows if row.bar] == [True, False]
    assert drawn(spans).retried
    waited = drawn(spans, retries=0)
    assert not waited.retried
    assert [cut.label for cut in waited.cuts] == ["2 h 59 m idle"]


def test_times_that_can_not_be_are_on_no_axis_and_make_no_cut() -> None:
    for odd in (
        {"startedAt": "1970-01-01T00:00:00Z"}, {"startedAt": "9999-12-31T23:59:59Z"},
        {"startedAt": "2026-03-02T12:00:00Z", "completedAt": "2026-03-02T11:00:00Z"},
        {"startedAt": "soon"}, {"startedAt": 1e300}, {"completedAt": ["x"]},
    ):  # fmt: skip
        times = {"startedAt": MISSING, "completedAt": MISSING, "duration": MISSING, **odd}
        found = drawn([(0, 20), (20, 10)], odd=step(**times))
        assert bars(found) == [(0, 66.7), (66.7, 33.3)]
        assert not found.cuts
    # Of a failed step without an end its last write is one, so that a retry is not hidden below its bar.
    lost = {"completedAt": MISSING, "duration": MISSING, "startedAt": zulu(BEGIN)}
    ended = step("error", **lost, lastUpdated=zulu(BEGIN + timedelta(seconds=30)))
    assert [cut.label for cut in drawn([(HOUR, 20)], odd=ended).cuts] == ["59 m 30 s idle"]
