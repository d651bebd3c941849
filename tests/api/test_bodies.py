"""Bodies: what has no one meaning, or could not be stored, is refused before anything looks at it."""

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsportal.api.bodies import MOST_LEVELS, Unreadable, read
from tests.shapes import derived


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff{}", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "no JSON"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b'{"a": {"b": 1, "b": 1}}', "occurs twice"),
        (b'{"a": NaN}', "NaN is no JSON"),
        (b'{"a": -Infinity}', "is no JSON"),
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
        read(body)


def test_numbers_are_exact_and_the_rest_is_as_it_was() -> None:
    assert read(b'{"a": [0.1, 1e3, 7, -0.0, "\\u0000", null, true], "b": {}}') == {
        "a": [Decimal("0.1"), Decimal("1E+3"), 7, Decimal("-0.0"), "\x00", None, True],
        "b": {},
    }
    assert read(b"[" * MOST_LEVELS + b"]" * MOST_LEVELS)


@derived
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(Unreadable):
        read(body)


@pytest.mark.no_moto
def test_the_refusal_of_a_body_is_an_answer(tables: Any, program: Any) -> None:
    caller = program()
    for body in (b"{", b'{"a": 1, "a": 2}', b"[" * 100_000 + b"]" * 100_000, b'{"a": NaN}'):
        for path in ("/api/requests", "/api/agents/register", "/api/requests/x/cancel"):
            answer = caller.post(path, body)
            assert answer.status_code == 400, (path, body[:20])
            assert answer.json()["title"] == "The body can't be read"
    for wrong in ([], "text", 7, None, True):
        assert caller.post("/api/requests", wrong if wrong is not None else b"null").status_code == 422
