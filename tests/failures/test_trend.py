"""Trend, charts and words of a case: pure functions."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsportal.failures import charts
from opsportal.failures.shown import linked
from opsportal.failures.trend import FALLING, HOUR, RISING, STEADY, trend_of
from opsportal.failures.words import marked

NOW = datetime(2026, 3, 17, 14, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)


@pytest.mark.parametrize(
    ("ago", "began", "word", "typical"),
    [
        # Hours ago: runs. 18 in the last hour and a half where none is typical.
        ({0: 3, 1: 15}, LONG_AGO, RISING, (0, 0)),
        # Two are chance.
        ({0: 1, 1: 1}, LONG_AGO, STEADY, (0, 0)),
        # As many as always.
        (dict.fromkeys(range(200), 4), LONG_AGO, STEADY, (4, 4)),
        # 40 three hours ago, and 9 since 13:00, which is 6 an hour.
        ({0: 2, 1: 7, 2: 12, 3: 40}, LONG_AGO, FALLING, (0, 0)),
        # What was high seven hours ago is over.
        ({9: 40}, LONG_AGO, STEADY, (0, 0)),
        # History began five hours ago: nothing to compare with.
        ({0: 50}, NOW - timedelta(hours=5), "", None),
        ({0: 50}, None, "", None),
        ({}, LONG_AGO, STEADY, (0, 0)),
    ],
)
def test_the_trend_compares_the_last_hours_with_what_is_typical(
    ago: dict[int, int], began: datetime | None, word: str, typical: tuple[int, int] | None
) -> None:
    this = NOW.replace(minute=0)
    trend = trend_of({this - HOUR * n: count for n, count in ago.items()}, began, NOW)
    assert (trend.word, trend.typical) == (word, typical)
    assert trend.runs == ago.get(0, 0) + ago.get(1, 0)


def test_bars_are_summed_to_as_many_as_fit_and_lose_none() -> None:
    for count in (0, 1, 24, 27, 28, 168, 169):
        made = charts.summed(list(range(count)), 28)
        assert len(made) <= 28
        assert sum(made) == sum(range(count))
    assert charts.summed([1, 2, 3, 4, 5], 2) == [3, 12], "the newest bar is whole"


def test_a_chart_holds_numbers_alone_and_marks_the_first_occurrence() -> None:
    series = [(NOW.replace(minute=0) - HOUR * n, n % 4) for n in range(23, -1, -1)]
    drawn = charts.large(series, (0, 2), NOW - timedelta(hours=3), ZoneInfo("Asia/Tokyo"))
    assert drawn.count('class="hit"') == 24
    assert drawn.count("is-over") == 6, "only what is above the band is in colour"
    assert "first seen 20:30" in drawn, "in the reader's zone"
    assert "style=" not in drawn
    assert "first seen" not in charts.large(series, None, LONG_AGO, ZoneInfo("UTC"))
    assert charts.spark([], "failed", "none").startswith("<svg")


def test_masks_of_the_error_are_marked_and_nothing_else_is_html() -> None:
    shown = marked('Page <n> of <b onclick="x"> failed & <id>')
    assert '<i class="var">n</i>' in shown
    assert '<i class="var">id</i>' in shown
    assert "<b onclick" not in shown
    assert "&amp;" in shown
    assert "No error was recorded" in marked("")


def test_ids_in_a_note_lead_to_the_search_and_the_rest_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsportal.failures.shown._search_url", lambda: "/search/")
    shown = linked(
        "see tm-20260317-2c90af, req_1795165799032_c5ca8368 and <script>; since 14:02 or https://x.y/abc1"
    )
    assert '<a href="/search/?q=tm-20260317-2c90af">tm-20260317-2c90af</a>,' in shown
    assert '<a href="/search/?q=req_1795165799032_c5ca8368">' in shown
    assert "&lt;script&gt;" in shown
    assert shown.count("<a ") == 2
