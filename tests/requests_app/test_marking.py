"""Marking a request failed or completed by hand: what is written, watched, undone and left alone."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from opsportal.operations import transactions, undo
from opsportal.operations.entries import Actor, new_action_id, read_entry
from opsportal.operations.observation import Outcome
from opsportal.operations.transactions import Conflict
from requests_app import actions
from tests.engines import Engine
from tests.operations.places import FOREIGN, dump, get, images, put, request_item, trail
from tests.operations.proxy import LOST, Proxy
from tests.pages import poll, visit
from tests.requests_app.test_action_pages import banner, data, send
from tests.requests_app.test_actions import NULL, fate, told
from tests.requests_app.test_actions import do as carry_out

OLGA = Actor("olga", "administrator", "user:1001")
VERBS = {"fail": "failed", "complete": "completed"}


def do(verb: str, request_id: str = "req-1", reason: str = "the worker is gone", **more: Any) -> Any:
    return carry_out(verb, request_id, reason, by=OLGA, **more)


@pytest.mark.parametrize("verb", VERBS)
def test_it_writes_this_and_an_undo_takes_it_back(tables: dict[str, Any], verb: str) -> None:
    table, status = tables["requests"], VERBS[verb]
    results = {"M": {"part": {"N": "1"}}}
    before = put(table, request_item(status="Queued", results=results, **FOREIGN))
    done = do(verb)
    after = get(table, "req-1") or {}
    moment = after["updated_at"]["S"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", moment)
    history = before["processing_metadata"]["M"]["status_history"]["L"]
    line = {
        "timestamp": {"S": moment},
        "old_status": {"S": "Queued"},
        "new_status": {"S": status},
        "message": {"S": f"Marked {status} by olga: the worker is gone"},
    }
    error = {"S": f"{moment}: the worker is gone"}
    changed = {
        "status": {"S": status},
        "completed_at": {"S": moment},
        "updated_at": {"S": moment},
        "processing_metadata": {
            "M": {"retry_count": {"N": "0"}, "status_history": {"L": [*history, {"M": line}]}}
        },
        "errors": {"L": [*before["errors"]["L"], error]} if verb == "fail" else before["errors"],
    }
    assert after == {**before, **changed}
    (entry,) = trail(table)
    assert entry["condition"]["S"].startswith("status as read and updated_at as read")
    assert entry["reason"] == {"S": "the worker is gone"}
    assert told(entry)["status"] == ({"S": "Queued"}, {"S": status})
    assert len(images(table)) == 1
    # What others wrote in the meantime stays; the history goes on, as with every change of status.
    put(table, {**after, "worker": {"S": "was here"}})
    entry = read_entry(done.entry.action_id, table)
    undo.undo(entry, by=OLGA, reason="", action_id=new_action_id())
    again = get(table, "req-1") or {}
    lines = again["processing_metadata"]["M"].pop("status_history")["L"]
    assert again.pop("updated_at")["S"] > moment
    assert again == {
        **{name: value for name, value in before.items() if name != "updated_at"},
        "worker": {"S": "was here"},
        "processing_metadata": {"M": {"retry_count": {"N": "0"}}},
    }
    assert [one["M"]["message"]["S"] for one in lines[1:]] == [line["message"]["S"], "Undone by olga"]
    assert (lines[-1]["M"]["old_status"], lines[-1]["M"]["new_status"]) == ({"S": status}, {"S": "Queued"})


@pytest.mark.no_moto
def test_only_what_is_no_end_can_be_marked(tables: dict[str, Any], settings: Any) -> None:
    settings.REQUEST_TERMINAL_STATUSES = [" Archived"]
    table = tables["requests"]
    for status in ("pending", "PROCESSING", "executing", "queued", "running", ""):
        for verb, becomes in VERBS.items():
            put(table, request_item(status=status))
            do(verb)
            assert (get(table, "req-1") or {})["status"] == {"S": becomes}
    for status in ("completed", "FAILED", " Cancelled ", "ARCHIVED"):
        put(table, request_item(status=status))
        before = dump(tables)
        for verb, becomes in VERBS.items():
            sentence = f"It is {status.strip()}; only what is not finished can be marked {becomes}"
            with pytest.raises(Conflict, match=sentence):
                do(verb)
        assert dump(tables) == before


@pytest.mark.no_moto
def test_what_is_missing_is_made_and_what_is_mistyped_is_left_alone(tables: dict[str, Any]) -> None:
    table = tables["requests"]
    for errors, metadata in (
        (None, None),
        (NULL, NULL),
        ({"S": "text"}, {"S": "text"}),
        ({"M": {}}, {"L": []}),
    ):
        before = put(table, request_item(errors=errors, processing_metadata=metadata, completed_at=None))
        done = do("fail")
        after = get(table, "req-1") or {}
        if errors in (None, NULL):
            assert [one["S"].endswith(": the worker is gone") for one in after["errors"]["L"]] == [True]
            assert len(after["processing_metadata"]["M"]["status_history"]["L"]) == 1
            assert after["status_message"] == before["status_message"]
        else:
            assert (after["errors"], after["processing_metadata"]) == (errors, metadata)
            assert after["status_message"] == {"S": "the worker is gone"}
        undo.undo(read_entry(done.entry.action_id, table), by=OLGA, reason="", action_id=new_action_id())  # type: ignore[arg-type]
        again = get(table, "req-1") or {}
        for name in ("errors", "status", "completed_at", "status_message"):
            assert again.get(name) == before.get(name)


@pytest.mark.no_moto
def test_an_undo_finds_its_error_among_many_and_none_of_others(tables: dict[str, Any]) -> None:
    """An entry holds no more than the beginning of a long list."""
    table = tables["requests"]
    many = {"L": [{"S": f"{number}: HTTP 503 " * 20} for number in range(60)]}
    before = put(table, request_item(errors=many))
    entry = read_entry(do("fail").entry.action_id, table)
    assert entry is not None
    marked = get(table, "req-1") or {}
    for since in (
        {"errors": {"L": [*marked["errors"]["L"], {"S": "of a worker"}]}},
        {"errors": {"L": [{"S": "another"}, *marked["errors"]["L"][1:]]}},
        {"status": {"S": "processing"}},
    ):
        put(table, {**marked, **since})
        (name,) = since
        with pytest.raises(Conflict, match=f"{name} was changed since"):
            undo.undo(entry, by=OLGA, reason="", action_id=new_action_id())
    put(table, marked)
    undo.undo(entry, by=OLGA, reason="", action_id=new_action_id())
    assert (get(table, "req-1") or {})["errors"] == before["errors"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_worker_that_is_quicker_wins(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    put(tables["requests"], request_item())
    begun = actions._begun
    since = request_item(status="completed", updated_at={"S": "2099-01-01T00:00:00.000000"})

    def slowly(*args: Any) -> Any:
        put(tables["requests"], since)
        return begun(*args)

    monkeypatch.setattr(actions, "_begun", slowly)
    with pytest.raises(Conflict, match=r"in the meantime\. It is completed"):
        do(verb)
    assert get(tables["requests"], "req-1") == since
    assert trail(tables["requests"]) == []


@pytest.mark.no_moto
def test_a_worker_that_is_alive_is_seen_to_keep_it_or_to_overwrite_it(tables: dict[str, Any]) -> None:
    later = {"updated_at": {"S": "2099-01-01T00:00:00.000000"}}
    for verb in VERBS:
        memory = put(tables["requests"], request_item())
        done = do(verb)
        ours = get(tables["requests"], "req-1") or {}
        assert fate(done.entry, ours) == (Outcome.REQUESTED, False)
        assert fate(done.entry, {**ours, **later}) == (Outcome.SEEN, True)
        assert fate(done.entry, {**memory, **later}) == (Outcome.OVERWRITTEN, True)
        undone = undo.undo(done.entry, by=OLGA, reason="", action_id=new_action_id()).entry
        back = get(tables["requests"], "req-1") or {}
        assert fate(undone, back) == (Outcome.REQUESTED, False)
        assert fate(undone, {**back, **later, "status": {"S": "completed"}}) == (Outcome.SEEN, True)


# --- Pages ------------------------------------------------------------------------------------------------


@pytest.mark.no_moto
def test_the_page_of_a_mark(tables: dict[str, Any], client_for: Callable[[str], Client]) -> None:
    """The dialog says what it does, a reason is asked for, and the item's page says who did it and what became of
    it."""
    operator, administrator = client_for("operator"), client_for("administrator")
    memory = put(tables["requests"], request_item(status="queued"))
    url = reverse("requests:item", args=["req-1"])
    page = visit(operator, reverse("requests:fail", args=["req-1"]))
    assert "Its status queued is unknown to the console, and counts as not finished." in page.words
    assert "It can be undone from the audit trail for 30 days." in page.words
    assert "unknown to the console" in visit(operator, reverse("requests:cancel", args=["req-1"])).words
    before = dump(tables)
    refused = send(operator, "fail", data("fail", reason="  "))
    assert refused.status == 422
    assert "Enter a reason: it becomes the item's error." in refused.words
    assert dump(tables) == before
    assert send(operator, "fail", data("fail", reason="no <b>worker</b>")).status == 302
    page = visit(operator, url)
    assert banner(page)[0] == "requested"
    assert "Marked failed by operator" in banner(page)[1]
    assert page.findings["marked"].startswith("Marked failed by operator: no <b>worker</b> (20")
    assert page.polls  # finished, and watched all the same
    put(tables["requests"], memory)
    page = poll(operator, page)
    assert "Overwritten by the worker" in banner(page)[1]
    assert page.root.one("a", data_action="again").attrs["href"] == reverse("requests:fail", args=["req-1"])

    put(tables["requests"], request_item())
    assert send(administrator, "complete", data("complete", reason="")).status == 302
    page = visit(operator, url)
    assert re.fullmatch(
        r"Marked completed by administrator \(20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\)\.",
        page.findings["marked"],
    )
    entry = trail(tables["requests"])[-1]["action_id"]["S"]
    undo_url = reverse("operations:undo", args=[entry])
    # Who may not do it may not undo it.
    assert operator.get(undo_url).status_code == 403
    assert "Undo mark completed" in visit(administrator, undo_url).words
    assert administrator.post(undo_url, data("undo")).status_code == 302
    page = visit(operator, url)
    assert "marked" not in page.findings
    assert page.fact("Status") == "processing"
    # What a worker completes after all is its own.
    line = {"M": {"new_status": {"S": "completed"}, "message": {"S": "Request completed"}}}
    put(
        tables["requests"],
        request_item(status="completed", processing_metadata={"M": {"status_history": {"L": [line]}}}),
    )
    assert "marked" not in visit(operator, url).findings


@pytest.mark.no_moto
def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_id(
    tables: dict[str, Any],
    engine: Engine,
    proxied: Proxy,
    client_for: Callable[[str], Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "PAUSE", 0.001)
    client = client_for("administrator")
    for verb, status in VERBS.items():
        put(tables["requests"], request_item(verb))
        fields = data(verb)
        proxied.on("TransactWriteItems", LOST, LOST)
        page = send(client, verb, fields, request_id=verb)
        assert page.status == 503
        assert "it is not known whether this was done" in page.words
        assert page.root.one("input", name="action_id").attrs["value"] == fields["action_id"]
        assert send(client, verb, fields, request_id=verb).status == 302
        assert (get(tables["requests"], verb) or {})["status"] == {"S": status}
    assert len(trail(tables["requests"])) == 2
