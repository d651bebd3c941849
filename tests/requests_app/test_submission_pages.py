"""The form at /requests/new/: rows, errors at their rows, the preview, and one request however often it is sent."""

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from botocore import exceptions as boto
from django.conf import settings
from django.core.cache import caches
from django.db import connections
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opsportal.dynamo.attributes import pretty
from opsportal.operations.tags import Action
from requests_app import choices
from requests_app.submission import new_action_id
from tests import dumps
from tests.factories import Typed, log, naive, put, raw, request, typed
from tests.operations.places import get
from tests.pages import Page, visit
from tests.requests_app.submitting import errors, filled, form, request_id_of, send
from tests.shapes import ATTACKS, ODD_TEXTS, examples, values
from tests.trouble import denied, refused, trouble

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

NEW = "/requests/new/"


@pytest.fixture
def requests(tables: dict[str, Any]) -> Any:
    return tables["requests"]


@pytest.fixture
def client(client_for: Any, requests: Any) -> Client:
    found: Client = client_for("operator")
    return found


def raw_of(page: Page) -> list[str]:
    """What the preview shows: the item and, if there is one, the message."""
    return [node.text for node in page.root.one("section", id="preview").all("pre")]


# --- The form ---------------------------------------------------------------------------------------------


def test_the_form_is_prefilled(client: Client) -> None:
    page = visit(client, NEW)
    assert {**filled(page), "action_id": ""} == {
        "action_id": "",
        "like": "",
        "dialect": "",
        "project_id": "",
        "user_id": "operator",
        "request_type": "semaglutide_intelligence",
        "priority": "medium",
        "processing_strategy": "table",
        "keyword": [""],
        "source_name": [""],
        "source_url": [""],
        "source_type": [""],
        "source_own": [""],
        "extraction_mode": "summary",
        "quality_threshold": "0.7",
        "batch_size": "5",
        "max_retries": "2",
        "custom_params": "{}",
        "reason": "",
    }
    assert not errors(page)


def test_projects_and_types_in_use_are_offered(client: Client, requests: Any, settings: Any) -> None:
    settings.REQUEST_TYPES = ["first_of_all"]
    for project, kind in (("rare", "watch"), ("rare", "other"), ("obesity", "watch")):
        put(requests, request(project_id=project, request_type=kind))
    page = visit(client, NEW)
    assert {node.attrs["value"] for node in page.root.one("datalist", id="projects").all("option")} == {
        "rare",
        "obesity",
    }
    types = [node.attrs["value"] for node in page.root.one("select", id="id_request_type").all("option")]
    assert types[0] == "first_of_all"
    assert sorted(types[1:]) == ["other", "watch"]
    assert send(client, request_type="watch").status == 302
    page = send(client, request_type="wacht")
    assert page.status == 422
    assert "REQUEST_TYPES" in errors(page)["request_type"]
    assert filled(page)["request_type"] == "wacht"


