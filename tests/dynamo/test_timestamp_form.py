"""In how many forms times are written, and how far that puts an order by text off."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsportal.dynamo.attributes import read_time
from opsportal.dynamo.timestamp_form import TimestampForm, form_of, is_mixed, lateness, off_by


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"S": "2026-11-20T10:00:00.123Z"}, "ISO, 3 decimals, Z"),
        ({"S": "2026-11-20T10:00:00.123456+00:00Z"}, "ISO, 6 decimals, +0000"),
        ({"S": "2026-11-20T10:00:00"}, "ISO, seconds, no zone"),
        ({"S": "2026-11-20 10:00-0530"}, "ISO with a space, minutes, -0530"),
        ({"S": "1735123200"}, "digits"),
        ({"S": "Wed, 25 Dec 2024 10:40:00 +0000"}, "RFC 2822"),
        ({"N": "1735123200"}, "a number"),
        ({"S": "yesterday"}, "other"),
        ({"NULL": True}, "other"),
        ({"M": {}}, "other"),
    ],
)
def test_the_form_of_a_time(value: dict[str, Any], form: str) -> None:
    assert form_of(value) == form


@pytest.mark.parametrize(
    ("stamps", "off"),
    [
        (["2026-11-20T10:00:00.123Z"] * 2, ""),
        (["2026-11-20T10:00:00.123Z", "yesterday"], ""),
        (["2026-11-20T10:00:00.123Z", "2026-11-20T10:00:00Z"], "a second"),
        (["2026-11-20T10:00Z", "2026-11-20T10:00:00Z"], "a minute"),
        (["2026-11-20T10:00:00Z", "2026-11-20T10:00:00+02:00"], "2 h"),
        (["2026-11-20T10:00:00-03:30", "2026-11-20T10:00:00+02:00"], "330 min"),
        (["2026-11-20T10:00:00Z", "2026-11-20 10:00:00Z"], "a day"),
        (["2026-11-20T10:00:00Z", "1735123200"], "any time"),
    ],
)
def test_how_far_the_order_may_be_off(stamps: list[str], off: str) -> None:
    assert off_by({form_of({"S": stamp}): 1 for stamp in stamps}) == off


@pytest.mark.parametrize(
    ("stamps", "mixed", "late"),
    [
        (["2026-11-20T10:00:00.123Z"], False, timedelta(0)),
        (["2026-11-20T10:00:00"], False, timedelta(0)),
        (["2026-11-20T10:00:00Z", "yesterday"], False, timedelta(0)),
        (["2026-11-20T10:00:00.123Z", "2026-11-20T10:00:00Z"], True, timedelta(minutes=1)),
        (["2026-11-20T10:00:00+09:00"], True, timedelta(minutes=1)),
        (["2026-11-20T10:00:00-05:00", "2026-11-20T10:00:00Z"], True, timedelta(hours=5, minutes=1)),
        (["2026-11-20 10:00:00"], True, timedelta(days=1, minutes=1)),
        (["2026-11-20T10:00Z"], True, timedelta(minutes=1)),
        (["1735123200"], True, timedelta(days=1, minutes=1)),
    ],
)
def test_ranges_are_read_wider_where_texts_are_not_in_the_order_of_time(
    stamps: list[str], mixed: bool, late: timedelta
) -> None:
    forms = {form_of({"S": stamp}): 1 for stamp in stamps}
    assert (is_mixed(forms), lateness(forms)) == (mixed, late)


@pytest.mark.parametrize(
    "value",
    [
        {"N": "1735123200"}, {"N": "1735123200123"}, {"N": "1735123200123456"}, {"N": "1735123200123456789"},
        {"S": "1735123200123456"}, {"S": "Wed, 25 Dec 2024 10:40:00 +0000"}, {"S": "2024-12-25T10:40:00.123456+05:30"},
    ],
)  # fmt: skip
def test_a_new_time_is_written_in_the_form_of_the_old_one(value: dict[str, str]) -> None:
    form, moment = TimestampForm.from_value(value), datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert form
    written = form.written(moment)
    assert read_time(written) == moment
    assert TimestampForm.from_value(written) == form
    assert {tag: len(text) for tag, text in written.items()} == {
        tag: len(text) for tag, text in value.items()
    }
