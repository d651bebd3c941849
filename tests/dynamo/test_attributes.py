"""What other programs wrote is read or said to be unreadable; no value that DynamoDB can hold raises."""

import inspect
import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opsportal.dynamo import attributes
from opsportal.dynamo.attributes import (
    Malformed,
    is_absent,
    parse_time,
    plain,
    pretty,
    raw_text,
    read_document,
    read_list,
    read_map,
    read_number,
    read_text,
    read_texts,
    read_time,
)
from opsportal.dynamo.models import DynamoModel
from registry.models import Agent
from requests_app.models import IntelligenceRequest, ProcessingLog
from tests.dynamo.typed import EVERY_TYPE, values
from tests.shapes import examples
from tracking.models import Workflow

MODELS: list[type[DynamoModel]] = [Workflow, IntelligenceRequest, ProcessingLog, Agent]
# 2025-12-24 10:00:00 UTC
EPOCH = 1766570400


def at(microsecond: int = 0) -> datetime:
    return datetime(2025, 12, 24, 10, 0, 0, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-12-24T10:00:00Z", at()),
        ("2025-12-24T10:00:00z", at()),
        ("2025-12-24T10:00:00+00:00", at()),
        ("2025-12-24T10:00:00+00:00Z", at()),
        ("2025-12-24T11:00:00+01:00Z", at()),
        ("2025-12-24T04:30:00-05:30", at()),
        ("2025-12-24T11:00:00+0100", at()),
        ("2025-12-24T10:00:00", at()),
        ("2025-12-24 10:00:00", at()),
        ("2025-12-24T10:00", at()),
        ("2025-12-24T10:00:00 +00:00", at()),
        ("  2025-12-24T10:00:00Z\n", at()),
        ("2025-12-24T10:00:00.1Z", at(100_000)),
        ("2025-12-24T10:00:00.12Z", at(120_000)),
        ("2025-12-24T10:00:00.123Z", at(123_000)),
        ("2025-12-24T10:00:00.1234", at(123_400)),
        ("2025-12-24T10:00:00.12345+00:00", at(123_450)),
        ("2025-12-24T10:00:00.123456+00:00Z", at(123_456)),
        ("2025-12-24T10:00:00.123456789Z", at(123_456)),
        ("2025-12-24T10:00:00,250Z", at(250_000)),
        (f"{EPOCH}", at()),
        (f"{EPOCH}.5", at(500_000)),
        (f"{EPOCH}123", at(123_000)),
        (f"{EPOCH}123456", at(123_456)),
        ("Wed, 24 Dec 2025 11:00:00 +0100", at()),
        ("24 Dec 2025 10:00 GMT", at()),
        ("Wed, 24 Dec 2025 05:00:00 EST", at()),
        ("Wed, 24 Dec 2025 10:00:00 -0000", at()),
    ],
)
def test_every_form_of_a_stamp_is_the_same_instant(text: str, expected: datetime) -> None:
    found = read_time({"S": text})
    assert found == expected
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (f"{EPOCH}", at()),
        (f"{EPOCH}.123456", at(123_456)),
        (f"{EPOCH}000", at()),
        (f"{EPOCH}123", at(123_000)),
        (f"{EPOCH}.0E0", at()),
        (f"{EPOCH}123456", at(123_456)),
        (f"{EPOCH}123456789", at(123_456)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-86400", datetime(1969, 12, 31, tzinfo=UTC)),
        ("99999999999", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("100000000000", datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
    ],
)
def test_the_unit_of_an_epoch_number_is_known_by_its_size(number: str, expected: datetime) -> None:
    assert read_time({"N": number}) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"S": "yesterday"},
        {"S": ""},
        {"S": "2025-12-24"},
        {"S": "2025-13-01T00:00:00Z"},
        {"S": "2025-02-30T10:00:00Z"},
        {"S": "0000-01-01T00:00:00Z"},
        {"S": "0001-01-01T00:00:00+14:00"},
        {"S": "9999-12-31T23:59:59-14:00"},
        {"S": "2025-12-24T10:00:00+99:99"},
        {"S": "2025-12-24T10:00:00+01"},
        {"S": "-1766570400"},
        {"N": "1" + "0" * 20},
        {"S": "Wed, 32 Dec 2025 10:00:00 +0000"},
        {"S": "Wed, 24 Dec 2025 10:00:00 CET"},  # not one of the zones that RFC 2822 names
        {"N": "9.9E+125"},
        {"BOOL": True},
        {"B": b"2025-12-24T10:00:00Z"},
        {"M": {}},
        {"L": [{"S": "2025-12-24T10:00:00Z"}]},
    ],
    ids=str,
)
def test_what_is_no_stamp_keeps_its_raw_form_and_says_what_was_expected(value: dict[str, Any]) -> None:
    found = read_time(value)
    assert isinstance(found, Malformed)
    assert found.raw == raw_text(value)
    assert "a time" in found.reason