def test_a_type_once_offered_is_still_taken_when_newer_requests_have_others(
    client: Client, requests: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(requests, request("x", request_type="rare_one"))
    visit(client, NEW)
    put(requests, request("x", request_type="newer"))
    monkeypatch.setattr(choices, "TYPES_FRESH", -1)
    assert send(client, do="preview", request_type="newer").status == 200
    assert send(client, do="preview", request_type="rare_one").status == 200
    caches["process"].clear()  # the form may reach another process than the one that offered it
    assert send(client, do="preview", request_type="rare_one").status == 200


def test_without_any_known_type_the_page_says_what_names_them(client: Client, settings: Any) -> None:
    settings.REQUEST_TYPES = []
    assert "REQUEST_TYPES" in visit(client, NEW).root.one("div", id="id_request_type_hint").words


@pytest.mark.parametrize("index", ["project-index", "status-index"])
def test_the_form_works_where_what_is_in_use_can_not_be_read(
    client: Client, requests: Any, settings: Any, index: str
) -> None:
    fault = refused("ValidationException", f"The table does not have the specified index: {index}")
    with trouble(requests, fault, "Scan", "Query"):
        page = visit(client, NEW)
        assert page.root.one("select", id="id_request_type").words == "semaglutide_intelligence"
        assert "can't be read" in page.root.one("div", id="id_project_id_hint").words
        # Nothing is submitted that the table's workers might not read.
        page = send(client, request_type="regulatory_watch", keyword=["kept"])
        assert page.status == 503
        assert "REQUEST_DIALECT=documented" in page.words
        assert filled(page)["keyword"] == ["kept"]
        # No type is known, so none is refused.
        settings.REQUEST_DIALECT = "documented"
        assert send(client, request_type="regulatory_watch").status == 302


def test_the_form_works_where_iam_does_not_let_it_look_for_projects(client: Client, requests: Any) -> None:
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{requests.name}/index/project-index"
    with trouble(requests, denied("Scan", arn), "Scan"):
        page = visit(client, NEW)
        assert "dynamodb:Scan" in page.root.one("div", id="id_project_id_hint").words
        assert send(client).status == 302


# --- Rows ---------------------------------------------------------------------------------------------------


def test_rows_are_added_and_removed_without_javascript_and_keep_what_was_typed(client: Client) -> None:
    typed = form(keyword=["one", "two"], batch_size="many", custom_params='\n{"a": ', project_id="  spaced  ")
    page = Page(client.post(NEW, {**typed, "do": "add-keyword"}), NEW)
    assert page.status == 200
    assert filled(page) == {**typed, "keyword": ["one", "two", ""]}
    assert "autofocus" in page.root.one("input", id="id_keyword-2").attrs
    page = Page(client.post(NEW, {**filled(page), "do": "remove-keyword-0"}), NEW)
    assert filled(page) == {**typed, "keyword": ["two", ""]}
    page = Page(client.post(NEW, {**filled(page), "do": "add-source"}), NEW)
    assert filled(page) == {
        **typed,
        "keyword": ["two", ""],
        "source_name": ["FDA", ""],
        "source_url": ["https://www.fda.gov", ""],
        "source_type": ["government", ""],
        "source_own": ["", ""],
    }
    assert "autofocus" in page.root.one("input", id="id_source-1-name").attrs
    for _ in range(2):
        page = Page(client.post(NEW, {**filled(page), "do": "remove-source-0"}), NEW)
    assert filled(page)["source_name"] == [""]
    assert not errors(page)


def test_every_row_has_a_button_that_removes_it(client: Client) -> None:
    page = send(client, do="preview", keyword=["a", "b", "c"])
    buttons = [node.attrs["value"] for node in page.root.all("button", data_remove_row=None)]
    assert buttons == ["remove-keyword-0", "remove-keyword-1", "remove-keyword-2", "remove-source-0"]
    for value in buttons[:3]:
        after = Page(client.post(NEW, {**filled(page), "do": value}), NEW)
        left = ["a", "b", "c"]
        del left[int(value[-1])]
        assert filled(after)["keyword"] == left


@pytest.mark.parametrize("do", ["remove-keyword-7", "remove-source-9999", "add-keyword-3"])
def test_a_wish_for_a_row_that_is_not_there_changes_no_other(client: Client, do: str) -> None:
    typed = form()
    after = filled(Page(client.post(NEW, {**typed, "do": do}), NEW))
    assert {key for key in typed if after[key] != typed[key]} <= {"keyword"}
    assert after["keyword"][:2] == typed["keyword"]


def test_enter_presses_the_preview(client: Client) -> None:
    """The form's default button is its first: it must write nothing."""
    first = visit(client, NEW).root.one("form", id="submission").all("button")[0]
    assert first.attrs["value"] == "preview"


# --- Errors at their rows -----------------------------------------------------------------------------------


def test_errors_stand_at_their_rows_and_everything_typed_is_kept(client: Client, requests: Any) -> None:
    typed = form(
        project_id=" ",
        keyword=["", "fine", "", "k" * 201],
        source_name=["", "FDA", "x"],
        source_url=["", "ftp://fda.gov", "https://x.example"],
        source_type=["", "government", ""],
        source_own=["", "", ""],
        quality_threshold="1,5",
        batch_size="21",
        max_retries="-1",
        custom_params='{"a": 1, "a": 2}',
        reason="r" * 2001,
    )
    with dumps.nothing_written(requests):
        page = Page(client.post(NEW, {**typed, "do": "submit"}), NEW)
    assert page.status == 422
    assert filled(page) == typed
    assert errors(page) == {
        "project_id": "This is needed.",
        "keyword-3": "At most 200 characters.",
        "source-1-base_url": "Enter a full URL, with http:// or https://.",
        "source-2-source_type": "This is needed.",
        "quality_threshold": "Enter a number.",
        "batch_size": "At most 20.",
        "max_retries": "At least 0.",
        "custom_params": "The name 'a' occurs twice in one object.",
        "reason": "At most 2,000 characters.",
    }
    for name in errors(page):
        field = page.root.one("", id=f"id_{name}")
        assert field.attrs["aria-invalid"] == "true"
        assert f"id_{name}_error" in field.attrs["aria-describedby"].split()
    links = [node.attrs["href"] for node in page.root.one("div", id="errors").all("a")]
    assert links == [f"#id_{name}" for name in errors(page)]


def test_without_rows_the_group_says_so(client: Client) -> None:
    page = send(client, keyword=["", " "], source_name=[], source_url=[], source_type=[])
    assert page.status == 422
    assert [node.words for node in page.root.all("p", class_="invalid-feedback")] == ["Add at least one."] * 2
    assert [node.attrs["href"] for node in page.root.one("div", id="errors").all("a")] == [
        "#keywords",
        "#sources",
    ]


def test_too_many_rows_are_counted(client: Client) -> None:
    page = send(client, keyword=[f"k{at}" for at in range(51)])
    assert (
        page.root.one("section", id="keywords").one("p", class_="invalid-feedback").words
        == "At most 50; there are 51."
    )
    assert len(filled(page)["keyword"]) == 51


def test_a_strategy_without_its_queue_is_refused_at_its_field(client: Client, requests: Any) -> None:
    with dumps.nothing_written(requests):
        page = send(client, processing_strategy="sqs")
    assert page.status == 422
    assert errors(page) == {
        "processing_strategy": "The setting REQUESTS_QUEUE_URL is missing, so no message can be sent to a worker."
    }
    assert filled(page)["processing_strategy"] == "sqs"


@pytest.mark.parametrize(
    "action_id",
    ["", "x", "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "00000000-0000-7000-8000-000000000000", "ffffffff-0000-7000-8000-000000000000"],
)  # fmt: skip
def test_a_form_whose_action_id_is_too_old_or_none_is_given_another(
    client: Client, requests: Any, action_id: str
) -> None:
    with dumps.nothing_written(requests):
        page = send(client, action_id=action_id)
    assert page.status == 422
    assert "open for more than a day" in page.root.one("div", id="errors").words
    assert Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW).status == 302


# --- Preview ------------------------------------------------------------------------------------------------


def test_the_preview_writes_nothing_and_is_what_is_written(client: Client, requests: Any) -> None:
    typed = form(
        keyword=["", "GLP-1 受容体", "x"], custom_params='{"depth": 2.50, "tags": ["a", null, true], "n": 1e3}', quality_threshold="0.70"
    )  # fmt: skip
    with time_machine.travel(datetime.now(UTC), tick=False):
        with dumps.nothing_written(requests):
            page = Page(client.post(NEW, {**typed, "do": "preview"}), NEW)
        assert page.status == 200
        done = Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW)
    written = dumps.item(requests, request_id_of(done))
    assert written is not None
    assert raw_of(page) == [pretty(written)]


