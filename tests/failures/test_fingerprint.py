"""What an error is grouped by: its text without what differs from run to run."""

import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsportal.dynamo.attributes import Typed
from opsportal.failures.failure import Failure, error_text
from opsportal.failures.fingerprint import MAX_LINE, clean, error_type, fingerprint

# As programs wrote them: text, type, cleaned.
MESSAGES = (
    ("ThrottlingException: Too many tokens, please wait before trying again.", "ThrottlingException",
     "ThrottlingException: Too many tokens, please wait before trying again."),
    ("botocore.errorfactory.ThrottlingException: An error occurred (ThrottlingException) when calling the Converse "
     "operation (reached max retries: 4): Too many tokens. request id 7c1e09aa-2f0b-4f3e-9c4d-e0a1b0c7f512",
     "ThrottlingException",
     "botocore.errorfactory.ThrottlingException: An error occurred (ThrottlingException) when calling the Converse "
     "operation (reached max retries: <n>): Too many tokens. request id <id>"),
    ("Failed to extract content from url https://a.example/b?c=1: HTTP 503", "",
     "Failed to extract content from url <url>: HTTP <n>"),
    ("TextractError: page 12 could not be read (unsupported encoding)", "TextractError",
     "TextractError: page <n> could not be read (unsupported encoding)"),
    ("KeyError: 'status'", "KeyError", "KeyError: <text>"),
    ("can't open documents/trade.pdf, don't retry", "", "can't open <path>, don't retry"),
    ("session tm-20260317-2c90af of req_1704812345678_a08ac7ad", "", "session tm-<id> of req_<id>"),
    ("ICE_681858.pdf is not in s3://bucket/a/b.pdf.", "", "<path> is not in <url>."),
    ("connect to 10.0.0.1:443 failed after 3.5s at 2024-01-09T15:43:12.000Z", "",
     "connect to <address> failed after <n>s at <time>"),
    ("arn:" "aws:dynamodb:eu-west-1:111122223333:table/x: denied", "", "<id> denied"),
    ("dial tcp db.internal:5432: 2001:db8::1 refused", "", "dial tcp <address>: <address> refused"),
    ("mail to a.b@c.example bounced -5 times, 1,024.50 bytes at 0x7ffe12", "",
     "mail to <address> bounced <n> times, <n> bytes at <id>"),
    ("\x1b[31mError\x1b[0m:\u200b  bad\t thing \n second line", "Error", "Error: bad thing"),
    ('Traceback (most recent call last):\n  File "x.py", line 3, in y\n    foo()\nValueError: bad 3\n', "ValueError",
     "ValueError: bad <n>"),
    ('{"errorType": "TypeError", "errorMessage": "bad value 3"}', "TypeError", "TypeError: bad value <n>"),
    ("\u041c\u0430\u043a\u0441\u0438\u043c\u0443\u043c 5 \u043f\u043e\u043f\u044b\u0442\u043e\u043a", "",
     "\u041c\u0430\u043a\u0441\u0438\u043c\u0443\u043c <n> \u043f\u043e\u043f\u044b\u0442\u043e\u043a"),
    ("\u201csecret\u201d and \u00absecret\u00bb and `secret`", "", "<text> and <text> and <text>"),
    ("std::runtime_error: read/write or I/O", "", "std::runtime_error: read/write or I/O"),
    (" \n\t\u200b", "", ""),
    ("", "", ""),
)  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "line"), MESSAGES, ids=range(len(MESSAGES)))
def test_a_message_is_cleaned_and_has_the_type_that_it_begins_with(text: str, kind: str, line: str) -> None:
    assert clean(text) == line
    assert error_type(text) == kind


def test_what_is_cleaned_stays_as_it_is() -> None:
    """Else a case's own line would be of another case."""
    lines = [line for _, _, line in MESSAGES]
    assert [clean(line) for line in lines] == lines


def failed(error: str, step: str = "pdfAdapter") -> Failure:
    return Failure(step, step, error, None)


