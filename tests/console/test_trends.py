"""The overview's charts: round bars, whatever the stamps, and nothing said of what is not known."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsportal.console import figures, trends
from opsportal.console.trends import Trends, between
from opsportal.dynamo.attributes import Malformed, read_time
from opsportal.dynamo.partitions import Dated, recent_of
from opsportal.dynamo.spans import Span

NOW = datetime(2026, 11, 20, 14, 2, 11, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")


Rows = tuple[list[Dated], bool]


def dated(*stamps: str, took: int = 10) -> list[Dated]:
    times = [(stamp, read_time({"S": stamp})) for stamp in stamps]
    return [(stamp, at if isinstance(at, datetime) else None, Decimal(took)) for stamp, at in times]


def rows(*minutes: float, more: bool = False, took: int = 10) -> Rows:
    """The newest first, as an index gives them, and whether there are others."""
    stamps = [NOW - timedelta(minutes=one) for one in minutes]
    return dated(*(f"{at:%Y-%m-%dT%H:%M:%S}Z" for at in stamps), took=took), more


def trends_of(window: timedelta, **found: Rows) -> Trends | None:
    span = Span.between(NOW - window)
    recent = [(status, recent_of(read, more=more, span=span)) for status, (read, more) in found.items()]
    return trends.of(recent, NOW - window, NOW)


def drawn(window: timedelta = timedelta(hours=1), **found: Rows) -> Trends:
    made = trends_of(window, **found)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("window", "length", "bars", "first"),
    [
        (timedelta(hours=1), "2 min", 30, "13:04"),
        (timedelta(hours=24), "1 h", 24, "15:00"),
        (timedelta(days=7), "6 h", 28, "18:00"),
        (timedelta(seconds=20), "1 s", 21, "14:01"),
    ],
)
def test_bars_stand_on_round_times_and_are_never_many(
    window: timedelta, length: str, bars: int, first: str
) -> None:
    made = drawn(window)
    assert (made.length_text, len(made.bars), f"{made.since:%H:%M}") == (length, bars, first)
    assert made.since >= NOW - window  # the first bar is a whole one
    assert made.bars[-1].start <= NOW < made.bars[-1].start + made.length
    assert made.charts(UTC_ZONE) == []


def test_spellings_of_a_status_share_a_tone_and_bars_list_what_they_hold() -> None:
    made = drawn(completed=rows(3, 4), COMPLETED=rows(3), failed=rows(4), odd=rows(50), cancelled=rows(50))
    total = made.total
    assert (total.created, total.ended, total.others, total.open) == (6, 4, 2, 0)
    throughput, failures, durations = made.charts(UTC_ZONE)
    assert "13:58 UTC: 4 created: 1 failed, 3 completed" in throughput.svg
    assert "13:12 UTC: 2 created: 1 cancelled or halted, 1 of an unknown status" in throughput.svg
    assert (failures.figure, failures.unit, failures.tone) == ("25.0 %", "1 of 4 ended", "failed")
    # Of three no percentile is given, but what the slowest took is shown.
    assert (durations.figure, durations.unit) == ("—", "3 measured, fewer than 5")
    assert "13:58 UTC: slowest 10 s of 3" in durations.svg
    assert "median" not in durations.svg


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("UTC", "20 Nov 12:00 UTC"),
        ("Europe/Berlin", "20 Nov 13:00 CET"),
        ("Asia/Shanghai", "20 Nov 20:00 CST (+08:00)"),
        ("America/Chicago", "20 Nov 06:00 CST (-06:00)"),
        ("Pacific/Kiritimati", "21 Nov 02:00 +14"),
    ],
)
def test_bars_of_several_hours_say_their_day_and_all_are_in_the_readers_zone(zone: str, said: str) -> None:
    made = drawn(timedelta(days=7), failed=rows(60))
    assert f"{said}: 1 created: 1 failed" in made.charts(ZoneInfo(zone))[0].svg


def test_a_bar_links_to_a_list_of_just_what_it_counts() -> None:
    made = drawn(timedelta(days=7), failed=rows(60))
    ((bar, query),) = made.newest_first
    assert bar.created == 1
    assert query == "from=2026-11-20T12%3A00%3A00Z&to=2026-11-20T17%3A59%3A59Z"
    row = made.rows(UTC_ZONE, "/requests/")
    assert f'<a href="/requests/?{query.replace("&", "&amp;")}"><time datetime="2026-11-20T12:00:00' in row
    said = [re.sub("<[^>]+>", "", f"<td{cell}") for cell in row.split("<td")[1:]]
    assert said == ["1", "0", "1", "0", "0", "100.0 %", "—", "—"]


def test_of_times_in_several_zones_a_chart_begins_where_all_are_known() -> None:
    """The newest by their text: of those not read one may be as late as its zone is behind UTC."""
    stamps = ("2026-11-20T18:00:00+09:00", "2026-11-20T13:30:00Z", "2026-11-20T05:00:00-05:00")
    newest = dated(*stamps)
    found = recent_of(
        newest,
        more=True,
        span=Span.between(NOW - timedelta(hours=5)),
        lateness=timedelta(hours=5),
    )
    assert sorted(at.hour for at, _ in found.moments) == [10, 13], "18:00+09:00 is 9 h in UTC"
    assert (found.more, found.since) == (True, datetime(2026, 11, 20, 10, tzinfo=UTC))
    early = recent_of(
        newest,
        more=True,
        span=Span.between(datetime(2026, 11, 20, 10, tzinfo=UTC)),
        lateness=timedelta(hours=5),
    )
    assert not early.more, "whatever is not read is older than the window"


def test_before_the_oldest_that_was_read_of_a_status_nothing_is_said() -> None:
    made = drawn(completed=rows(1, 2, 10, more=True), failed=rows(5, 40))
    assert not made.whole
    assert NOW - timedelta(minutes=10) <= made.since < NOW - timedelta(minutes=9)
    assert made.total.tones["failed"] == 1
    # More than can be read of one moment, and more of which no time can be read.
    assert trends_of(timedelta(hours=1), completed=rows(0, 0, 0, more=True)) is None
    assert trends_of(timedelta(hours=1), odd=(dated("not a time"), True)) is None


def test_a_stamp_that_is_none_is_in_no_bar_and_one_from_the_future_in_the_last() -> None:
    odd = [*dated("not a time"), *rows(-600)[0], *rows(61)[0], *dated("")]
    made = drawn(completed=(odd, False))
    assert made.total.created == 1
    assert made.bars[-1].created == 1


@pytest.mark.parametrize(
    ("number", "time", "said"),
    [
        (90, timedelta(hours=1), ("1.5", "created a minute")),
        (59, timedelta(hours=1), ("59", "created an hour")),
        (1, timedelta(days=1), ("1", "created a day")),
        (1, timedelta(days=7), ("0.14", "created a day")),
    ],
)
def test_a_rate_is_given_in_the_unit_that_makes_it_readable(
    number: int, time: timedelta, said: tuple[str, str]
) -> None:
    assert trends._rate(number, time) == said


@pytest.mark.parametrize(
    ("began", "ended", "seconds"),
    [
        (NOW, NOW + timedelta(seconds=1.5), Decimal("1.5")),
        (NOW, NOW - timedelta(seconds=1), None),
        (None, NOW, None),
        (NOW, Malformed({"S": "x"}, "no time"), None),
    ],
)
def test_what_ended_before_it_began_took_no_time(began: Any, ended: Any, seconds: Any) -> None:
    assert between(began, ended) == seconds


def test_stacked_bars_keep_within_their_height_and_escape_their_words() -> None:
    html = figures.stacked(
        [("<b>", [("failed", 1), ("success", 10_000)]), ("none", []), ("zero", [("failed", 0)])],
        label='a "label"',
    )
    assert "&lt;b&gt;" in html
    assert 'aria-label="a &quot;label&quot;"' in html
    # A failure among ten thousand is seen, and where there was nothing stands a hairline.
    assert html.count('class="tone-failed"') == 1
    assert html.count('class="tone-waiting"') == 2
    assert ' y="-' not in html
    assert " style=" not in html
    assert figures.stacked([], label="Nothing")
