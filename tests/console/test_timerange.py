"""Time ranges: lengths up to now, bounds of one's own in one's own zone, and never nonsense."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from opsportal.console.timerange import LENGTHS, WINDOWS, picked, picker_value, time_range

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
        # As items hold it, from which people copy it.
        ({"from": "2026-11-20T10:00:00.250000+00:00Z"}, "custom", "2026-11-20T10:00:00", ""),
        ({"from": "2026-11-20 10:00:00z"}, "custom", "2026-11-20T10:00:00", ""),
        ({"to": "Fri, 20 Nov 2026 10:00:00 +0530"}, "custom", "", "2026-11-20T04:30:00~"),
        ({"to": "Fri, 20 Nov 2026 10:00:00 GMT"}, "custom", "", "2026-11-20T10:00:00~"),
        ({"to": "Fri, 20 Nov 2026 10:00:00", "range": "24h"}, "24h", "2026-11-19T12:00:00", ""),
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


def test_a_label_says_both_bounds_in_the_readers_zone() -> None:
    found = time_range({"from": "2026-11-20T10:00", "to": "2026-12-01T03:04:05Z"}, BERLIN)
    assert found.label == "from 2026-11-20 10:00 CET to 2026-12-01 04:04:05 CET"
    ambiguous = time_range({"to": "2026-11-20T10:00Z"}, ZoneInfo("Asia/Shanghai"))
    assert ambiguous.label == "to 2026-11-20 18:00 CST (+08:00)"
    assert time_range({"range": "24h"}, BERLIN).label == "Last 24 hours"


@pytest.mark.parametrize(
    ("zone", "wall", "first", "last", "said"),
    [
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "twice"),
        ("America/New_York", "2026-11-01T01:00", "2026-11-01T05:00:00Z", "2026-11-01T06:00:00Z", "twice"),
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z", "never"),
        # Half an hour, and a day that there was not.
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z", "2026-10-03T15:30:00Z", "never"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "never"),
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z", ""),
        ("UTC", "2026-10-25T02:30", "2026-10-25T02:30:00Z", "2026-10-25T02:30:00Z", ""),
    ],
)
def test_bounds_in_an_hour_that_clocks_show_twice_or_never(
    zone: str, wall: str, first: str, last: str, said: str
) -> None:
    found = time_range({"from": wall, "to": wall}, ZoneInfo(zone))
    assert found.query == {"from": first, "to": last}
    assert not found.crossed
    notices = " ".join(found.notices)
    assert notices.count(f"names no time zone and is read in yours, {zone}") == 2
    assert (said in notices) if said else "Clocks" not in notices


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"from": "garbage"}, "from=garbage can't be read as a time: write it in ISO 8601"),
        ({"to": "2026-10-25T24:00"}, "to=2026-10-25T24:00 can't be read"),
        ({"from": "2026-11-20T10:00:00 02:00"}, "Write + as %2B in an address."),
        ({"range": "24H"}, "There is no range '24H': it is one of 1h, 24h, 7d, 30d, all."),
    ],
)
def test_what_cannot_be_read_is_said_with_its_fix(params: dict[str, str], said: str) -> None:
    found = time_range(params, BERLIN)
    assert said in " ".join(found.notices)
    assert found.notices[-1] == "Shown instead: last 7 days."
    assert (found.key, found.query) == ("7d", {})
    assert time_range({"from": "2026-11-20T10:00Z", "range": ""}, BERLIN).notices == ()


def test_the_form_for_bounds_asks_for_instants_whatever_the_readers_zone() -> None:
    sent = {"pick_from": "2026-10-25T00:00", "pick_to": "2026-10-25T03:30", "pick_zone": "Europe/Berlin"}
    found = picked(sent)
    assert found == ({"from": "2026-10-24T22:00:00Z", "to": "2026-10-25T02:30:00Z"}, [])
    assert picked({**sent, "pick_zone": "America/New_York"}) == (
        {"from": "2026-10-25T04:00:00Z", "to": "2026-10-25T07:30:00Z"},
        [],
    )
    # A bound that was not touched stays as it was, in the hour that is shown twice too; another is read again.
    before = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert picker_value(before, BERLIN) == "2026-10-25T02:30"
    kept = {**sent, "pick_from": "2026-10-25T02:30", "was_from": "2026-10-25T01:30:00Z"}
    assert picked(kept) == ({"from": "2026-10-25T01:30:00Z", "to": "2026-10-25T02:30:00Z"}, [])
    again = picked({**kept, "was_from": ""})
    assert again
    assert again[0]["from"] == "2026-10-25T00:30:00Z"
    assert "twice" in again[1][0]
    assert picked({"pick_from": "", "pick_to": "soon", "pick_zone": "../etc"}) == ({"to": "soon"}, [])
    assert picked({"from": "2026-10-25T00:00"}) is None


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
