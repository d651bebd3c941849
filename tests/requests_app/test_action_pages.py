"""The pages of the actions on requests: form, answer, refusal; with htmx, and without any script."""

import json
import random
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from opsportal.operations import transactions
from opsportal.operations.tables import audit_table_for
from opsportal.operations.tags import Action
from tests.dynamo.fake_aws import error
from tests.engines import Engine
from tests.factories import delete
from tests.operations.places import FOREIGN, actor, dump, get, images, outbox, put, request_item, trail
from tests.operations.proxy import LOST, Proxy
from tests.pages import Page, poll, visit
from tests.requests_app.test_actions import LONG_AGO
from tests.trouble import denied, trouble

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

VERBS = {
    "cancel": "processing",
    "retry": "failed",
    "purge": "failed",
    "fail": "queued",
    "complete": "processing",
}
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0.001)


@pytest.fixture
def client(client_for: Callable[[str], Client], request: pytest.FixtureRequest) -> Client:
    """Of the least role that may do what the test is about."""
    callspec = getattr(request.node, "callspec", None)
    return client_for(
        "administrator" if callspec and callspec.params.get("verb") == "complete" else "operator"
    )


def url_of(verb: str, request_id: str = "req-1") -> str:
    return reverse(f"requests:{verb}", args=[request_id])


def data(verb: str, request_id: str = "req-1", **more: str) -> dict[str, str]:
    confirm = {"confirm": request_id} if verb == "purge" else {}
    return {"action_id": str(uuid.uuid4()), "reason": "because", **confirm, **more}


def send(
    client: Client, verb: str, fields: dict[str, str], *, htmx: bool = False, request_id: str = "req-1"
) -> Page:
    headers = {**HTMX, "HX-Target": "dialog-body"} if htmx else {}
    url = url_of(verb, request_id)
    return Page(client.post(url, fields, headers=headers), url)


def item(tables: dict[str, Any], verb: str, **more: Any) -> dict[str, Any]:
    return put(tables["requests"], request_item(status=VERBS[verb], **more))


@pytest.mark.parametrize("verb", VERBS)
def test_the_form_says_what_it_does_and_writes_nothing(
    tables: dict[str, Any], client: Client, verb: str
) -> None:
    item(tables, verb)
    before = dump(tables)
    page = visit(client, url_of(verb))
    form = page.root.one("form", action=url_of(verb))
    given = form.one("input", name="action_id").attrs["value"]
    assert uuid.UUID(given)
    # Each drawing of the form is an intent of its own.
    assert visit(client, url_of(verb)).root.one("input", name="action_id").attrs["value"] != given
    assert form.one("input", name="csrfmiddlewaretoken")
    assert bool(form.all("input", name="confirm")) == (verb == "purge")
    fragment = visit(client, url_of(verb), **HTMX)
    assert fragment.is_fragment
    assert fragment.root.one("form").attrs["hx-post"] == url_of(verb)
    assert dump(tables) == before


@pytest.mark.parametrize("verb", VERBS)
def test_done_without_a_script_leads_back_with_a_message(
    tables: dict[str, Any], client: Client, verb: str
) -> None:
    item(tables, verb)
    page = send(client, verb, data(verb))
    assert (page.status, page.response["Location"]) == (302, reverse("requests:item", args=["req-1"]))
    (message,) = get_messages(page.response.wsgi_request)
    assert "done" in message.tags, "the next page polls soon"
    assert (
        str(message)
        == {
            "cancel": "Cancelled.",
            "retry": "Retried.",
            "purge": "Purged.",
            "fail": "Marked failed.",
            "complete": "Marked completed.",
        }[verb]
    )
    (entry,) = trail(tables["requests"])
    role = "administrator" if verb == "complete" else "operator"
    assert (actor(entry)[0], entry["role"]) == (role, {"S": role})
    assert entry["reason"] == {"S": "because"}


@pytest.mark.parametrize("verb", VERBS)
def test_done_in_a_dialog_closes_it_and_refreshes_the_page(
    tables: dict[str, Any], client: Client, verb: str
) -> None:
    item(tables, verb)
    page = send(client, verb, data(verb), htmx=True)
    assert page.status == 204
    events = json.loads(page.response["HX-Trigger"])
    # The page may be refreshed only once it knows that something was done.
    assert list(events) == ["console:close", "console:done", "console:refresh"]
    said = Action(f"request:{verb}").past
    assert events["console:done"] == {"action": f"request:{verb}", "said": f"{said}."}