@given(st.from_regex(r"[0-3]\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d(\.\d{3}|\.\d{6})?Z", fullmatch=True))
def test_the_usual_form_is_read_as_any_other(text: str) -> None:
    """It has a short way of its own, which a blank keeps it from."""
    usual, other = read_time({"S": text}), read_time({"S": f" {text}"})
    assert usual == other or (isinstance(usual, Malformed) and isinstance(other, Malformed))
    assert not isinstance(usual, datetime) or usual.tzinfo is UTC


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "tomorrow", ""])
def test_parsing_a_time_raises_nothing_but_value_errors(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|range|out of"):
        parse_time(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"N": "17.095"}, Decimal("17.095")),
        ({"N": "0"}, Decimal(0)),
        ({"N": "-0.50"}, Decimal("-0.5")),
        ({"N": "99999999999999999999999999999999999999"}, Decimal(10**38 - 1)),
        ({"N": "9.9999999999999999999999999999999999999E+125"}, Decimal("9.9999999999999999999999999999999999999E+125")),
        ({"N": "1E-130"}, Decimal("1E-130")),
        ({"S": " 65.0 "}, Decimal(65)),
        ({"S": "1e3"}, Decimal(1000)),
        (None, None),
        ({"NULL": True}, None),
    ],
)  # fmt: skip
def test_numbers_keep_all_their_digits(value: dict[str, Any] | None, expected: Decimal | None) -> None:
    assert read_number(value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"S": "65 %"}, "expected a number, found other text"),
        ({"S": ""}, "expected a number, found other text"),
        ({"S": "NaN"}, "expected a finite number"),
        ({"S": "sNaN"}, "expected a finite number"),
        ({"S": "-Infinity"}, "expected a finite number"),
        ({"S": "1E+126"}, "expected a number that DynamoDB could hold"),
        ({"S": "-1E+999999"}, "expected a number that DynamoDB could hold"),
        ({"S": "1E-131"}, "expected a number that DynamoDB could hold"),
        ({"S": "1e99999999999999999999"}, "expected a number, found other text"),
        ({"BOOL": True}, "expected a number, found true or false"),
        ({"NS": ["1"]}, "expected a number, found a set of numbers"),
        ({"XX": "1"}, "expected a number, found XX"),
    ],
)
def test_what_is_no_number_says_why(value: dict[str, Any], reason: str) -> None:
    found = read_number(value)
    assert isinstance(found, Malformed)
    assert (found.reason, found.raw) == (reason, raw_text(value))


def test_numbers_that_are_read_can_be_added_up() -> None:
    largest = read_number({"S": "9.9E+125"})
    assert isinstance(largest, Decimal)
    assert sum([largest] * 1000, Decimal(0)) > largest


def test_a_malformed_value_is_false_and_shows_itself() -> None:
    found = read_map({"S": "a <b> & ☃"})
    assert not found
    assert str(found) == '{"S": "a <b> & ☃"}'
    assert repr(found) == """Malformed('{"S": "a <b> & ☃"}', 'expected a map, found text')"""
    assert found == Malformed({"S": "a <b> & ☃"}, "another reason")
    assert found != {"S": "a <b> & ☃"}
    assert len({found, Malformed({"S": "a <b> & ☃"}, "")}) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"S": "pending"}, "pending"),
        ({"S": ""}, ""),
        ({"N": "5"}, "5"),
        ({"BOOL": True}, "true"),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, None),
        ({}, None),
        (None, None),
    ],
)
def test_text_takes_what_loses_nothing_as_text(value: dict[str, Any] | None, expected: str | None) -> None:
    assert read_text(value) == expected
    assert is_absent(value) is (expected is None)