# Forms of the ids that the documents' programs write.
IDS = st.one_of(
    st.uuids().map(str),
    st.builds(
        lambda at, tail: f"req_{at}_{tail:08x}", st.integers(10**12, 10**13 - 1), st.integers(0, 2**32 - 1)
    ),
    st.integers(2**100, 2**128 - 1).map(lambda number: f"0x{number:x}"),
    st.integers(0, 2**24 - 1).map(lambda tail: f"tm-20260317-{tail:06x}"),
)
NUMBERS = st.one_of(
    st.integers(-(10**9), 10**9).map(str), st.floats(0, 1e9, allow_nan=False).map(lambda n: f"{n:.3f}")
)


@given(one=st.tuples(IDS, NUMBERS, st.text(st.characters(exclude_characters="'"), max_size=20)), kind=IDS)
def test_numbers_ids_and_quoted_text_make_no_other_case(one: tuple[str, str, str], kind: str) -> None:
    ident, number, quoted = one
    same = fingerprint("workflows", failed(f"SomeError: {kind} of {number} says '{_flat(quoted)}' twice"))
    other = fingerprint("workflows", failed("SomeError: " + _like(kind) + " of 7 says 'no' twice"))
    assert same.id == other.id
    assert ident not in fingerprint("workflows", failed(f"bad {ident} here")).line


def _flat(text: str) -> str:
    return " ".join(text.split())


def _like(ident: str) -> str:
    """Another id of the same form."""
    if ident.startswith("req_"):
        return "req_1704812345678_a08ac7ad"
    if ident.startswith("tm-"):
        return "tm-20251111-00ff3a"
    return "0x12" if ident.startswith("0x") else str(uuid.UUID(int=5))


def test_a_case_is_of_a_table_a_step_a_type_and_a_line() -> None:
    base = fingerprint("workflows", failed("SomeError: bad 1"))
    assert len(base.id) == 16
    assert base == fingerprint("workflows", failed("SomeError: bad 22"))
    others = [
        fingerprint("requests", failed("SomeError: bad 1")),
        fingerprint("workflows", failed("SomeError: bad 1", "tradeMatching")),
        fingerprint("workflows", failed("SomeError: worse 1")),
        fingerprint("workflows", failed("")),
    ]
    assert len({base.id, *(one.id for one in others)}) == 5


HOSTILE = (
    "a", "a.", "'", '"a', "@", "a@", "1:", "/a", "a-", "1.1.", " ", "\u200b", "\n", "http://", "A", "Aa", "{", "x\n",
    "a.b/", "An error occurred (", "\x1b]8;", "\u0661", "0x", "[::", "a_1", '{"error":', "Traceback", "\ud800",
)  # fmt: skip


@pytest.mark.parametrize("part", HOSTILE, ids=range(len(HOSTILE)))
def test_a_megabyte_of_anything_is_one_short_line_in_linear_time(part: str) -> None:
    def work(size: int) -> float:
        text, began = part * (size // len(part)) + f"end {uuid.uuid4()}", time.process_time()
        for prefix in ("", "SomeError: ", "Traceback\n"):
            assert len(clean(prefix + text)) <= MAX_LINE
            error_type(prefix + text)
        return time.process_time() - began

    # In quadratic time these would be minutes: a bound that no slow machine comes near.
    assert work(1_000_000) < 20


ERRORS: tuple[tuple[Typed | None, str], ...] = (
    (None, ""),
    ({"NULL": True}, ""),
    ({"S": " "}, ""),
    ({"S": "plain"}, "plain"),
    ({"N": "5"}, "5"),
    ({"M": {"message": {"S": "bad"}, "type": {"S": "SomeError"}}}, "SomeError: bad"),
    ({"M": {"error": {"M": {"Message": {"S": "deep"}}}}}, "deep"),
    ({"M": {"other": {"S": "x"}}}, '{"M": {"other": {"S": "x"}}}'),
    ({"M": {}}, ""),
    ({"L": [{"S": ""}, {"M": {"msg": {"S": "second"}}}]}, "second"),
    ({"SS": ["a"]}, '{"SS": ["a"]}'),
)


@pytest.mark.parametrize(("value", "text"), ERRORS, ids=range(len(ERRORS)))
def test_an_error_has_a_text_in_whatever_shape_it_is(value: Typed | None, text: str) -> None:
    assert error_text(value) == text