@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])
@pytest.mark.parametrize("verb", VERBS)
def test_sent_twice_it_succeeds_twice_and_is_done_once(
    tables: dict[str, Any], client: Client, verb: str, htmx: bool
) -> None:
    item(tables, verb)
    fields = data(verb)
    first = send(client, verb, fields, htmx=htmx)
    after = dump(tables)
    assert send(client, verb, fields, htmx=htmx).status == first.status
    assert dump(tables) == after
    assert len(trail(tables["requests"])) == 1


WRONG = {
    "no action id": {"action_id": ""},
    "another action id": {"action_id": "6fa459ea#image"},
    "the key of an image": {"action_id": f"{uuid.UUID(int=7)}#image"},
    "a reason too long": {"reason": "x" * 2_001},
    "a reason with NUL": {"reason": "a\x00b"},
}


@pytest.mark.parametrize("wrong", [*WRONG, "another id", "no id"])
@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])
def test_a_wrong_form_comes_back_with_what_was_typed(
    tables: dict[str, Any], client: Client, wrong: str, htmx: bool
) -> None:
    item(tables, "purge")
    before = dump(tables)
    given = {"another id": {"confirm": "req-2"}, "no id": {"confirm": ""}, **WRONG}[wrong]
    fields = data("purge", **given)
    page = send(client, "purge", fields, htmx=htmx)
    assert page.status == 422
    assert page.is_fragment == htmx
    for name in ("reason", "confirm", "action_id"):
        assert page.root.one("input", name=name).attrs.get("value", "") == fields[name]
    assert page.root.all("", class_="invalid-feedback")
    assert dump(tables) == before


@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])
@pytest.mark.parametrize(
    ("verb", "status", "sentence"),
    [
        ("cancel", "completed", "It is completed: there is nothing to cancel."),
        ("cancel", "Cancelled", "It is Cancelled: there is nothing to cancel."),
        (
            "retry",
            "processing",
            "It is processing; only what failed, was cancelled or is stuck can be retried.",
        ),
        ("fail", "Completed", "It is Completed; only what is not finished can be marked failed."),
        ("complete", "failed", "It is failed; only what is not finished can be marked completed."),
        (
            "purge",
            "processing",
            "It is processing; only an administrator can purge an unfinished request.",
        ),
    ],
)
def test_what_the_state_forbids_has_no_form_and_is_refused_all_the_same(
    tables: dict[str, Any], client: Client, verb: str, status: str, sentence: str, htmx: bool
) -> None:
    put(tables["requests"], request_item(status=status))
    before = dump(tables)
    asked = visit(client, url_of(verb))
    assert sentence in asked.words
    assert not asked.root.all("input", name="reason")
    page = send(client, verb, data(verb), htmx=htmx)
    assert page.status == 409
    assert sentence in page.words
    assert page.root.one("p", role="alert")
    assert dump(tables) == before


def test_what_is_gone_says_so(tables: dict[str, Any], client: Client) -> None:
    before = dump(tables)
    for verb in set(VERBS) - {"complete"}:
        assert "There is no request with this id." in visit(client, url_of(verb, "gone")).words
        page = send(client, verb, data(verb, "gone"), request_id="gone")
        assert page.status == 404
        assert "no request with this id" in page.words
        # htmx swaps no 404, and the sentence must be read.
        assert send(client, verb, data(verb, "gone"), request_id="gone", htmx=True).status == 409
    assert dump(tables) == before


def test_the_form_of_another_action_is_refused(tables: dict[str, Any], client: Client) -> None:
    item(tables, "cancel")
    fields = data("cancel")
    send(client, "cancel", fields)
    page = send(client, "retry", fields)
    assert page.status == 409
    assert "used for another action already" in page.words
    assert get(tables["requests"], "req-1")["status"] == {"S": "cancelled"}  # type: ignore[index]


def test_the_dialog_of_a_stuck_request_says_what_if_its_worker_is_alive(
    tables: dict[str, Any], client: Client
) -> None:
    put(tables["requests"], request_item(status="failed", **LONG_AGO))
    assert "still alive" not in visit(client, url_of("retry")).words
    put(tables["requests"], request_item(status="executing", **LONG_AGO))
    words = visit(client, url_of("retry")).words
    assert re.search(
        r"It has not moved for \d+ d \d+ h\. If its worker is still alive, two may work on it", words
    )
    assert "overwrite the retry: the page shows which." in words
    assert send(client, "retry", data("retry")).status == 302
    assert get(tables["requests"], "req-1")["status"] == {"S": "pending"}  # type: ignore[index]


# --- Trouble --------------------------------------------------------------------------------------------


@pytest.fixture
def through(tables: dict[str, Any], engine: Engine, proxied: Proxy) -> Proxy:
    return proxied