def test_lists_and_sets_are_both_lists_and_sets_come_sorted() -> None:
    assert read_texts({"SS": ["zeta", "alpha"]}) == ["alpha", "zeta"]
    assert read_texts({"L": [{"S": "zeta"}, {"NULL": True}, {"M": {}}]}) == [
        "zeta",
        Malformed({"M": {}}, "expected text, found a map"),
    ]
    assert read_texts({"S": "zeta"}) == Malformed({"S": "zeta"}, "")
    assert read_texts(None) is None
    assert read_list({"BS": [b"b", b"a"]}) == [{"B": b"a"}, {"B": b"b"}]
    assert read_list({"NS": ["2", "1"]}) == [{"N": "1"}, {"N": "2"}]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"S": '{"basic": 1.50, "n": [1, null, true]}'}, {"basic": Decimal("1.50"), "n": [1, None, True]}),
        ({"S": "5"}, 5),
        ({"S": "null"}, None),
        ({"M": {"basic": {"N": "1.5"}}}, {"basic": Decimal("1.5")}),
        ({"L": [{"S": "x"}]}, ["x"]),
        ({"BOOL": True}, True),
        ({"S": '{"rate": NaN, "most": Infinity, "least": -Infinity}'}, {"rate": "NaN", "most": "Infinity", "least": "-Infinity"}),
        ({"S": "[1.5, 1e126, 1e99999999999999999999]"}, [Decimal("1.5"), "1e126", "1e99999999999999999999"]),
        ({"S": "9" * 5000}, "9" * 5000),
        ({"S": "9" * 126}, int("9" * 126)),
        ({"S": '{"smile": "\\ud83d\\ude00", "half": "\\ud83d!", "\\udfff": 1}'}, {"smile": "😀", "half": "\ufffd!", "\ufffd": 1}),
    ],
)  # fmt: skip
def test_documents_are_maps_or_json_text(value: dict[str, Any], expected: Any) -> None:
    found = read_document(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "text",
    ["", "free text", '{"a": 1', "[" * 100_000, "[" * 101 + "]" * 101],
    ids=lambda text: text[:12] or "empty",
)
def test_text_that_is_no_document_a_page_could_show_is_malformed(text: str) -> None:
    found = read_document({"S": text})
    assert isinstance(found, Malformed)
    assert found.reason == "expected a map or JSON text, found other text"


def test_plain_keeps_everything_and_is_json_but_for_decimals() -> None:
    found = plain({"M": EVERY_TYPE})
    assert found["number"] == Decimal("12345678901234567890.123456789")
    assert found["binary"] == "AP+A"
    assert found["binaries"] == ["AA==", "eg=="]
    assert found["numbers"] == [Decimal(1), Decimal("2.5")]
    assert found["list"] == ["x", ["ZGVlcA=="], None]
    assert (found["truth"], found["nothing"]) == (False, None)
    assert list(found) == sorted(EVERY_TYPE)
    json.dumps(found, default=str)


def test_the_raw_form_is_dynamodbs_json_and_binary_is_base64() -> None:
    assert raw_text({"M": {"b": {"B": b"\x00"}, "a": {"SS": ["ü"]}}}) == (
        '{"M": {"a": {"SS": ["ü"]}, "b": {"B": "AA=="}}}'
    )
    assert json.loads(pretty({"b": {"B": b"\x00"}, "s": {"BS": [b"z"]}})) == {
        "b": {"B": "AA=="},
        "s": {"BS": ["eg=="]},
    }


ALLOWED: dict[Any, tuple[type, ...]] = {
    read_text: (str,),
    read_number: (Decimal,),
    read_time: (datetime,),
    read_map: (dict,),
    read_list: (list,),
    read_texts: (list,),
}


@hypothesis_settings(max_examples=examples(40), deadline=None)
@given(value=st.none() | st.just({}) | values)
def test_no_value_makes_a_read_raise(value: dict[str, Any] | None) -> None:
    for read, types in ALLOWED.items():
        found = read(value)
        assert found is None or isinstance(found, (Malformed, *types)), read.__name__
        assert (found is None) is is_absent(value)
    document = read_document(value)
    # What is shown goes out as UTF-8, and through encoders that recurse.
    if value is not None and "S" in value and not isinstance(document, Malformed):
        json.dumps(document, indent=1, ensure_ascii=False, default=str, allow_nan=False).encode()
    if value:
        plain(value)
        assert isinstance(raw_text(value), str)
        assert isinstance(pretty({"x": value}), str)


@hypothesis_settings(max_examples=examples(20), deadline=None)
@given(data=st.data())
def test_no_item_makes_a_model_raise(data: st.DataObject) -> None:
    for model in MODELS:
        declared = [attribute.attr_name for attribute in model.get_attributes().values()]
        raw = data.draw(
            st.dictionaries(st.sampled_from([*declared, "extraStep", "pdfAdapter"]), values, max_size=6)
        )
        item = model.from_item(raw)
        assert item.raw is raw
        assert item.size >= len("{}")
        for name, attribute in model.get_attributes().items():
            found = getattr(item, name)
            assert (found is None) or is_absent(raw.get(attribute.attr_name)) is False
            assert (attribute.attr_name in item.problems) or not isinstance(found, Malformed)
        assert all(isinstance(problem, Malformed) for problem in item.problems.values())
        assert isinstance(item.id, str)
        # What a page asks of it.
        for name in dir(model):
            if isinstance(inspect.getattr_static(model, name), property | cached_property):
                getattr(item, name)


def test_an_attribute_that_would_raise_on_foreign_data_is_refused() -> None:
    from pynamodb.attributes import UnicodeAttribute

    with pytest.raises(TypeError, match=r"Odd\.name would raise .* use opsportal\.dynamo\.attributes"):
        type("Odd", (DynamoModel,), {"name": UnicodeAttribute()})
    assert "Odd" not in {model.__name__ for model in DynamoModel._models}
    with pytest.raises(NotImplementedError):
        attributes.TolerantAttribute().deserialize(None)