def test_the_id_of_the_preview_is_that_of_the_request(client: Client) -> None:
    page = send(client, do="preview")
    shown = json.loads(raw_of(page)[0])["request_id"]["S"]
    assert request_id_of(Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW)) == shown


def test_an_unknown_button_only_previews(client: Client, requests: Any) -> None:
    with dumps.nothing_written(requests):
        for do in ("", "SUBMIT", "submit ", "delete"):
            assert raw_of(send(client, do=do))


# --- Submission ---------------------------------------------------------------------------------------------


def test_a_submission_leads_to_the_live_page_of_the_request(client: Client, requests: Any) -> None:
    request_id = request_id_of(send(client, reason="for the board"))
    page = visit(client, reverse("requests:item", args=[request_id]))
    assert page.polls
    assert "Submitted." in page.words
    assert "Submitted by operator" in page.root.one("", data_fate="requested").words
    (entry,) = dumps.audit(requests)
    assert (entry.action, entry.target.id, entry.actor.name, entry.actor.role, entry.reason) == (
        Action.REQUEST_SUBMIT,
        request_id,
        "operator",
        "operator",
        "for the board",
    )
    assert {".".join(change.path) for change in entry.changes} == set(dumps.item(requests, request_id) or {})
    assert dumps.outbox(requests) == []
    shown = visit(client, reverse("operations:entry", args=[entry.action_id]))
    assert "Request submitted" in shown.words


def test_what_becomes_of_it_is_watched(client: Client, requests: Any) -> None:
    request_id = request_id_of(send(client))
    item = dumps.item(requests, request_id)
    assert item is not None
    later = {"S": naive(datetime.now(UTC) + timedelta(seconds=5))}
    dumps.put(requests, request_id, {**item, "status": {"S": "processing"}, "updated_at": later})
    url = reverse("requests:item", args=[request_id])
    assert "seen by the worker" in visit(client, url).root.one("", data_fate="seen").words
    # Its new status is in the list at once.
    assert request_id in visit(client, reverse("requests:list")).ids


def test_the_same_form_sent_twice_makes_one_request(client: Client, requests: Any) -> None:
    typed = {**form(), "do": "submit"}
    first, again = (request_id_of(Page(client.post(NEW, typed), NEW)) for _ in range(2))
    assert first == again
    assert len(dumps.everything(requests)) == len(dumps.audit(requests)) == 1


