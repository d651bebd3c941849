"""Strategies for DynamoDB values as the wire has them, with what real writers get wrong in them."""

from typing import Any

from hypothesis import strategies as st

AWKWARD_TEXTS = (
    "", " ", "0", "5", "-1700000000", "1734950400", "1734950400123", "99999999999999999999", "9" * 5000,
    "NaN", "sNaN", "-inf", "Infinity", "1_000", "٣", "1E+999999", "1e99999999999999999999", "0E+999999",
    "2025-12-24T10:00:00+00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
    "0000-01-01T00:00:00Z", "2025-02-30T10:00:00Z", "2025-12-24T10:00:00+99:99", "2025-12-24T24:00:00Z",
    "null", "true", "[]", "{}", '{"a": NaN, "b": [1e400, -Infinity]}', "[1e99999999999999999999]", "[" * 900 + "]" * 900,
    "[" * 5000, '{"a":' * 200 + "1" + "}" * 200, '"\\ud800"', '{"\\udfff": "\\ud83d\\ude00"}', '{"a": "x" ',
    "<script>alert(1)</script>", "\x00\x1b[31m", "\u202eabc", "\ud800", "=1+1",
)  # fmt: skip
AWKWARD_NUMBERS = (
    "0", "-0", "0.0", "9.9999999999999999999999999999999999999E+125", "-9.9999999999999999999999999999999999999E+125",
    "1E-130", "99999999999999999999999999999999999999", "1734950400", "1734950400.123456", "1734950400123",
    "1734950400123456", "-62135596800", "-62135596801", "253402300799", "253402300800", "-1",
)  # fmt: skip

texts = st.sampled_from(AWKWARD_TEXTS) | st.text(max_size=20)
# DynamoDB's numbers: 38 digits, from 1E-130 to 9.99...E+125.
numbers = (
    st.sampled_from(AWKWARD_NUMBERS)
    | st.integers(-(10**38) + 1, 10**38 - 1).map(str)
    | st.builds("{}E{}".format, st.integers(-9999, 9999), st.integers(-120, 120))
)
names = st.sampled_from(
    ("status", "startedAt", "tokenUsage", "totalTokens", "duration", "sources", "name")
) | (st.text(min_size=1, max_size=5))
scalars = st.one_of(
    st.builds(lambda text: {"S": text}, texts),
    st.builds(lambda number: {"N": number}, numbers),
    st.builds(lambda data: {"B": data}, st.binary(max_size=8)),
    st.builds(lambda flag: {"BOOL": flag}, st.booleans()),
    st.just({"NULL": True}),
    st.builds(lambda members: {"SS": members}, st.lists(texts, min_size=1, max_size=4, unique=True)),
    st.builds(lambda members: {"NS": members}, st.lists(numbers, min_size=1, max_size=4, unique=True)),
    st.builds(
        lambda members: {"BS": members}, st.lists(st.binary(max_size=4), min_size=1, max_size=4, unique=True)
    ),
)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda members: {"L": members}, st.lists(inner, max_size=4)) | st.builds(
        lambda members: {"M": members}, st.dictionaries(names, inner, max_size=4)
    )


values = st.recursive(scalars, _nested, max_leaves=12)

# One item that has every type, and what no model declares.
EVERY_TYPE: dict[str, Any] = {
    "text": {"S": "naïve ☃ 😀 \u202e <b>"},
    "empty text": {"S": ""},
    "number": {"N": "12345678901234567890.123456789"},
    "binary": {"B": b"\x00\xff\x80"},
    "truth": {"BOOL": False},
    "nothing": {"NULL": True},
    "texts": {"SS": ["a", "b"]},
    "numbers": {"NS": ["1", "2.5"]},
    "binaries": {"BS": [b"\x00", b"z"]},
    "list": {"L": [{"S": "x"}, {"L": [{"B": b"deep"}]}, {"NULL": True}]},
    "map": {"M": {"B": {"S": "a member named B"}, "in": {"M": {"BS": {"BS": [b"\x01"]}}}, "none": {"M": {}}}},
    "dotted.name": {"L": []},
    "#hash:colon": {"BOOL": True},
}