@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])
def test_without_an_answer_the_same_form_may_be_sent_again(
    through: Proxy, tables: dict[str, Any], client: Client, htmx: bool
) -> None:
    item(tables, "cancel")
    fields = data("cancel")
    through.on("TransactWriteItems", LOST, LOST)
    page = send(client, "cancel", fields, htmx=htmx)
    assert page.status == (409 if htmx else 503)
    assert "it is not known whether this was done" in page.words
    assert page.root.one("form", class_="action-form").one("button", type="submit").words == "Do it again"
    again = {name: page.root.one("input", name=name).attrs["value"] for name in ("action_id", "reason")}
    assert again == fields
    assert send(client, "cancel", again, htmx=htmx).status == (204 if htmx else 302)
    assert len(trail(tables["requests"])) == 1


@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "plain"])
@pytest.mark.parametrize(
    ("answer", "kind", "word"),
    [
        (error("ThrottlingException", "Rate exceeded"), "throttled", "throttling"),
        (
            error(
                "AccessDeniedException",
                "User: x is not authorized to perform: dynamodb:UpdateItem on resource: y",
            ),
            "access_denied",
            "dynamodb:UpdateItem",
        ),
        (error("ValidationException", "Item size has exceeded the maximum"), "rejected", "maximum"),
    ],
    ids=["throttled", "denied", "rejected"],
)
def test_an_error_of_a_table_has_its_page_and_nothing_is_written(
    through: Proxy, tables: dict[str, Any], client: Client, answer: Any, kind: str, word: str, htmx: bool
) -> None:
    item(tables, "cancel")
    before = dump(tables)
    through.on("TransactWriteItems", *[answer] * 20)
    page = send(client, "cancel", data("cancel"), htmx=htmx)
    assert page.status == 503
    assert page.is_fragment == htmx
    assert page.problem.attrs["data-problem"] == kind
    assert word in page.words
    assert dump(tables) == before


# --- Purge ----------------------------------------------------------------------------------------------

AWKWARD = [
    "two words", "line\nbreak", " padded ", "🦊☃ naïve", "a/b?c#d%2F", "..", "tab\there", '"><b>', "x" * 1000, "NUL\x00here"
]  # fmt: skip


@pytest.mark.parametrize("request_id", AWKWARD)
def test_any_id_can_be_typed_to_confirm(tables: dict[str, Any], client: Client, request_id: str) -> None:
    put(tables["requests"], request_item(request_id, "failed"))
    assert visit(client, url_of("purge", request_id)).root.one("input", name="confirm")
    # A browser leaves line breaks out of a text field, and nobody can type a NUL.
    typed = request_id.replace("\n", "").replace("\x00", "")
    wrong = send(client, "purge", data("purge", confirm=f"{typed}x"), request_id=request_id)
    assert wrong.status == 422
    page = send(client, "purge", data("purge", confirm=typed), request_id=request_id)
    assert page.status == 302
    assert get(tables["requests"], request_id) is None


def test_what_is_too_large_for_a_copy_needs_a_second_confirmation(
    tables: dict[str, Any], client: Client
) -> None:
    noise = random.Random(1).randbytes(392_000)
    item(tables, "purge", blob={"B": noise})
    before = dump(tables)
    page = visit(client, url_of("purge"))
    assert "too large to keep a copy, so this can't be undone" in page.words
    assert page.root.one("input", name="without_image", type="checkbox")
    refused = send(client, "purge", data("purge"))
    assert refused.status == 422
    assert "Confirm that this can't be undone" in refused.words
    assert dump(tables) == before
    assert send(client, "purge", data("purge", without_image="on")).status == 302
    assert images(tables["requests"]) == []
    (entry,) = trail(tables["requests"])
    page = visit(client, reverse("operations:entry", args=[entry["action_id"]["S"]]))
    assert "No copy was kept: the item was too large." in page.words
    assert "The item before" not in page.words


def test_only_an_administrator_purges_what_is_not_finished(
    tables: dict[str, Any], client_for: Callable[[str], Client]
) -> None:
    put(tables["requests"], request_item(status="processing"))
    assert send(client_for("operator"), "purge", data("purge")).status == 409
    assert send(client_for("administrator"), "purge", data("purge")).status == 302