@pytest.mark.no_moto
@pytest.mark.django_db(transaction=True)
def test_the_same_form_sent_at_once_makes_one_request(client_for: Any, requests: Any) -> None:
    client = client_for("operator")
    typed = {**form(), "do": "submit"}
    visit(client, NEW)
    answers: list[str] = []
    gate = threading.Barrier(6)

    def submit() -> None:
        other = Client()
        other.cookies = client.cookies.copy()
        gate.wait()
        try:
            answers.append(request_id_of(Page(other.post(NEW, typed), NEW)))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len(set(answers)) == 1
    assert len(dumps.everything(requests)) == len(dumps.audit(requests)) == 1


def test_a_form_that_was_changed_after_it_was_sent_is_another_request(client: Client, requests: Any) -> None:
    typed = form()
    first = request_id_of(Page(client.post(NEW, {**typed, "do": "submit"}), NEW))
    with dumps.nothing_written(requests):
        page = Page(client.post(NEW, {**typed, "keyword": ["changed"], "do": "submit"}), NEW)
    assert page.status == 409
    assert "submitted already" in page.words
    assert reverse("requests:item", args=[first]) in [node.attrs["href"] for node in page.root.all("a")]
    assert filled(page)["keyword"] == ["changed"]
    second = request_id_of(Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW))
    assert second != first
    assert len(dumps.everything(requests)) == 2


def test_an_action_id_of_another_person_makes_nothing_of_theirs(
    client: Client, client_for: Any, requests: Any
) -> None:
    typed = {**form(), "do": "submit"}
    request_id_of(Page(client.post(NEW, typed), NEW))
    with dumps.nothing_written(requests):
        page = Page(client_for("administrator").post(NEW, typed), NEW)
    assert page.status == 409


def test_a_message_goes_to_the_queue(client: Client, requests: Any, requests_queue: Any) -> None:
    typed = form(processing_strategy="sqs", custom_params='{"depth": 2.5}')
    with time_machine.travel(datetime.now(UTC), tick=False):
        page = Page(client.post(NEW, {**typed, "do": "preview"}), NEW)
        request_id = request_id_of(Page(client.post(NEW, {**typed, "do": "submit"}), NEW))
    (message,) = requests_queue.messages()
    item = dumps.item(requests, request_id)
    assert item is not None
    assert message == {
        "request_id": request_id,
        "project_id": "obesity-pipeline",
        "user_id": "operator",
        "request_type": "semaglutide_intelligence",
        "priority": "high",
        "configuration": {
            "keywords": ["semaglutide", "wegovy"],
            "sources": [{"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"}],
            "extraction_mode": "summary",
            "quality_threshold": 0.7,
            "batch_size": 5,
            "max_retries": 2,
            "custom_params": {"depth": 2.5},
        },
        "metadata": {"submitted_at": item["created_at"]["S"], "retry_count": 0, "max_retries": 2},
        "action_id": typed["action_id"],
    }
    assert json.loads(raw_of(page)[1]) == message
    assert dumps.outbox(requests) == []
    client.post(NEW, {**typed, "do": "submit"})
    assert requests_queue.messages() == []


def test_a_message_that_can_not_be_sent_is_left_to_the_worker(
    client: Client, requests: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REQUESTS_QUEUE_URL = "http://127.0.0.1:9/000000000000/requests"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9")
    request_id = request_id_of(send(client, processing_strategy="sqs"))
    (left,) = dumps.outbox(requests)
    assert json.loads(left["body"]["S"])["request_id"] == request_id


# --- Trouble ------------------------------------------------------------------------------------------------


def test_a_lost_answer_can_be_sent_again(client: Client, requests: Any) -> None:
    typed = form(keyword=["kept"])
    fault = boto.ReadTimeoutError(endpoint_url="x")
    with dumps.nothing_written(requests), trouble(requests, fault, "TransactWriteItems"):
        page = Page(client.post(NEW, {**typed, "do": "submit"}), NEW)
    assert page.status == 503
    assert "it is not known whether this was done" in page.words
    assert filled(page) == typed
    assert "Submit again" in page.words
    request_id_of(Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW))
    assert len(dumps.audit(requests)) == 1


def test_what_iam_denies_is_shown_with_its_statement_and_the_input_is_kept(
    client: Client, requests: Any
) -> None:
    typed = form(keyword=["kept"])
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{requests.name}"
    with dumps.nothing_written(requests), trouble(requests, denied("PutItem", arn), "TransactWriteItems"):
        page = Page(client.post(NEW, {**typed, "do": "submit"}), NEW)
    assert page.status == 503
    assert filled(page) == typed
    assert "dynamodb:PutItem" in page.root.one("pre", aria_label="IAM policy statement").text


# --- Copy to a new request ----------------------------------------------------------------------------------


def like(request_id: str) -> str:
    return f"{NEW}?like={request_id}"


