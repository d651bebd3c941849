"""What may be asked for: every bound, with the place and the sentence of what is beyond it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from opsportal.dynamo.attributes import plain
from opsportal.operations.entries import Actor, is_action_id
from requests_app import submission
from requests_app.models import IntelligenceRequest
from requests_app.submission import Problem
from tests.requests_app.submitting import DATA, data

BY = Actor("olga", "operator", "user:1001")
NOW = datetime(2026, 11, 20, 10, 0, 0, 250_000, tzinfo=UTC)


def wrong(given: dict[str, Any], types: Any = None) -> list[Problem]:
    with pytest.raises(ValidationError) as caught:
        submission.read(given, types)
    return submission.problems(caught.value)


def test_what_seed_002_has_is_accepted_as_it_is() -> None:
    asked = submission.read(DATA)
    assert asked.asked()["config"]["M"]["keywords"] == {"L": [{"S": "semaglutide"}, {"S": "wegovy"}]}
    assert asked.config.quality_threshold == Decimal("0.7")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality_threshold", "0"), ("quality_threshold", "1"), ("quality_threshold", 0.123456), ("quality_threshold", "1.000"),
        ("batch_size", "1"), ("batch_size", 20), ("max_retries", "0"), ("max_retries", 10),
        ("priority", "low"), ("priority", "medium"), ("extraction_mode", "full"), ("extraction_mode", "metadata"),
        ("project_id", "p" * 200), ("project_id", "Größe 測試 🚀 مشروع"), ("keywords", ["k"] * 50), ("keywords", ["k" * 200]),
        ("custom_params", ""), ("custom_params", '{"a": [1, 2.50, null, true, {"b": "c"}]}'), ("custom_params", {"a": 0.1}),
    ],
)  # fmt: skip
def test_the_bounds_themselves_are_allowed(name: str, value: Any) -> None:
    submission.read(data(**{name: value}))


NEEDED = "This is needed."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("project_id", "", NEEDED),
        ("project_id", " \t ", NEEDED),
        ("project_id", "p" * 201, "At most 200 characters."),
        ("project_id", "a\x00b", "line breaks or control characters"),
        ("project_id", "a\nb", "line breaks or control characters"),
        ("project_id", "a\u2028b", "line breaks or control characters"),
        ("project_id", "\ud800", "Unicode"),
        ("project_id", None, "string"),
        ("user_id", "", NEEDED),
        ("user_id", "u" * 201, "At most 200 characters."),
        ("request_type", "", NEEDED),
        ("request_type", "t" * 201, "At most 200 characters."),
        ("priority", "urgent", "one of: high, medium, low"),
        ("priority", "HIGH", "one of: high, medium, low"),
        ("processing_strategy", "queue", "one of: table, sqs"),
        ("processing_strategy", "sqs", "The setting REQUESTS_QUEUE_URL is missing"),
    ],
)
def test_a_value_out_of_bounds_is_reported_at_its_field(name: str, value: Any, sentence: str) -> None:
    found = wrong(data(**{name: value}))
    assert [one.loc for one in found] == [(name,)]
    assert sentence in found[0].sentence


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("extraction_mode", "deep", "one of: summary, full, metadata"),
        ("quality_threshold", "-0.000001", "At least 0."),
        ("quality_threshold", "1.000001", "At most 1."),
        ("quality_threshold", "0.0000001", "0, or at least 0.000001."),
        ("quality_threshold", f"0.{'123' * 13}", "At most 38 digits."),
        ("quality_threshold", "1E-200", "0, or at least 0.000001."),
        ("quality_threshold", "NaN", "Enter a number."),
        ("quality_threshold", "Infinity", "Enter a number."),
        ("quality_threshold", "", "Enter a number."),
        ("quality_threshold", "0,7", "Enter a number."),
        ("quality_threshold", True, "Enter a number."),
        ("quality_threshold", None, "Enter a number."),
        ("batch_size", "0", "At least 1."),
        ("batch_size", "21", "At most 20."),
        ("batch_size", "1.5", "Enter a whole number."),
        ("batch_size", "", "Enter a whole number."),
        ("batch_size", "9" * 5000, "Enter a whole number."),
        ("batch_size", True, "Enter a number."),
        ("max_retries", "-1", "At least 0."),
        ("max_retries", "11", "At most 10."),
        ("max_retries", "two", "Enter a whole number."),
        ("keywords", [], "Add at least one."),
        ("keywords", ["k"] * 51, "At most 50; there are 51."),
        ("sources", [], "Add at least one."),
        ("sources", DATA["config"]["sources"] * 21, "At most 20; there are 21."),
        ("custom_params", "[1]", "a JSON object, in braces"),
        ("custom_params", "5", "a JSON object, in braces"),
        ("custom_params", '{"a": 1,}', "It is not valid JSON"),
        ("custom_params", "{", "line 1, column 2"),
        ("custom_params", '{"a": NaN}', "NaN is not valid JSON."),
        ("custom_params", '{"a": 1, "a": 2}', "'a' occurs twice"),
        ("custom_params", '{"{max_length}": 1, "{max_length}": 2}', "'{max_length}' occurs twice"),
        ("custom_params", '{"": 1}', "A name in it is empty."),
        ("custom_params", '{"a": 1E+126}', "out of range"),
        ("custom_params", '{"a": 1E-131}', "out of range"),
        ("custom_params", '{"a": 1E99999999999999999999}', "out of range"),
        ("custom_params", json.dumps({"a": int("1" * 39)}), "at most 38 digits"),
        ("custom_params", '{"a": "\\ud800"}', "half of a character"),
        ("custom_params", '{"\\ud800": 1}', "half of a character"),
        ("custom_params", '{"a":' * 21 + "1" + "}" * 21, "nested in more than 20 levels."),
        ("custom_params", '{"a":' + "[" * 50_000 + "]" * 50_000 + "}", "nested in more than 20 levels."),
        ("custom_params", json.dumps({"a": "x" * 10_000}), "At most 10,000 characters; there are 10,008."),
        ("custom_params", {"a": float("inf")}, "out of range"),
        ("custom_params", {"a": {1, 2}}, "set is not valid JSON"),
        ("custom_params", None, "a JSON object, in braces"),
    ],
)  # fmt: skip
def test_a_value_out_of_bounds_is_reported_at_its_field_of_config(
    name: str, value: Any, sentence: str
) -> None:
    found = wrong(data(**{name: value}))
    assert [one.loc for one in found] == [("config", name)]
    assert sentence in found[0].sentence


@pytest.mark.parametrize(
    "address",
    ["ftp://fda.gov", "www.fda.gov", "javascript:alert(1)", "https://", "http:///x", "https://a b.example", "file:///etc/passwd",
     "https:\\\\fda.gov", "http://[::1", "http://x:99999", "http://x:0", "//fda.gov", "data:text/html,x"],
)  # fmt: skip
def test_a_source_has_an_address_of_the_web(address: str) -> None:
    found = wrong(
        data(sources=[*DATA["config"]["sources"], {"name": "x", "base_url": address, "source_type": "y"}])
    )
    assert found == [
        Problem(("config", "sources", 1, "base_url"), "Enter a full URL, with http:// or https://.")
    ]


@pytest.mark.parametrize(
    "address", ["https://www.fda.gov", "HTTP://FDA.GOV/x?y=z#a", "http://[::1]:8080/", "http://127.0.0.1"]
)
def test_an_address_is_kept_as_it_was_given(address: str) -> None:
    asked = submission.read(data(sources=[{"name": "x", "base_url": address, "source_type": "y"}]))
    assert asked.config.sources[0].base_url == address


def test_rows_are_wrong_one_by_one() -> None:
    sources = [
        {"name": "", "base_url": "https://x.example/" + "x" * 1000, "source_type": "t" * 201},
        {"name": "n", "base_url": "https://x.example"},
    ]
    found = wrong(data(keywords=["fine", "", "k" * 201, "a\rb"], sources=sources))
    assert {one.loc[1:]: one.sentence for one in found} == {
        ("keywords", 1): NEEDED,
        ("keywords", 2): "At most 200 characters.",
        ("keywords", 3): "It must not hold line breaks or control characters.",
        ("sources", 0, "name"): NEEDED,
        ("sources", 0, "base_url"): "At most 1000 characters.",
        ("sources", 0, "source_type"): "At most 200 characters.",
        ("sources", 1, "source_type"): NEEDED,
    }


def test_what_the_console_makes_can_not_be_asked_for() -> None:
    found = wrong({**DATA, "status": "completed", "progress": {}, "request_id": "x"})
    assert {one.loc: one.sentence for one in found} == dict.fromkeys(
        [("status",), ("progress",), ("request_id",)], "There is no such field."
    )


def test_a_type_must_be_known_where_the_known_ones_are() -> None:
    submission.read(data(request_type="never seen"), None)
    submission.read(data(request_type="regulatory_watch"), ["regulatory_watch"])
    (found,) = wrong(data(request_type="never seen"), ["regulatory_watch"])
    assert found.loc == ("request_type",)
    assert "REQUEST_TYPES" in found.sentence


def test_a_priority_of_the_settings_may_be_asked_for(settings: Any) -> None:
    settings.REQUEST_EXTRA_PRIORITIES = ["urgent"]
    assert submission.read(data(priority="urgent")).priority == "urgent"


def test_a_strategy_that_can_be_delivered_may_be_asked_for(settings: Any) -> None:
    settings.REQUESTS_QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/1/requests"
    assert submission.read(data(processing_strategy="sqs")).processing_strategy == "sqs"


def test_the_item_is_that_of_seed_002() -> None:
    action_id = submission.new_action_id()
    item = submission.read(data(custom_params='{"depth": 2.50}')).item(by=BY, action_id=action_id, now=NOW)
    stamp = "2026-11-20T10:00:00.250000"
    assert plain({"M": item}) == {
        "request_id": plain(item["request_id"]),
        "project_id": "obesity-pipeline",
        "user_id": "operator",
        "request_type": "semaglutide_intelligence",
        "status": "pending",
        "status_message": None,
        "priority": "high",
        "processing_strategy": "table",
        "config": {
            "keywords": ["semaglutide", "wegovy"],
            "sources": [{"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"}],
            "extraction_mode": "summary",
            "quality_threshold": Decimal("0.7"),
            "batch_size": 5,
            "max_retries": 2,
            "custom_params": {"depth": Decimal("2.5")},
        },
        "created_at": stamp,
        "updated_at": stamp,
        "started_at": None,
        "completed_at": None,
        "progress": {
            "current_stage": "initialization",
            "percentage": 0,
            "urls_found": 0,
            "content_extracted": 0,
            "processing_errors": 0,
            "estimated_completion": None,
            "last_updated": stamp,
        },
        "results": None,
        "errors": [],
        "warnings": [],
        "processing_metadata": {
            "submitted_by": "olga",
            "status_history": [
                {
                    "timestamp": stamp,
                    "old_status": None,
                    "new_status": "pending",
                    "message": "Submitted by olga",
                }
            ],
        },
    }
    found = IntelligenceRequest.from_item(item)
    assert not found.problems
    assert found.created_at == NOW


def test_the_largest_request_fits_into_a_message() -> None:
    character = "\U0001f680"
    config = {
        "keywords": [character * 200] * 50,
        "sources": [{"name": character * 200, "base_url": f"https://x/{character * 990}", "source_type": character * 200}] * 20,
        "custom_params": {"a": character * 9_990},
    }  # fmt: skip
    item = submission.read(data(**config)).item(by=BY, action_id=submission.new_action_id(), now=NOW)
    assert IntelligenceRequest.from_item(item).size < 256 * 1024


def test_an_id_is_made_of_the_action_and_of_what_is_asked_for() -> None:
    action_id = submission.new_action_id()
    asked = submission.read(DATA)
    ident = asked.request_id(action_id)
    assert ident == submission.read(data(quality_threshold="0.700", batch_size="5")).request_id(action_id)
    assert ident != submission.read(data(batch_size="6")).request_id(action_id)
    assert ident[:-8] == submission.read(data(batch_size="6")).request_id(action_id)[:-8]
    minted = submission.minted_at(action_id)
    assert minted is not None
    assert ident.split("_")[1] == str(round(minted.timestamp() * 1000))
    with pytest.raises(ValueError, match="no time"):
        asked.request_id("1b4e28ba-2fa1-41d2-883f-0016d3cca427")


def test_an_action_id_is_a_uuid_that_holds_the_time() -> None:
    before = datetime.now(UTC).timestamp()
    ids = {submission.new_action_id() for _ in range(100)}
    after = datetime.now(UTC).timestamp()
    assert len(ids) == 100
    for one in ids:
        assert is_action_id(one)
        minted = submission.minted_at(one)
        assert minted is not None
        assert before - 0.001 <= minted.timestamp() <= after


@pytest.mark.parametrize(
    "text", ["", "x", "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "0197F8A0-0000-7000-8000-000000000000", "{0197f8a0-0000-7000-8000-000000000000}", "ffffffff-ffff-7fff-bfff-ffffffffffff", "\ud800"],
)  # fmt: skip
def test_other_text_holds_no_time(text: str) -> None:
    assert submission.minted_at(text) is None
