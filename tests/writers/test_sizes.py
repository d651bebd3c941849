"""Limits count the bytes that DynamoDB counts, and what a cut says is true."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import short
from tests.writers.test_arguments import FACTS, Bench, bench
from writers import sizes

pytestmark = pytest.mark.no_moto
__all__ = ["bench"]  # the fixture

SCRIPTS = {"ascii": "x", "Cyrillic": "я", "Chinese": "字", "emoji": "😀", "é of two": "e\u0301"}
SAID = re.compile(r" \[cut: ([\d,]+) of ([\d,]+) bytes left out\]\Z")


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "aя字😀"}, 10),
        ({"N": "0"}, 2),
        ({"N": "1000"}, 2),
        ({"N": "-12345"}, 5),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"B": b"123"}, 3),
        ({"L": [{"S": "ab"}, {"BOOL": True}]}, 3 + 2 + 3),
        ({"M": {"имя": {"S": "字"}, "b": {"NULL": True}}}, 3 + 2 + 9 + 2),
        ({"SS": ["a", "bc"]}, 5),
    ],
)
def test_a_value_has_the_size_that_dynamodb_documents(value: Any, size: int) -> None:
    assert sizes.of(value) == size
    assert sizes.of_item({"ключ": value}) == 8 + size


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("limit", [0, 1, 7, 1_000])
def test_a_cut_is_whole_and_says_what_is_missing(script: str, limit: int) -> None:
    text = SCRIPTS[script] * 2_000
    total = len(text.encode())
    short = sizes.cut(text, limit)
    found = SAID.search(short)
    assert found is not None
    kept = short[: found.start()]
    assert text.startswith(kept)
    assert len(kept) % len(SCRIPTS[script]) == 0
    assert len(kept.encode()) <= limit
    assert len(kept.encode()) > limit - 5
    assert [int(n.replace(",", "")) for n in found.groups()] == [total - len(kept.encode()), total]
    assert sizes.of_text(sizes.fit(text, limit)) <= limit


@pytest.mark.parametrize(
    "one", ["👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "ё".encode().decode() + "\u0301", "\r\n", "नि"]
)
def test_what_readers_see_as_one_character_is_kept_or_left_out_whole(one: str) -> None:
    for limit in range(3 * len(one.encode())):
        kept = SAID.sub("", sizes.cut("a" + one * 4, limit))
        assert kept in {"", "a", "a" + one, "a" + one * 2, "a" + one * 3}


def test_a_text_of_nothing_but_marks_is_cut_all_the_same() -> None:
    assert sizes.cut("e" + "\u0301" * 5_000, 1_001).startswith("e" + "\u0301" * 400)


@given(st.text(min_size=1, max_size=200), st.integers(0, 300), st.integers(0, 300))
def test_a_cut_of_a_cut_tells_of_the_whole_text(text: str, first: int, second: int) -> None:
    total = len(text.encode("utf-8", "replace"))
    twice = sizes.cut(sizes.cut(text, first), second)
    if found := SAID.search(twice):
        left, said = (int(n.replace(",", "")) for n in found.groups())
        assert said == total
        assert left == total - len(twice[: found.start()].encode())
    else:
        assert twice == sizes.utf8(text)


# --- Room in an item ----------------------------------------------------------------------------------

FREE = {
    "ascii": 210_000,
    "Cyrillic": 70_000,
    "Chinese": 70_000,
    "emoji": 40_000,
}  # characters: half of an item


@pytest.mark.parametrize("script", FREE)
def test_an_item_with_room_takes_results_and_whole_errors_of_any_script(bench: Bench, script: str) -> None:
    brief = {"M": {"brief": {"S": SCRIPTS[script] * FREE[script]}}}
    results = {"report_path": "r.json", "summary": SCRIPTS[script] * 30_000}
    with bench.claimed(config=brief) as job:
        job.complete(results)
    item = bench.item("requests", "r")
    assert item["results"]["M"]["summary"]["S"] == results["summary"]
    assert "warnings" not in item
    error = SCRIPTS[script] * 5_000
    bench.put("workflows", "s", config=brief)
    bench.status.fail_step("s", "pdfAdapter", error)
    assert bench.item("workflows", "s")["pdfAdapter"]["M"]["error"] == {"S": error}
    with bench.claimed("other", config=brief) as job:
        job.error(error)
        job.fail(error)
    assert [line["S"][28:] for line in bench.item("requests", "other")["errors"]["L"]] == [error] * 2


@pytest.mark.parametrize(
    ("script", "free"),
    short(itertools.product(SCRIPTS, (100_000, 5_000, 1_500, 900)), ("ascii", 5_000), ("Cyrillic", 1_500),
          ("emoji", 100_000), ("é of two", 900)),
)  # fmt: skip
def test_a_nearly_full_item_takes_the_end_and_as_much_of_the_texts_as_fits(
    bench: Bench, script: str, free: int
) -> None:
    text = SCRIPTS[script] * 200_000
    ballast = {"S": "я" * ((sizes.ITEM_BYTES - free) // 2)}
    with bench.claimed(ballast=ballast, config={"M": {}}) as job:
        job.complete({"text": text}, text)
    item = bench.item("requests", "r")
    assert item["status"] == {"S": "completed"}
    assert "completed_at" in item
    assert "results" not in item
    if free > 2_000:
        size = sizes.of({"M": {"text": {"S": text}}})
        assert f"results of {size:,} bytes left out" in item["warnings"]["L"][0]["S"]
    if free > 100_000 // 2:
        assert sizes.of_item(item) < sizes.ITEM_BYTES
    with bench.claimed("failed", ballast=ballast) as job:
        job.fail(text)
    assert bench.item("requests", "failed")["status"] == {"S": "failed"}
    bench.put("workflows", "s", ballast=ballast)
    with bench.status.workflow("s", **FACTS) as workflow, workflow.step("pdfAdapter", text) as step:
        step.activity = text
    assert bench.status.fail_step("s", "tradeExtraction", text)
    item = bench.item("workflows", "s")
    assert item["overallStatus"] == {"S": "completed"}
    assert item["pdfAdapter"]["M"]["status"] == {"S": "success"}
    assert "completedAt" in item["pdfAdapter"]["M"]
    error = item["tradeExtraction"]["M"].get("error", {"S": ""})["S"]
    total = len(text.encode())
    if found := SAID.search(error):
        left, said = (int(n.replace(",", "")) for n in found.groups())
        assert (said, left) == (total, total - len(error[: found.start()].encode()))
    else:
        assert error == ""
        assert free <= 1_500
    before = item
    assert bench.status.fail_step("s", "tradeExtraction", text).outcome == "unchanged"
    assert bench.item("workflows", "s") == before


def test_numbers_keep_their_digits_in_totals(bench: Bench) -> None:
    big = {"M": {"status": {"S": "success"}, "tokenUsage": {"M": {"totalTokens": {"N": "9" * 35}}}}}
    bench.put("workflows", "s", huge=big)
    bench.status.finish_step("s", "pdfAdapter", "x", {"inputTokens": 2})
    total = bench.item("workflows", "s")["totalTokenUsage"]["M"]["totalTokens"]["N"]
    assert total == "1" + "0" * 34 + "1"