def differences(page: Page) -> list[tuple[str, str, str]]:
    tables = page.root.all("table", class_="differences")
    rows = tables[0].one("tbody").all("tr") if tables else []
    return [tuple(cell.words for cell in row.children if not isinstance(cell, str)) for row in rows]  # type: ignore[misc]


def _own(text: str) -> list[str]:
    """The names of the fields that a source of another request keeps."""
    return [name for name, _ in json.loads(text)["fields"]]


def test_a_request_like_another_is_prefilled_and_its_differences_are_shown(
    client: Client, requests: Any
) -> None:
    config = {
        "keywords": ["semaglutide", "tirzepatide"],
        "sources": [
            {"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"},
            {"name": "Other", "type": "web", "url": "https://example.com/other"},
        ],
        "quality_threshold": Decimal("0.7"),
        "batch_size": 5,
    }
    put(requests, request("old", user_id="maria", priority="low", status="failed", config=config))
    page = visit(client, like("old"))
    shapes = [_own(text) for text in filled(page)["source_own"]]
    assert shapes == [["base_url", "name", "source_type"], ["name", "type", "url"]]
    assert {**filled(page), "action_id": "", "source_own": []} == {
        "action_id": "",
        "like": "old",
        "dialect": "",
        "source_own": [],
        "project_id": "test-project-001",
        "user_id": "operator",
        "request_type": "semaglutide_intelligence",
        "priority": "low",
        "processing_strategy": "table",
        "keyword": ["semaglutide", "tirzepatide"],
        "source_name": ["FDA", "Other"],
        "source_url": ["https://www.fda.gov", "https://example.com/other"],
        "source_type": ["government", "web"],
        "extraction_mode": "summary",
        "quality_threshold": "0.7",
        "batch_size": "5",
        "max_retries": "2",
        "custom_params": "{}",
        "reason": "",
    }
    # What the original does not have is filled in, and told.
    assert differences(page) == [
        ("User", "maria", "operator"),
        ("Extraction mode", "—", "summary"),
        ("Max. retries", "—", "2"),
    ]
    changed = {
        **filled(page),
        "keyword": ["tirzepatide", "wegovy"],
        "source_url": ["https://www.fda.gov", "https://example.com/new"],
        "quality_threshold": "0.70",
        "custom_params": '{"a": 1}',
        "user_id": "maria",
    }
    page = Page(client.post(NEW, {**changed, "do": "preview"}), NEW)
    assert differences(page) == [
        ("Keyword", "semaglutide", "—"),
        ("Keyword", "—", "wegovy"),
        ("Source", "Other · https://example.com/other · web", "—"),
        ("Source", "—", "Other · https://example.com/new · web"),
        ("Extraction mode", "—", "summary"),
        ("Max. retries", "—", "2"),
        ("Custom parameters", "—", '{"a": 1}'),
    ]
    assert raw_of(page)
    request_id = request_id_of(Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW))
    (entry,) = dumps.audit(requests)
    assert entry.target.id == request_id
    assert entry.note == "Started like old."


def test_an_exact_repetition_says_that_nothing_differs(client: Client, requests: Any) -> None:
    first = request_id_of(
        send(client, quality_threshold="0.25", custom_params='{"a": [1, 2.5, {"b": null}]}')
    )
    page = visit(client, like(first))
    assert differences(page) == []
    assert "No differences" in page.words
    page = Page(
        client.post(NEW, {**filled(page), "keyword": ["wegovy", "semaglutide"], "do": "preview"}), NEW
    )
    assert differences(page) == [("Keywords", "in another order", "in this order")]


def test_what_can_not_be_copied_is_shown(client: Client, requests: Any) -> None:
    put(
        requests,
        request(
            "odd",
            user_id="operator",
            priority="URGENT",
            processing_strategy="kafka",
            project_request_id="p-1",
            config={
                "keywords": ["a", {"term": "b"}, 7],
                "sources": [{"name": "FDA", "base_url": "https://fda.gov", "source_type": "x", "depth": 3}, "text"],
                "extraction_mode": "FULL",
                "quality_threshold": "0.5",
                "batch_size": 500,
                "max_retries": [2],
                "custom_params": {"deep": {"n": 1}},
                "language": "en",
            },
        ),
    )  # fmt: skip
    page = visit(client, like("odd"))
    gone = "not copied"
    assert differences(page) == [
        ("Priority", "URGENT", "medium"),
        ("Strategy", "kafka", "table"),
        ("Extraction mode", "FULL", "full"),
        ("Max. retries", "—", "2"),
        ("config.max_retries", '{"L": [{"N": "2"}]}', gone),
        ("config.keywords[1]", '{"M": {"term": {"S": "b"}}}', gone),
    ]
    assert filled(page)["keyword"] == ["a", "7"]
    assert json.loads(filled(page)["custom_params"]) == {"deep": {"n": 1}}
    # What it has beyond the bounds is told at its field, as if typed.
    page = Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW)
    assert errors(page) == {"batch_size": "At most 20."}
    made = request_id_of(Page(client.post(NEW, {**filled(page), "batch_size": "5", "do": "submit"}), NEW))
    item = get(requests, made)
    assert item is not None
    assert item["project_request_id"] == {"S": "p-1"}
    assert item["config"]["M"]["language"] == {"S": "en"}
    first, second = item["config"]["M"]["sources"]["L"]
    assert first["M"]["depth"] == {"N": "3"}
    assert second == {"S": "text"}


