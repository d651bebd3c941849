"""The pages of the actions on workflows: forms, dialogs, refusals, and who may do what."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from opsportal.console.converters import quote_key
from opsportal.operations import images
from tests import dumps
from tests.pages import visit
from tests.tracking.conftest import Queue
from tests.tracking.test_actions import failed, later, step, workflow

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

KEY = "a session/with ünusual\u202e <b>parts</b>"
HTMX = {"HX-Request": "true"}
VERBS = ("cancel", "retry", "purge")


@pytest.fixture
def table(tables: dict[str, Any], client_for: Any) -> Any:
    return tables["workflows"]


@pytest.fixture
def operator(client_for: Callable[[str], Client]) -> Client:
    return client_for("operator")


def url(verb: str = "item", key: str = KEY) -> str:
    return reverse(f"tracking:{verb}", args=[key])


def sent(**others: str) -> dict[str, str]:
    return {"action_id": str(uuid.uuid4()), "reason": "because", **others}


def ready(verb: str) -> dict[str, Any]:
    """An item that the verb is allowed for."""
    return {"cancel": workflow(), "retry": failed(), "purge": workflow("completed")}[verb]


def data_for(verb: str) -> dict[str, str]:
    return {"cancel": sent(), "retry": sent(start="whole"), "purge": sent(confirm=KEY)}[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_the_form_is_a_page_and_a_dialog(table: Any, operator: Client, commands: Queue, verb: str) -> None:
    dumps.put(table, KEY, ready(verb))
    with dumps.nothing_written(table):
        page = operator.get(url(verb))
        fragment = operator.get(url(verb), headers=HTMX)
    assert page.status_code == fragment.status_code == 200
    assert b"<html" in page.content
    assert b"<html" not in fragment.content
    assert b"hx-post" in fragment.content
    # As a page it is sent as a page: nothing is there to take the answer to htmx.
    assert b"hx-post" not in page.content.split(b"action-form", 1)[1].split(b"</form>")[0]
    assert b"<b>parts</b>" not in page.content


@pytest.mark.parametrize("verb", VERBS)
def test_without_scripts_the_form_leads_back_to_the_item_and_says_what_was_asked(
    table: Any, operator: Client, commands: Queue, verb: str
) -> None:
    dumps.put(table, KEY, ready(verb))
    response = operator.post(url(verb), data_for(verb), follow=True)
    assert response.redirect_chain == [(url(), 302)]
    said = {"cancel": "Cancelled.", "retry": "Retried.", "purge": "Purged."}[verb]
    assert said in response.content.decode()
    (entry,) = dumps.audit(table)
    assert (entry.action.value, entry.actor.name, entry.actor.role) == (
        f"workflow:{verb}",
        "operator",
        "operator",
    )
    assert entry.reason == "because"


@pytest.mark.parametrize("verb", VERBS)
def test_in_a_dialog_the_answer_closes_it_and_refreshes(
    table: Any, operator: Client, commands: Queue, verb: str
) -> None:
    dumps.put(table, KEY, ready(verb))
    response = operator.post(url(verb), data_for(verb), headers=HTMX)
    assert response.status_code == 204
    assert set(json.loads(response["HX-Trigger"])) == {"console:close", "console:refresh", "console:done"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_form_without_its_action_id_is_refused(
    table: Any, operator: Client, commands: Queue, verb: str
) -> None:
    dumps.put(table, KEY, ready(verb))
    with dumps.nothing_written(table):
        response = operator.post(url(verb), {**data_for(verb), "action_id": "x#image"}, headers=HTMX)
    assert response.status_code == 422
    assert "no valid action id" in response.content.decode()
    assert 'value="because"' in response.content.decode()


def test_purge_asks_for_the_id(table: Any, operator: Client) -> None:
    dumps.put(table, KEY, ready("purge"))
    with dumps.nothing_written(table):
        response = operator.post(url("purge"), sent(confirm="another"))
    assert response.status_code == 422
    assert "This is not its id" in response.content.decode()


@pytest.mark.parametrize(
    ("verb", "item", "sentence"),
    [
        ("cancel", workflow("completed"), "there is nothing to cancel"),
        ("retry", workflow("completed"), "only what failed, was cancelled, has a failed step or is stuck"),
        ("purge", workflow(expiresAt={"N": "99999999999"}), "only what is finished or expired can be purged"),
    ],
)
def test_what_the_state_forbids_has_no_form_and_is_refused(
    table: Any, operator: Client, commands: Queue, verb: str, item: Any, sentence: str
) -> None:
    dumps.put(table, KEY, item)
    page = operator.get(url(verb)).content.decode()
    assert sentence in page
    assert 'type="submit"' not in page.split("action-form", 1)[1].split("</form>")[0]
    button = operator.get(url()).content.decode()
    assert re.search(rf'aria-disabled="true"[^>]*workflow:{verb}"', button)
    assert re.search(rf'id="why-not-workflow:{verb}" popover>[^<]*{re.escape(sentence)}', button)
    with dumps.nothing_written(table):
        for headers in ({}, HTMX):
            response = operator.post(url(verb), data_for(verb), headers=headers)
            assert response.status_code == 409
            assert sentence in response.content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_gone_is_not_acted_on(table: Any, operator: Client, commands: Queue, verb: str) -> None:
    with dumps.nothing_written(table):
        assert "no workflow with this id" in operator.get(url(verb)).content.decode()
        assert operator.post(url(verb), data_for(verb)).status_code == 404
        assert operator.post(url(verb), data_for(verb), headers=HTMX).status_code == 409


@pytest.mark.parametrize("role", ["viewer", "operator", "administrator", "anonymous"])
@pytest.mark.parametrize("verb", VERBS)
def test_each_role_does_what_it_may_and_writes_nothing_else(
    table: Any, client_for: Callable[[str], Client], commands: Queue, verb: str, role: str
) -> None:
    dumps.put(table, KEY, ready(verb))
    client = client_for(role)
    if role in ("operator", "administrator"):
        assert client.get(url(verb)).status_code == 200
        assert client.post(url(verb), data_for(verb)).status_code == 302
        assert len(dumps.audit(table)) == 1
        return
    with dumps.nothing_written(table):
        for method in (client.get, client.post):
            response = method(url(verb), data_for(verb))
            if role == "anonymous":
                assert response.status_code == (302 if method == client.get else 401)
            else:
                assert response.status_code == 403
                assert f"tracking.{verb}_workflows" in response.content.decode()
    assert commands.messages() == []


def test_a_viewer_sees_the_buttons_and_why_they_are_not_for_them(
    table: Any, client_for: Callable[[str], Client]
) -> None:
    dumps.put(table, KEY, failed())
    page = client_for("viewer").get(url()).content.decode()
    assert page.count("Your role (viewer) may not do this.") >= len(VERBS)
    assert "data-opens-dialog" not in page


def test_a_double_click_is_one_retry(table: Any, operator: Client, commands: Queue) -> None:
    dumps.put(table, KEY, failed())
    data = sent(start="step:tradeMatching")
    assert [operator.post(url("retry"), data).status_code for _ in range(2)] == [302, 302]
    assert [message["fromStep"] for message in commands.messages()] == ["tradeMatching"]
    assert len(dumps.audit(table)) == 1


def test_retry_offers_every_recorded_step_with_the_first_failed_one_chosen(
    table: Any, operator: Client, commands: Queue
) -> None:
    odd = "a step\r\n\u202e<i>&/%"
    item = {**failed(), odd: step("InProgress"), "sourceStep": {"M": {"no": {"S": "status"}}}}
    del item["exceptionManagement"]
    dumps.put(table, KEY, item)
    form = visit(operator, url("retry")).root.one("select", name="start")
    options = {option.attrs["value"]: option.words for option in form.all("option")}
    assert list(options.values()) == [
        "From the start: the whole workflow",
        "From PDF adapter on (success)",
        "From Trade extraction on (SUCCESS)",
        "From Trade matching on (error)",
        "From a step… on (InProgress)",
    ]
    assert form.one("option", selected=None).words == "From Trade matching on (error)"
    assert "may ignore it" in visit(operator, url("retry")).words
    # Whatever the attribute is called, the choice comes back as it was.
    assert operator.post(url("retry"), sent(start=list(options)[-1])).status_code == 302
    assert [message["fromStep"] for message in commands.messages()] == [odd]
    dumps.put(table, "t", workflow("failed"))
    form = visit(operator, url("retry", "t")).root.one("select", name="start")
    assert form.one("option", selected=None).attrs["value"] == "whole"


def test_a_choice_made_on_an_older_state_is_refused_not_reinterpreted(
    table: Any, operator: Client, commands: Queue
) -> None:
    dumps.put(table, KEY, workflow("failed"))
    with dumps.nothing_written(table):
        assert operator.post(url("retry"), sent()).status_code == 422
        for start in ("step:elsewhere", "elsewhere", "step:", "step:~", "whole ", "STEP:pdfAdapter"):
            response = operator.post(url("retry"), sent(start=start, reason="typed"))
            assert response.status_code == 422
            assert "This step is not recorded" in response.content.decode()
            assert 'value="typed"' in response.content.decode()


def test_the_dialog_says_how_many_steps_one_change_holds(
    table: Any, operator: Client, commands: Queue
) -> None:
    plain = {"overallStatus": {"S": "processing"}, "lastUpdated": {"S": "2025-12-24T10:00:00Z"}}
    dumps.put(table, KEY, {**plain, **{f"step{number:03}": step("running") for number in range(300)}})
    for verb in ("retry", "cancel"):
        dialog = operator.get(url(verb), headers=HTMX).content.decode()
        held = re.search(
            r"(?:From the start, )?300 steps are to change, and one change of DynamoDB holds (\d+) of them",
            dialog,
        )
        assert held
        left = 300 - int(held[1])
        assert f"{left} steps keep what they say" in dialog
        document = operator.get(f"/api/workflows/{quote_key(KEY)}").json()["action_notes"]
        assert f"holds {held[1]} of them" in document[verb]
    operator.post(url("cancel"), sent())
    page = visit(operator, url())
    assert (
        page.findings["still_running"] == f"The workflow says cancelled, but {left} steps still say running."
    )
    assert f"{left} steps keep what they say" in page.words
    dumps.put(table, KEY, {**plain, **{f"step{number:03}": step("running") for number in range(300)}})
    operator.post(url("retry"), sent(start="whole"))
    page = visit(operator, url())
    left = int(re.findall(r"and (\d+) steps keep what they say", page.words)[0])
    assert (
        page.findings["still_running"]
        == f"The workflow says initializing, but {left} steps still say running."
    )
    few = {f"step{number:03}": step("running") for number in range(61)}
    dumps.put(table, "t", workflow("processing", **few))
    assert "one change of DynamoDB" not in operator.get(url("cancel", "t")).content.decode()
    # A mark sets three values of each step.
    notes = operator.get("/api/workflows/t").json()["action_notes"]
    assert list(notes) == ["fail"]
    assert notes["fail"] in visit(operator, url("fail", "t")).words
    dumps.put(table, "t", workflow("processing"))
    assert operator.get("/api/workflows/t").json()["action_notes"] == {}


def test_retry_without_its_queue_says_which_setting_is_missing(table: Any, operator: Client) -> None:
    dumps.put(table, KEY, failed())
    assert "The setting WORKFLOW_COMMANDS_QUEUE_URL is missing" in operator.get(url()).content.decode()
    with dumps.nothing_written(table):
        response = operator.post(url("retry"), sent(start="whole"))
    assert response.status_code == 409
    assert "WORKFLOW_COMMANDS_QUEUE_URL" in response.content.decode()


def test_what_is_too_large_for_a_copy_is_purged_only_when_confirmed_again(
    table: Any, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    dumps.put(table, KEY, workflow("completed"))
    assert "too large to keep a copy" in operator.get(url("purge")).content.decode()
    with dumps.nothing_written(table):
        assert operator.post(url("purge"), sent(confirm=KEY)).status_code == 422
    assert operator.post(url("purge"), sent(confirm=KEY, without_image="on")).status_code == 302
    assert dumps.item(table, KEY) is None
    page = operator.get(url())
    assert page.status_code == 404
    assert "<h2>Purged by you " in page.content.decode()
    assert "/undo/" not in page.content.decode()


def test_a_purged_workflow_says_by_whom_and_comes_back_by_undo(table: Any, operator: Client) -> None:
    before = dumps.put(table, KEY, workflow("completed"))
    operator.post(url("purge"), sent(confirm=KEY))
    page = operator.get(url())
    assert page.status_code == 404
    assert "<h2>Purged by you " in page.content.decode()
    (entry,) = dumps.audit(table)
    undo = reverse("operations:undo", args=[entry.action_id])
    assert undo in page.content.decode()
    assert operator.post(undo, sent()).status_code == 302
    assert dumps.item(table, KEY) == before
    assert operator.get(url()).status_code == 200


def test_the_page_says_what_became_of_a_cancel(table: Any, operator: Client) -> None:
    memory = workflow()
    dumps.put(table, KEY, memory)
    operator.post(url("cancel"), sent())
    page = operator.get(url())
    text = page.content.decode()
    assert 'data-fate="requested"' in text
    assert "Cancelled" in text
    # A worker may still answer: the page goes on looking although the workflow is finished.
    assert 'data-live="finished"' not in text
    dumps.put(table, KEY, later(memory))
    seen = re.search(r'X-Seen&quot;: &quot;(\w+)|"X-Seen": "(\w+)', text)
    assert seen
    refreshed = operator.get(url(), headers={**HTMX, "X-Seen": next(filter(None, seen.groups()))})
    assert refreshed.status_code == 200
    text = refreshed.content.decode()
    assert 'data-fate="overwritten"' in text
    assert "Overwritten by the worker" in text
    assert f'href="{url("cancel")}"' in text


def test_the_audit_tab_has_what_was_done_to_it(table: Any, operator: Client) -> None:
    dumps.put(table, KEY, workflow())
    assert "No actions on this item." in operator.get(f"{url()}?tab=audit").content.decode()
    operator.post(url("cancel"), sent(reason="<i>why</i>"))
    page = operator.get(f"{url()}?tab=audit").content.decode()
    assert "Workflow cancelled" in page
    assert "&lt;i&gt;why&lt;/i&gt;" in page


def test_the_page_works_without_the_audit_table(table: Any, operator: Client) -> None:
    from opsportal.dynamo import clients, tables
    from opsportal.operations.tables import AUDIT

    dumps.put(table, KEY, workflow())
    audit = tables.internal_table(AUDIT, table)
    clients.client(*audit.location).delete_table(TableName=audit.name)
    page = operator.get(url())
    assert page.status_code == 200
    assert "The audit trail can&#x27;t be read" in page.content.decode()
    assert operator.post(url("cancel"), sent()).status_code == 503
    assert (dumps.item(table, KEY) or {})["overallStatus"] == {"S": "processing"}


def test_a_cancelled_workflow_shows_who_and_a_stopped_step_ends_with_it(table: Any, operator: Client) -> None:
    now = datetime.now(UTC).isoformat()
    dumps.put(table, KEY, workflow(tradeMatching=step("in-progress", startedAt={"S": now})))
    operator.post(url("cancel"), sent())
    page = operator.get(url()).content.decode()
    assert "by <bdi>operator</bdi>" in page
    assert "stopped" in page
    assert 'data-finding="still_running"' not in page