def test_a_purged_request_shows_who_did_it_and_can_be_restored_with_the_permission(
    tables: dict[str, Any], client: Client, client_for: Callable[[str], Client]
) -> None:
    before = item(tables, "purge", **FOREIGN)
    send(client, "purge", data("purge", reason="<b>old</b>"))
    url = reverse("requests:item", args=["req-1"])
    gone = visit(client, url, status=404)
    assert gone.root.one("section", data_empty="purged").one("h2").words == "Purged by you now"
    assert "<b>old</b>" not in gone.html
    (entry,) = trail(tables["requests"])
    undo = reverse("operations:undo", args=[entry["action_id"]["S"]])
    assert gone.root.one("a", href=undo)
    viewer = visit(client_for("viewer"), url, status=404)
    assert "Purged by operator" in viewer.words
    assert not viewer.root.all("a", href=undo)
    assert "No undo: You need the permission requests_app.purge_requests" in viewer.words
    assert [one.words for one in gone.root.all("a", class_="btn-primary")] == ["Undo the purge"]
    assert client_for("viewer").post(undo, data("undo")).status_code == 403
    assert get(tables["requests"], "req-1") is None
    response = client.post(undo, data("undo"))
    assert (response.status_code, response["Location"]) == (302, url)
    assert get(tables["requests"], "req-1") == before
    assert "Purged by" not in visit(client, url).words
    # What another program deleted after that is gone, but not purged; and what never was there is neither.
    delete(tables["requests"], "req-1")
    gone = visit(client, url, status=404)
    assert "This request is not there any more" in gone.words
    assert "The last action on it here: undone by operator now." in gone.words
    assert gone.polls, "a purge may be in the index a moment later"
    never = visit(client, reverse("requests:item", args=["never"]), status=404)
    assert "There is no request with this id" in never.words
    assert "No action on such an id is recorded here." in never.words
    with trouble(audit_table_for(tables["requests"]), denied("Query", "audit")):
        unread = visit(client, url, status=404)
    assert "The audit trail can't be read. It was deleted, has expired, or never existed." in unread.words


# --- The item's page ------------------------------------------------------------------------------------


def banner(page: Page) -> tuple[str, str]:
    found = page.root.all("", data_fate=None)
    return (found[0].attrs["data-fate"], found[0].words) if found else ("", "")


def test_the_page_says_what_became_of_a_cancel_and_offers_it_again(
    tables: dict[str, Any], client: Client, client_for: Callable[[str], Client]
) -> None:
    memory = item(tables, "cancel")
    url = reverse("requests:item", args=["req-1"])
    assert banner(visit(client, url)) == ("", "")
    send(client, "cancel", data("cancel"))
    page = visit(client, url)
    assert banner(page)[0] == "requested"
    assert "Cancelled by operator" in banner(page)[1]
    assert "No worker has picked it up yet" in banner(page)[1]
    # Finished by its status, and watched all the same.
    assert page.polls
    assert poll(client, page).status == 204
    for word in ("success", "seen by"):
        assert word not in banner(page)[1]
    put(tables["requests"], memory)
    page = poll(client, page)
    assert page.status == 200
    assert banner(page)[0] == "overwritten"
    assert "Overwritten by the worker" in banner(page)[1]
    assert "Cancelled by operator" in banner(page)[1]
    again = page.root.one("a", data_action="again")
    assert again.attrs["href"] == url_of("cancel")
    assert not visit(client_for("viewer"), url).root.all("a", data_action="again")
    assert send(client, "cancel", data("cancel")).status == 302
    written = get(tables["requests"], "req-1")
    assert written is not None
    put(tables["requests"], {**written, "updated_at": {"S": "2099-01-01T00:00:00.000000"}})
    page = visit(client, url)
    assert banner(page)[0] == "seen"
    assert "seen by the worker" in banner(page)[1]
    assert not page.polls


def test_of_a_mark_nothing_is_said_of_a_worker_who_takes_it_up(
    tables: dict[str, Any], client: Client
) -> None:
    item(tables, "fail")
    url = reverse("requests:item", args=["req-1"])
    send(client, "fail", data("fail"))
    assert banner(visit(client, url))[1].endswith("Nothing has written it since.")
    written = get(tables["requests"], "req-1")
    assert written is not None
    put(tables["requests"], {**written, "updated_at": {"S": "2099-01-01T00:00:00.000000"}})
    kind, said = banner(visit(client, url))
    assert (kind, "kept by a later write" in said, "worker" in said) == ("seen", True, False)