def test_what_a_field_of_one_line_would_change_is_not_copied_into_it(client: Client, requests: Any) -> None:
    source = {"name": "two\nlines", "url": "https://fda.gov", "type": "x"}
    config = {"keywords": ["two\nlines", "a", "b\r"], "sources": [source], "custom_params": '{\n"a": 1}'}
    put(requests, request("lines", user_id="operator", project_id="p\n1", config=config))
    page = visit(client, like("lines"))
    gone = [(path, value) for path, value, new in differences(page) if new == "not copied"]
    assert gone == [
        ("project_id", '{"S": "p\\n1"}'),
        ("config.keywords[0]", '{"S": "two\\nlines"}'),
        ("config.keywords[2]", '{"S": "b\\r"}'),
    ]
    assert filled(page)["keyword"] == ["a"]
    made = request_id_of(
        Page(
            client.post(NEW, {**filled(page), "project_id": "p", "custom_params": "{}", "do": "submit"}), NEW
        )
    )
    item = get(requests, made)
    assert item is not None
    assert item["config"]["M"]["sources"] == {"L": [typed(source)]}


def test_space_is_part_of_what_is_asked_for(client: Client, requests: Any) -> None:
    source = {"name": " FDA", "base_url": "https://fda.gov", "source_type": "new  type"}
    old = request("blanks", user_id="operator", project_id="p1 ", request_type=" deep  dive", config={"keywords": ["a ", " a"], "sources": [source]})  # fmt: skip
    put(requests, old)
    first = visit(client, like("blanks"))
    types = first.root.one("select", id="id_request_type")
    assert types.one("option", selected=None).words == "⟦U+0020⟧deep ⟦U+0020⟧dive"
    # The page that is shown says what can't be seen of each value.
    page = send(
        client, "preview", **{**filled(first), "project_id": "p1", "keyword": ["a", " a"], "like": "blanks"}
    )
    changed = {label: (before, now) for label, before, now in differences(page)}
    assert changed["Project"] == ("p1⟦U+0020⟧", "p1")
    assert ("Keyword", "a⟦U+0020⟧", "—") in differences(page)
    assert page.root.one("div", id="id_keyword-1_signed").words == "Exactly ⟦U+0020⟧a"
    assert not page.root.all("div", id="id_project_id_signed")
    item = get(requests, request_id_of(send(client, **filled(first)))) or {}
    for name in ("project_id", "request_type"):
        assert item[name] == old[name], name
    config = item["config"]["M"]
    assert config["keywords"] == typed(["a ", " a"])
    assert config["sources"] == typed([source])


@pytest.mark.parametrize(
    ("field", "given", "sentence"),
    [
        ("batch_size", "1_0", "Enter a number."), ("max_retries", "\u0663", "Enter a number."), ("quality_threshold", "0_1", "Enter a number."),
        ("quality_threshold", "\u0660.\u0665", "Enter a number."), ("quality_threshold", "NaN", "Enter a number."),
        ("batch_size", "5.5", "Enter a whole number."), ("extra-0", "1_0", "A number is needed in N, written as text and within DynamoDB's range."),
        ("extra-0", "NaN", "A number is needed in N, written as text and within DynamoDB's range."),
    ],
)  # fmt: skip
def test_a_number_is_what_is_typed_and_not_what_python_makes_of_it(
    client: Client, field: str, given: str, sentence: str
) -> None:
    extra = {"extra_name": ["n"], "extra_within": [""], "extra_kind": ["N"], "extra_value": [given]}
    page = send(client, "preview", **(extra if field == "extra-0" else {field: given}))
    assert (page.status, errors(page)) == (422, {field: sentence})
    # Every digit of one that is typed stands in the preview, space around it does not.
    digits = "12345678901234567890123456789012345678"
    page = send(
        client, "preview", **{**extra, "extra_value": [f" {digits} "], "quality_threshold": f" 0.{digits} "}
    )
    item = json.loads(raw_of(page)[0])
    assert item["n"] == {"N": digits}
    assert item["config"]["M"]["quality_threshold"] == {"N": f"0.{digits}"}


