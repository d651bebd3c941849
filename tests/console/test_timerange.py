"""Time ranges: lengths up to now, bounds of one's own in one's own zone, and never nonsense."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from opsportal.console.timerange import LENGTHS, WINDOWS, time_range

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
NOW = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("params", "key", "start", "end"),
    [
        ({}, "7d", "2026-11-13T12:00:00", ""),
        ({"range": "1h"}, "1h", "2026-11-20T11:00:00", ""),
        ({"range": "all"}, "all", "", ""),
        ({"range": "nonsense"}, "7d", "2026-11-13T12:00:00", ""),
        ({"from": "2026-11-20T10:00"}, "custom", "2026-11-20T09:00:00", ""),
        ({"from": "2026-07-20T10:00"}, "custom", "2026-07-20T08:00:00", ""),
        ({"from": "2026-11-20T10:00Z"}, "custom", "2026-11-20T10:00:00", ""),
        ({"to": " 2026-11-20T10:00:30.5+00:00 "}, "custom", "", "2026-11-20T10:00:30~"),
        ({"from": "2026-11-20", "to": "2026-11-21", "range": "1h"}, "custom",
         "2026-11-19T23:00:00", "2026-11-20T23:00:00~"),
        ({"from": "0500-01-01T00:00Z"}, "custom", "0500-01-01T00:00:00", ""),
        ({"from": "yesterday", "to": "2026-13-01"}, "7d", "2026-11-13T12:00:00", ""),
        ({"from": "0001-01-01T00:00", "range": "24h"}, "24h", "2026-11-19T12:00:00", ""),
        ({"to": "9999-12-31T23:59:59-14:00"}, "7d", "2026-11-13T12:00:00", ""),
        ({"from": "9" * 500}, "7d", "2026-11-13T12:00:00", ""),
    ],
)  # fmt: skip
def test_parameters_become_bounds_of_an_indexs_text(
    params: dict[str, str], key: str, start: str, end: str
) -> None:
    with time_machine.travel(NOW, tick=False):
        found = time_range(params, BERLIN)
    assert (found.key, found.span.start, found.span.end) == (key, start, end)
    assert found.label


def test_every_form_of_a_stamp_within_the_bounds_is_between_them() -> None:
    span = time_range({"from": "2026-11-20T10:00:00", "to": "2026-11-20T10:00:00"}, UTC_ZONE).span
    for form in ("", "Z", ".000Z", ".999999", "+00:00", ".5+00:00Z"):
        assert span.start <= f"2026-11-20T10:00:00{form}" <= span.end
    assert span.start > "2026-11-20T09:59:59.999Z"
    assert span.end < "2026-11-20T10:00:01Z"
    assert time_range({"from": "2026-11-20T11:00", "to": "2026-11-20T10:00"}, UTC_ZONE).span.empty


def test_a_label_says_the_bounds_in_utc() -> None:
    found = time_range({"from": "2026-11-20T10:00", "to": "0900-01-02T03:04Z"}, BERLIN)
    assert found.label == "from 2026-11-20 09:00 to 0900-01-02 03:04 UTC"
    assert time_range({"range": "24h"}, BERLIN).label == "Last 24 hours"


@given(start=st.text(max_size=40), end=st.text(max_size=40), key=st.text(max_size=10))
def test_no_text_is_more_than_ignored(start: str, end: str, key: str) -> None:
    found = time_range({"from": start, "to": end, "range": key}, BERLIN)
    assert found.key in LENGTHS or found.key == "custom"


@given(
    at=st.datetimes(timezones=st.just(UTC)), zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"])
)
def test_any_instant_is_its_own_bound(at: datetime, zone: str) -> None:
    found = time_range({"from": at.isoformat()}, ZoneInfo(zone))
    assert found.start == at
    assert len(found.span.start) == 19


def test_the_windows_of_the_overview_are_lengths_that_end() -> None:
    assert all(isinstance(LENGTHS[key][1], timedelta) for key in WINDOWS)
