"""A key is a value: its text, its form on the wire and its place in a cursor are each one to one with it."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsportal.dynamo import cursors
from opsportal.dynamo.keys import MAX_HASH_BYTES, MAX_SORT_BYTES, Key, NotAKey
from tests.shapes import examples

TYPES = {
    "S": {"id": "S"},
    "N": {"id": "N"},
    "B": {"id": "B"},
    "S+S": {"id": "S", "at": "S"},
    "S+N": {"id": "S", "at": "N"},
    "N+S": {"id": "N", "at": "S"},
    "B+B": {"id": "B", "at": "B"},
}
every_kind = pytest.mark.parametrize("kind", TYPES)
# What keys are made of when they are at their worst.
ODD = [
    "/", "//", ".", "..", "a.b", "~", "~~", "~2C", "~2c", "~7E", "~7E2C", ",", ",,", "a,b", "%", "%2C", "%7E2C", " ",
    " a ", "a\nb", "\0", "é", "日本", "🚀", "\u202e", "\ufeff", "null", "0", "-0", "1e3", "x" * 1024,
]  # fmt: skip
texts = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=5)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "S": texts,
    "N": numbers.map(str) | st.sampled_from(["0", "-0", "1.50", "007", "1e3", "1E-5", "-1.0E+125", "9" * 38]),
    "B": st.binary(min_size=1, max_size=40),
}


def typed(tag: str) -> st.SearchStrategy[dict[str, Any]]:
    return VALUES[tag].map(lambda value: {tag: value})


def items(kind: str) -> st.SearchStrategy[dict[str, dict[str, Any]]]:
    """Items with a key of these types, as the wire has them, and an attribute beside it."""
    key = {name: typed(tag) for name, tag in TYPES[kind].items()}
    return st.fixed_dictionaries(key | {"other": st.just({"S": "x"})})


@every_kind
@settings(deadline=None, max_examples=examples(40))
@given(data=st.data())
def test_a_key_comes_back_from_its_text_its_wire_form_and_a_cursor(kind: str, data: st.DataObject) -> None:
    types = TYPES[kind]
    key = Key.from_item(data.draw(items(kind)), types)
    assert Key.from_text(key.text, types) == key
    assert str(key) == key.text
    assert Key.from_item(key.wire, types) == key
    assert {name: tag for name, value in key.wire.items() for tag in value} == types
    passed = cursors.load(cursors.dump({"key": key.wire}, purpose="x"), purpose="x")["key"]
    assert Key.from_item(passed, types) == key
    other = Key.from_item(data.draw(items(kind)), types)
    assert (other == key) == (other.text == key.text) == (other.digest == key.digest)
    assert (hash(other) == hash(key)) or other != key


@every_kind
@settings(deadline=None)
@given(text=texts | st.text())
@example("a,1")
@example("a,01")
@example("a~2Cb,1")
@example("YQ==")
@example("YR==")
@example("\ud800")
def test_a_text_is_one_keys_or_none(kind: str, text: str) -> None:
    try:
        key = Key.from_text(text, TYPES[kind])
    except NotAKey:
        return
    assert key.text == text
    assert len(key.wire) == len(TYPES[kind])


@settings(deadline=None)
@given(texts)
def test_the_text_of_a_hash_key_alone_is_its_value(value: str) -> None:
    assert Key.from_text(value, {"id": "S"}).wire == {"id": {"S": value}}


@pytest.mark.parametrize(
    ("kind", "wire", "text"),
    [
        ("S", {"id": {"S": "a,b~2Cc/ü"}}, "a,b~2Cc/ü"),
        ("N", {"id": {"N": "1.50"}}, "1.5"),
        ("N", {"id": {"N": "-0"}}, "0"),
        ("N", {"id": {"N": "1E+20"}}, "1" + "0" * 20),
        ("B", {"id": {"B": b"\x00\xffa"}}, "AP9h"),
        ("S+S", {"id": {"S": "a,b~c"}, "at": {"S": "d,e~f"}}, "a~2Cb~7Ec,d,e~f"),
        ("S+N", {"id": {"S": "eu/1"}, "at": {"N": "42"}}, "eu/1,42"),
    ],
)
def test_the_texts_of_keys(kind: str, wire: dict[str, Any], text: str) -> None:
    assert Key.from_item(wire, TYPES[kind]).text == text


@pytest.mark.parametrize(
    ("kind", "texts_"),
    [
        ("S", ["", "x" * (MAX_HASH_BYTES + 1), "ü" * (MAX_HASH_BYTES // 2 + 1), "\ud800"]),
        ("N", ["", "x", "01", "1.0", "+1", " 1", "1_0", "1e3", "-0", "NaN", "sNaN", "Infinity", "1" * 39, "1e400", "١"]),
        ("B", ["", "a", "YR==", "YQ", "Y Q==", "YQ==\n", "ü"]),
        ("S+S", ["a", ",", "a,", ",b", "a~,b", "a~2cb,c", "a~41,b", "a," + "x" * (MAX_SORT_BYTES + 1), "\ud800,b"]),
        ("S+N", ["a", "a,b", "a,01", "a,1,2", "a/1"]),
    ],
)  # fmt: skip
def test_other_spellings_are_no_keys(kind: str, texts_: list[str]) -> None:
    for text in texts_:
        with pytest.raises(NotAKey):
            Key.from_text(text, TYPES[kind])


def test_the_longest_keys_are_keys() -> None:
    text = f"{'x' * MAX_HASH_BYTES},{'ü' * (MAX_SORT_BYTES // 2)}"
    assert Key.from_text(text, TYPES["S+S"]).text == text


def test_a_partition_named_like_a_type_passes_through_a_cursor() -> None:
    position = {"at": "x", "keys": {"B": {"B": {"S": "Eg=="}, "id": {"B": b"\0"}}, "S": None}}
    assert cursors.load(cursors.dump(position, purpose="x"), purpose="x") == position