def test_a_keyword_that_says_nothing_is_said_not_to_be_copied(client: Client, requests: Any) -> None:
    put(requests, request("blank", user_id="operator", config={"keywords": ["", " ", "a"]}))
    page = visit(client, like("blank"))
    gone = [(path, value) for path, value, new in differences(page) if new == "not copied"]
    assert gone == [("config.keywords[0]", '{"S": ""}'), ("config.keywords[1]", '{"S": " "}')]
    assert filled(page)["keyword"] == ["a"]


def test_the_type_of_the_original_may_be_asked_for_again(
    client: Client, requests: Any, monkeypatch: Any
) -> None:
    put(requests, request("old", request_type="forgotten"))
    monkeypatch.setattr(choices, "request_types", lambda: ("semaglutide_intelligence",))
    page = visit(client, like("old"))
    assert filled(page)["request_type"] == "forgotten"
    sent = {**filled(page), "extraction_mode": "full", "do": "submit"}
    request_id_of(Page(client.post(NEW, sent), NEW))
    assert send(client, request_type="forgotten").status == 422


def test_a_missing_original_is_reported(client: Client) -> None:
    for key in ("no-such", "x" * 3000, "\u202e", "a/b", "\x00"):
        page = Page(client.get(NEW, {"like": key}), NEW)
        assert page.status == 404
        assert "no request with this id" in page.words
        assert filled(page)["user_id"] == "operator"
    # On the way the form outlives it.
    page = send(client, do="preview", like="no-such")
    assert page.status == 200
    assert differences(page) == []


def test_an_original_that_can_not_be_read_now_does_not_cost_what_was_typed(
    client: Client, requests: Any
) -> None:
    put(requests, request("old"))
    with trouble(requests, refused("ThrottlingException", "Rate exceeded"), "GetItem"):
        assert raw_of(send(client, do="preview", like="old"))


def test_buttons_lead_to_the_form(client: Client, client_for: Any, requests: Any) -> None:
    empty = visit(client, reverse("requests:list") + "?range=all")
    assert empty.empty.one("a", href=NEW).words == "New request"
    assert not visit(client_for("viewer"), reverse("requests:list") + "?range=all").root.all("a", href=NEW)
    put(requests, request("a&b=c/é"))
    assert visit(client, reverse("requests:list")).root.one("a", href=NEW)
    closed = visit(client_for("viewer"), reverse("requests:list")).root.one("span", class_="not-now")
    assert closed.one("button", data_action="request:submit")
    assert "Your role (viewer) may not do this." in closed.words
    item = visit(client, reverse("requests:item", args=["a&b=c/é"]))
    button = item.root.one("a", data_action="request:submit")
    assert "hx-get" not in button.attrs
    assert filled(visit(client, button.attrs["href"]))["like"] == "a&b=c/é"
    item = visit(client_for("viewer"), reverse("requests:item", args=["a&b=c/é"]))
    closed = next(one for one in item.root.all("span", class_="not-now") if "Copy" in one.words)
    assert "Your role (viewer) may not do this." in closed.words


# --- Who may, and what others wrote ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("persona", "may"), [("viewer", False), ("operator", True), ("administrator", True), ("anonymous", False)]
)
def test_only_those_with_the_permission_submit(
    client_for: Any, requests: Any, persona: str, may: bool
) -> None:
    client = client_for(persona)
    if may:
        assert send(client).status == 302
        assert len(dumps.everything(requests)) == 1
        return
    with dumps.nothing_written(requests):
        for do in ("submit", "preview", "add-keyword"):
            page = send(client, do=do)
            assert page.status == (401 if persona == "anonymous" else 403)


def test_a_submission_without_its_token_is_refused(user_of: Any, requests: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_of("operator"), backend="django.contrib.auth.backends.ModelBackend")
    with dumps.nothing_written(requests):
        assert send(client).status == 403


def test_an_item_whose_id_is_new_has_its_page_beside_the_form(
    client: Client, tables: dict[str, Any], requests: Any
) -> None:
    put(requests, request("new", project_id="project of the item"))
    put(tables["request_logs"], log("new", message="line of the item"))
    url = reverse("requests:item", args=["new"])
    assert url != NEW
    assert "project of the item" in visit(client, url).words
    assert visit(client, NEW).root.all("form", id="submission")
    assert url in visit(client, reverse("requests:list")).links
    assert client.get(reverse("requests:list"), {"q": "new"})["Location"] == url
    assert "line of the item" in visit(client, reverse("requests:logs", args=["new"])).words
    assert (
        visit(client, like("new")).root.one("input", id="id_project_id").attrs["value"]
        == "project of the item"
    )
    assert visit(client, reverse("requests:cancel", args=["new"])).status == 200