def test_the_page_says_what_became_of_a_retry(tables: dict[str, Any], client: Client) -> None:
    memory = item(tables, "retry")
    url = reverse("requests:item", args=["req-1"])
    send(client, "retry", data("retry"))
    assert banner(visit(client, url))[0] == "requested"
    written = get(tables["requests"], "req-1")
    assert written is not None
    later = {"updated_at": {"S": "2099-01-01T00:00:00.000000"}}
    put(tables["requests"], {**written, **later, "status": {"S": "processing"}})
    assert banner(visit(client, url))[0] == "seen"
    put(tables["requests"], {**memory, **later})
    page = visit(client, url)
    assert banner(page)[0] == "overwritten"
    assert page.root.one("a", data_action="again").attrs["href"] == url_of("retry")


def test_an_item_s_own_tab_shows_what_was_done_to_it(tables: dict[str, Any], client: Client) -> None:
    item(tables, "cancel")
    put(tables["requests"], request_item("req-2", "processing"))
    url = reverse("requests:item", args=["req-1"]) + "?tab=audit"
    assert "No actions on this item." in visit(client, url).words
    send(client, "cancel", data("cancel", reason="<script>alert(1)</script>"))
    send(client, "cancel", data("cancel", reason="of the other"), request_id="req-2")
    page = visit(client, url)
    assert "Request cancelled" in page.words
    assert "<script>alert(1)" not in page.html
    assert "of the other" not in page.words


# --- Who may --------------------------------------------------------------------------------------------

ALLOWED = {
    "cancel": {"operator", "administrator"},
    "retry": {"operator", "administrator"},
    "purge": {"operator", "administrator"},
    "fail": {"operator", "administrator"},
    "complete": {"administrator"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_who_may_not_writes_nothing(
    tables: dict[str, Any], client_for: Callable[[str], Client], verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    item(tables, verb)
    before = dump(tables)
    for role in ("anonymous", "viewer", *({"operator"} - ALLOWED[verb])):
        client = client_for(role)
        fields = data(verb)
        statuses = (client.get(url_of(verb)).status_code, send(client, verb, fields).status)
        assert statuses == ((302, 401) if role == "anonymous" else (403, 403))
        assert dump(tables) == before
        if role != "anonymous":
            assert fields["action_id"] in caplog.text
            assert f"requests_app.{verb}_requests" in caplog.text
    for role in ALLOWED[verb]:
        put(tables["requests"], request_item(f"of {role}", VERBS[verb]))
        request_id = f"of {role}"
        assert send(client_for(role), verb, data(verb, request_id), request_id=request_id).status == 302


@pytest.mark.parametrize("verb", VERBS)
def test_a_form_from_elsewhere_writes_nothing(tables: dict[str, Any], operator: Any, verb: str) -> None:
    item(tables, verb)
    before = dump(tables)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post(url_of(verb), data(verb)).status_code == 403
    lax = Client()
    lax.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    response = lax.post(url_of(verb), data(verb), headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    for method in ("put", "patch", "delete"):
        assert getattr(lax, method)(url_of(verb)).status_code in (200, 403, 405)
    assert dump(tables) == before


def test_disabled_buttons_say_why(
    tables: dict[str, Any], client_for: Callable[[str], Client], settings: Any
) -> None:
    def buttons(role: str, **more: Any) -> dict[str, tuple[bool, str]]:
        put(tables["requests"], request_item(**more))
        page = visit(client_for(role), reverse("requests:item", args=["req-1"]))
        found = [*page.root.all("a", data_action=None), *page.root.all("button", data_action=None)]
        assert len({one.attrs["data-action"] for one in found}) == len(found)
        reasons = {one.attrs["id"]: one.words for one in page.root.all("span", class_="why-not")}
        return {
            one.attrs["data-action"].partition(":")[2]: (
                one.tag == "a",
                reasons.get(one.attrs.get("aria-describedby", ""), one.words),
            )
            for one in found
        }

    viewer = buttons("viewer")
    assert {verb: viewer[verb][0] for verb in VERBS} == dict.fromkeys(VERBS, False)
    assert all("Your role (viewer) may not do this." in viewer[verb][1] for verb in VERBS)
    operator = buttons("operator")
    assert [verb for verb in VERBS if operator[verb][0]] == ["cancel", "fail"]
    assert "only what failed, was cancelled or is stuck" in operator["retry"][1]
    administrator = buttons("administrator")
    assert [verb for verb in VERBS if administrator[verb][0]] == ["cancel", "purge", "fail", "complete"]
    failed = buttons("administrator", status="FAILED")
    assert [verb for verb in VERBS if failed[verb][0]] == ["retry", "purge"]
    settings.REQUESTS_QUEUE_URL = ""
    queued = buttons("operator", status="failed", processing_strategy={"S": "sqs"})
    assert not queued["retry"][0]
    assert "REQUESTS_QUEUE_URL is missing" in queued["retry"][1]
    assert outbox(tables["requests"]) == []
