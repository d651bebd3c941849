"""In how many forms times are written, and how far that puts an order by text off."""

from typing import Any

import pytest

from opsportal.dynamo.timestamp_form import form_of, off_by


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"S": "2026-11-20T10:00:00.123Z"}, "ISO, 3 decimals, Z"),
        ({"S": "2026-11-20T10:00:00.123456+00:00Z"}, "ISO, 6 decimals, +0000"),
        ({"S": "2026-11-20T10:00:00"}, "ISO, seconds, no zone"),
        ({"S": "2026-11-20 10:00-0530"}, "ISO with a space, minutes, -0530"),
        ({"S": "1735123200"}, "digits"),
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
