"""JSON and plain data: one meaning, no digit lost, and what is as it was keeps its type."""

import contextlib
import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsportal.dynamo.attributes import plain, typed
from opsportal.dynamo.json_values import (
    MAX_LEVELS,
    Unreadable,
    as_json,
    doubled_names,
    parse,
    parse_foreign,
    read_object,
    storable,
)
from opsportal.operations.changes import same
from tests.dynamo import typed as values
from tests.shapes import derived

TEXT = '{"fee": 0.10, "big": 12345678901234567890.123456789, "list": [null, true, "é", {}, []], "no": false}'


def test_a_document_is_spelled_as_it_was_read() -> None:
    assert as_json(read_object(TEXT)) == TEXT
    indented = as_json(read_object(TEXT), indent="  ")
    assert indented.splitlines()[:2] == ["{", '  "fee": 0.10,']
    assert as_json(read_object(indented)) == TEXT


def test_a_document_becomes_a_value_of_dynamodb() -> None:
    assert typed(read_object(TEXT)) == {
        "M": {
            "fee": {"N": "0.10"},
            "big": {"N": "12345678901234567890.123456789"},
            "list": {"L": [{"NULL": True}, {"BOOL": True}, {"S": "é"}, {"M": {}}, {"L": []}]},
            "no": {"BOOL": False},
        }
    }


def test_a_changed_type_is_a_change_though_python_takes_the_values_for_equal() -> None:
    assert typed(True, {"N": "1"}) == {"BOOL": True}
    assert typed(1, {"BOOL": True}) == {"N": "1"}


@given(st.dictionaries(values.names, values.values, max_size=5))
def test_what_was_not_edited_keeps_its_types(members: dict[str, Any]) -> None:
    value = {"M": members}
    assert same(typed(plain(value), value), value)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff{}", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b'{"a": {"b": 1, "b": 1}}', "occurs twice"),
        (b'{"a": NaN}', "NaN is not valid JSON"),
        (b'{"a": -Infinity}', "is not valid JSON"),
        (gzip.compress(b"{}", mtime=0), "compressed"),
        (b'{"a": 1E+999999999}', "out of range"),
        (b'{"a": 1e-999999999999999999999999}', "out of range"),
        (b'{"a": ' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a": "\\ud800"}', "lone surrogate"),
        (b'{"\\udc00": 1}', "lone surrogate"),
        (b"[" * 100 + b"]" * 100, "levels"),
        (b"[" * 100_000 + b"]" * 100_000, "levels"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "levels"),
    ],
)
def test_what_has_no_one_meaning_is_refused(body: bytes, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        parse(body)


def test_a_name_that_is_there_twice_is_noticed() -> None:
    found = parse_foreign('{"a": [{"n": 1, "n": 2}], "b": {"c": 1, "c": {"d": 1, "d": 1}}, "a\\u0062": 1}')
    assert found == {"a": [{"n": 2}], "b": {"c": {"d": 1}}, "ab": 1}
    assert doubled_names(found) == ["n", "c", "d"]
    assert as_json(found) == '{"a": [{"n": 2}], "b": {"c": {"d": 1}}, "ab": 1}'
    assert doubled_names(parse_foreign('{"n": {"n": 1}}')) == []


def test_numbers_are_exact_and_the_rest_is_as_it_was() -> None:
    assert parse(b'{"a": [0.1, 1e3, 7, -0.0, "\\u0000", null, true], "b": {}}') == {
        "a": [Decimal("0.1"), Decimal("1E+3"), 7, Decimal("-0.0"), "\x00", None, True],
        "b": {},
    }
    assert parse(b"[" * MAX_LEVELS + b"]" * MAX_LEVELS)


@derived
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(Unreadable):
        parse(body)


numbers = st.one_of(
    st.integers(-(10**37), 10**37),
    st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**20), max_value=10**20),
)
members = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.text(st.characters(exclude_categories=["Cs"]), max_size=20), numbers
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9), members, max_size=4
    )
)
def test_an_object_comes_through_its_text_and_through_dynamodb_as_it_was(document: dict[str, Any]) -> None:
    found = storable(document)
    assert found == document
    for indent in ("", "  "):
        text = as_json(found, indent=indent)
        assert json.loads(text, parse_float=Decimal) == document
        assert read_object(text) == document
    assert plain(typed(found)) == document


def test_no_digit_is_lost() -> None:
    digits = "12345678901234567890123456789012345678"
    text = f'{{"a":{digits},"b":0.{digits},"c":1e100,"d":-0.0,"e":2.50}}'
    assert typed(storable(read_object(text))) == {
        "M": {
            "a": {"N": digits},
            "b": {"N": f"0.{digits}"},
            "c": {"N": "1" + "0" * 100},
            "d": {"N": "0"},
            "e": {"N": "2.5"},
        }
    }


@given(st.one_of(st.text(max_size=60), st.text(alphabet='{}[]":,0123456789eE+-.\\u nulltrefas', max_size=80)))
def test_any_text_is_an_object_or_has_a_sentence(text: str) -> None:
    sentence = ""
    try:
        as_json(read_object(text)).encode()
    except ValueError as error:
        sentence = str(error)
    assert sentence.endswith(".") or not sentence


def test_numbers_are_written_as_they_are_stored() -> None:
    """Beyond 2^53, and in more digits than a double has."""
    stored = (
        {"N": "9007199254740993"},
        {"N": "0.12345678901234567890123"},
        {"N": "1" + "0" * 30},
        {"N": "0.00000001"},
    )
    value = {"M": {"list": {"L": [*stored, {"NS": ["9007199254740993", "0.1"]}]}, "none": {"NULL": True}}}
    assert as_json(plain(value)) == (
        '{"list": [9007199254740993, 0.12345678901234567890123, 1'
        + "0" * 30
        + ', 0.00000001, [0.1, 9007199254740993]], "none": null}'
    )
    assert typed(parse(as_json(plain(stored[0])))) == stored[0]
    assert as_json(("é\ud800", 0.5, True, Decimal("1E+999999999"))) == '["é\ud800", 0.5, true, 1E+999999999]'