MARK = "<script>alert(1)</script>"


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_typed_is_text_wherever_it_is_shown(client: Client, requests: Any, attack: str) -> None:
    rows = {name: [attack] for name in ("keyword", "source_name", "source_url", "source_type")}
    names = ("project_id", "user_id", "request_type", "priority", "processing_strategy", "extraction_mode",
             "quality_threshold", "batch_size", "max_retries", "custom_params", "reason", "like", "action_id")  # fmt: skip
    for page in (
        send(client, **dict.fromkeys(names, attack), **rows),
        send(client, do="add-source", **dict.fromkeys(names, attack), **rows),
        Page(client.get(NEW, {"like": attack}), NEW),
    ):
        assert_is_text(page)


def assert_is_text(page: Page) -> None:
    """As a browser would parse it: no element and no attribute is of what was typed."""
    assert all(node.attrs.get("src", "").startswith("/static/") for node in page.root.all("script"))
    assert all(node.attrs["src"].startswith("/static/") for node in page.root.all("img"))
    assert not page.root.all("", onerror=None)
    assert str(settings.SECRET_KEY) not in page.html


def test_what_was_written_elsewhere_is_text_too(client: Client, requests: Any) -> None:
    texts = dict.fromkeys(("project_id", "user_id", "request_type", "priority", "processing_strategy"), MARK)
    config = {
        "keywords": [MARK],
        "sources": [{"name": MARK, "base_url": MARK, "source_type": MARK, MARK: MARK}],
        "custom_params": {MARK: MARK},
        MARK: MARK,
        "extraction_mode": MARK,
    }
    put(requests, request(MARK, config=config, **texts, **{MARK: MARK}))
    page = Page(client.get(NEW, {"like": MARK}), NEW)
    assert page.status == 200
    assert_is_text(page)
    page = Page(
        client.post(NEW, {**filled(page), "source_url": ["https://x.example/" + MARK], "request_type": MARK, "do": "preview"}), NEW
    )  # fmt: skip
    assert raw_of(page)
    assert_is_text(page)
    request_id = request_id_of(Page(client.post(NEW, {**filled(page), "do": "submit"}), NEW))
    for tab in ("", "?tab=config", "?tab=raw", "?tab=history", "?tab=audit"):
        assert_is_text(visit(client, reverse("requests:item", args=[request_id]) + tab))
    (entry,) = dumps.audit(requests)
    assert_is_text(visit(client, reverse("operations:entry", args=[entry.action_id])))


# --- Anything at all --------------------------------------------------------------------------------------------

typed_texts = st.one_of(
    st.sampled_from([*ODD_TEXTS, "0.5", "5", "table", "high", "{}", "https://x.example"]),
    st.text(max_size=20),
)
wishes = st.one_of(
    st.sampled_from(
        ["submit", "preview", "add-keyword", "add-source", "remove-keyword-0", "remove-source-5"]
    ),
    typed_texts,
)


@pytest.mark.no_moto  # about the page: each example costs many reads
@hypothesis_settings(
    max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.dictionaries(
        st.sampled_from(sorted(form())), st.one_of(typed_texts, st.lists(typed_texts, max_size=4)), max_size=8
    ),
    missing=st.sets(st.sampled_from(sorted(form())), max_size=4),
    do=wishes,
)
def test_nothing_that_is_sent_breaks_the_page(
    client: Client, changes: dict[str, Any], missing: set[str], do: str
) -> None:
    sent = {**form(), **changes, "do": do}
    for name in missing:
        sent.pop(name)
    # 409: submitted as the preview of another format, which `dialect` names.
    allowed = {200, 302, 422} | ({409} if "dialect" in changes else set())
    assert client.post(NEW, sent).status_code in allowed


@pytest.mark.no_moto
@hypothesis_settings(
    max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_request_can_be_started_like(client: Client, requests: Any, data: st.DataObject) -> None:
    drawn = data.draw(
        st.dictionaries(
            st.sampled_from(["config", "results", "odd"]), st.one_of(values, config_values()), max_size=3
        )
    )
    put(requests, request("odd", **drawn))
    page = visit(client, like("odd"))
    assert differences(page)
    assert client.post(NEW, {**filled(page), "do": "preview"}).status_code in (200, 422)


def config_values() -> st.SearchStrategy[Any]:
    names = (
        "keywords",
        "sources",
        "extraction_mode",
        "quality_threshold",
        "batch_size",
        "max_retries",
        "custom_params",
    )
    return st.dictionaries(st.sampled_from(names), values, max_size=7).map(
        lambda members: Typed(M=raw(members))
    )


def test_a_form_of_a_thousand_fields_is_no_error_of_ours(client: Client) -> None:
    assert send(client, keyword=["k"] * 2000).status == 400
    assert send(client, action_id=new_action_id(), keyword=["k"] * 900).status == 422
