"""The pages of the actions on agents: forms, dialogs, refusals, and who may do what."""

import json
import re
import uuid
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsportal.operations import images
from registry.forms import wrong_with
from registry.profile import FIELDS
from tests import dumps
from tests.dynamo import typed
from tests.registry.test_actions import agent, beat, operational
from tests.shapes import examples

pytestmark = pytest.mark.no_moto  # of pages: see tests/engines.py

KEY = "an agent/with ünusual\u202e <b>parts</b>"
HTMX = {"HX-Request": "true"}
DECLARED = ("activate", "deactivate")
VERBS = ("edit", *DECLARED, "purge")
SCRIPT = "<script>alert(1)</script>"


class Fields(HTMLParser):
    """What a browser would send back of the action's form, untouched."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._open = ""
        self.feed("<form>" + html.split('class="action-form', 1)[1].split(">", 1)[1].split("</form>")[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "input" and given.get("type") != "checkbox":
            self.values[name] = re.sub(r"[\r\n]", "", given.get("value") or "")
        if tag == "textarea":
            self._open, self.values[name] = name, ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.values[self._open] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            # A browser drops the first line break and spells the others in the network's way.
            text = self.values[self._open].removeprefix("\r").removeprefix("\n")
            self.values[self._open] = (
                text.replace("\r\n", "\n").replace("\n", "\r\n").replace("\x00", "\ufffd")
            )
            self._open = ""


def form_of(client: Client, address: str) -> dict[str, str]:
    return Fields(client.get(address).content.decode()).values


@pytest.fixture
def table(tables: dict[str, Any], client_for: Any) -> Any:
    return tables["agents"]


@pytest.fixture
def operator(client_for: Callable[[str], Client]) -> Client:
    return client_for("operator")


def url(verb: str = "item", key: str = KEY) -> str:
    return reverse(f"registry:{verb}", args=[key])


REGISTER = "/agents/register/"


def sent(**others: str) -> dict[str, str]:
    return {"action_id": str(uuid.uuid4()), "reason": "because", **others}


def new(**others: str) -> dict[str, str]:
    given = {
        "agent_id": KEY,
        "name": "New",
        "endpoint": "https://new.example.com/agent",
        "capabilities": "b\r\na\r\n",
        "type": "dynamic",
    }
    return sent(**{**given, **others})


def ready(verb: str) -> dict[str, Any]:
    return agent(status={"S": "inactive" if verb in ("activate", "purge") else "active"})


def data_for(client: Client, verb: str) -> dict[str, str]:
    if verb == "edit":
        return {**form_of(client, url("edit")), "name": "Better", "reason": "because"}
    return sent(confirm=KEY) if verb == "purge" else sent()


# --- Register ----------------------------------------------------------------------------------------


def test_register_leads_to_the_page_of_the_new_agent(table: Any, operator: Client) -> None:
    assert form_of(operator, REGISTER)["type"] == "dynamic"
    response = operator.post(REGISTER, new(), follow=True)
    assert response.redirect_chain == [(url(), 302)]
    assert "Registered." in response.content.decode()
    after = dumps.item(table, KEY) or {}
    assert sorted(after["capabilities"]["SS"]) == ["a", "b"]
    (entry,) = dumps.audit(table)
    assert (entry.action.value, entry.actor.role, entry.reason) == ("agent:register", "operator", "because")


def test_register_twice_by_a_double_click_is_one_agent(table: Any, operator: Client) -> None:
    data = new()
    assert [operator.post(REGISTER, data).status_code for _ in range(2)] == [302, 302]
    assert len(dumps.audit(table)) == 1


def test_register_of_an_id_that_is_taken_keeps_what_was_typed(table: Any, operator: Client) -> None:
    dumps.put(table, KEY, agent())
    with dumps.nothing_written(table):
        response = operator.post(REGISTER, new(name="Typed"))
    assert response.status_code == 409
    page = response.content.decode()
    assert "There is an agent with this id already." in page
    assert 'value="Typed"' in page


@pytest.mark.parametrize(
    ("field", "given", "sentence"),
    [
        ("agent_id", "", "This field is required"),
        ("agent_id", "x" * 2049, "at most 2,048"),
        ("agent_id", "é" * 1025, "2,050 bytes"),
        ("agent_id", "a\x1bb", "control characters"),
        ("name", "", "needs a name"),
        ("name", "x" * 201, "at most 200"),
        ("name", "a\x1bb", "control characters"),
        ("endpoint", "", "needs an endpoint"),
        ("endpoint", "ftp://example.com", "not an http or https URL"),
        ("endpoint", "javascript:alert(1)", "not an http or https URL"),
        ("endpoint", "https://", "not an http or https URL"),
        ("endpoint", "https://exa mple.com", "not an http or https URL"),
        ("endpoint", "https://example.com:99999", "not an http or https URL"),
        ("endpoint", "https://[::1", "not an http or https URL"),
        ("endpoint", "https://user:secret@example.com", "Leave out user and password"),
        ("capabilities", " \n ", "at least one capability"),
        ("capabilities", "x" * 201, "A line has 201 characters"),
        ("capabilities", "\n".join(map(str, range(101))), "101 lines"),
        ("pricing", "{", "It is not valid JSON"),
        ("pricing", "[1]", "must be a JSON object"),
        ("pricing", '{"a": NaN}', "NaN is not valid JSON"),
        ("pricing", '{"a": 1, "a": 2}', "occurs twice in one object"),
        ("pricing", '{"a": 1e400}', "out of range"),
        ("pricing", '{"a": 1' + "0" * 60 + "1}", "a number has at most 38 digits"),
        ("pricing", '{"": 1}', "A name in it is empty"),
        ("pricing", '{"a":' * 30 + "1" + "}" * 30, "nested in more than 20 levels"),
        ("pricing", '{"a":' + "[" * 4_900 + "]" * 4_900 + "}", "nested in more than 20 levels"),
        ("pricing", '{"a":' * 9_000 + "1" + "}" * 9_000, "at most 10,000"),
        ("pricing", '{"a": "\\ud800"}', "half of a character"),
        ("tiered_pricing", "free", "It is not valid JSON"),
        ("service_availability", '"x"', "must be a JSON object"),
        ("description", "x" * 4001, "at most 4,000"),
    ],
)
def test_a_value_out_of_bounds_is_an_error_of_its_field(
    table: Any, operator: Client, field: str, given: str, sentence: str
) -> None:
    with dumps.nothing_written(table):
        response = operator.post(REGISTER, new(**{field: given}))
    assert response.status_code == 422
    page = response.content.decode()
    error = page.split(f'id="id_{field}_error"', 1)[1].split("</div>")[0]
    assert sentence in error


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8000",
        "https://agents",
        "http://10.0.0.7:80/x?y=z#w",
        "https://[::1]:8443/",
        "HTTPS://A.example",
    ],
)
def test_endpoints_inside_a_network_are_taken(address: str) -> None:
    assert wrong_with(FIELDS["endpoint"], address) == ""


def test_an_agent_named_like_the_page_has_its_own(table: Any, operator: Client) -> None:
    response = operator.post(REGISTER, new(agent_id="register"), follow=True)
    assert response.status_code == 200
    assert response.redirect_chain[0][0] == "/agents/~72egister/"
    assert "New" in response.content.decode()


def test_the_list_offers_to_register_to_those_who_may(
    table: Any, client_for: Callable[[str], Client]
) -> None:
    assert f'href="{REGISTER}"' in client_for("operator").get("/agents/").content.decode()
    page = client_for("viewer").get("/agents/").content.decode()
    assert f'href="{REGISTER}"' not in page
    assert 'id="why-not-agent:register" popover>Your role' in page
    assert "Your role (viewer) may not do this." in page


# --- Edit --------------------------------------------------------------------------------------------


def test_edit_sends_only_what_was_changed(table: Any, operator: Client) -> None:
    before = dumps.put(table, KEY, agent(description={"S": "two\nlines, and more than the bound" * 500}))
    data = form_of(operator, url("edit"))
    assert data["capabilities"] == "benchmark_analysis\r\nfitness_analysis"
    assert operator.post(url("edit"), {**data, "role": "coach"}).status_code == 302
    after = dumps.item(table, KEY) or {}
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} <= {
        "role", "updatedAt", "capabilities",  # a set comes in any order
    }  # fmt: skip
    assert after["role"] == {"S": "coach"}


def test_edit_keeps_space_that_filters_compare(table: Any, operator: Client) -> None:
    odd = [{"S": "deep  dive "}, {"S": " a"}, {"S": "two\nlines"}]
    for members in ({"L": odd}, {"SS": [one["S"] for one in odd]}):
        dumps.put(table, KEY, agent(capabilities=members, role={"S": "x"}))
        data = form_of(operator, url("edit"))
        assert sorted(data["capabilities"].split("\r\n")) == [" a", "deep  dive "]
        changed = {**data, "capabilities": f"{data['capabilities']}\r\nnew ", "role": "coach "}
        assert operator.post(url("edit"), changed).status_code == 302
        after = dumps.item(table, KEY) or {}
        texts = after["capabilities"].get("SS") or [one["S"] for one in after["capabilities"]["L"]]
        assert sorted(texts) == [" a", "deep  dive ", "new ", "two\nlines"]
        assert after["role"] == {"S": "coach "}


ODD: tuple[dict[str, Any], ...] = (
    agent(),
    operational(),
    {},
    agent(name={"S": "a\x00b\r\n c \ufffd"}, description={"S": "\n\n x \r\n\ty\x1b "}, pricing={"S": "free\r\n"}),
    agent(capabilities={"L": [{"S": " a "}, {"M": {}}, {"S": ""}, {"NULL": True}, {"S": "b\nc"}]}, tags={"NS": ["1", "2.5"]}),
    agent(pricing={"M": {"a": {"NS": ["1", "2"]}, "b": {"N": "1E+30"}}}, tieredPricing={"L": []}, emoji={"B": b"\xff"}),
    {name: {"M": typed.EVERY_TYPE} for field in FIELDS.values() for name in field.attributes[:1]},
    {name: {"L": list(typed.EVERY_TYPE.values())} for field in FIELDS.values() for name in field.attributes[:1]},
    {field.attributes[0]: {"S": SCRIPT * 900} for field in FIELDS.values()},
    agent(pricing={"S": '{"a": NaN, "b": [1e400, "\\ud800"], "c": 0.10}'}, serviceAvailability={"S": "[1, 2"}),
)  # fmt: skip


@pytest.mark.parametrize("item", ODD)
def test_a_form_sent_back_untouched_changes_nothing(table: Any, operator: Client, item: Any) -> None:
    dumps.put(table, KEY, item)
    page = operator.get(url("edit")).content.decode()
    assert SCRIPT not in page
    with dumps.nothing_written(table):
        response = operator.post(url("edit"), Fields(page).values)
    assert response.status_code == 422
    assert "Nothing was changed." in response.content.decode()


@settings(
    deadline=None,
    max_examples=examples(15),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_whatever_an_item_holds_its_form_opens_and_comes_back_unchanged(
    client_for: Callable[[str], Client], data: Any
) -> None:
    from registry.forms import EditForm

    names = [name for field in FIELDS.values() for name in field.attributes]
    raw = data.draw(st.dictionaries(st.sampled_from(names), typed.values))
    page = f'<form class="action-form">{"".join(map(str, EditForm(raw=raw)))}</form>'
    sent_back = EditForm({**Fields(page).values, "action_id": str(uuid.uuid4())}, raw=raw)
    assert not sent_back.is_valid()
    assert sent_back.errors == {"__all__": ["Nothing was changed."]}


def test_edit_of_a_value_that_is_no_text_says_what_it_replaces(table: Any, operator: Client) -> None:
    dumps.put(table, KEY, agent(name={"M": {"first": {"S": "x\u200b\u202e"}}}))
    page = operator.get(url("edit")).content.decode()
    assert "not as documented; what you write here replaces it." in page
    assert "x\u27e6U+200B\u27e7\u27e6U+202E\u27e7" in page
    data = {**Fields(page).values, "name": "Plain"}
    assert operator.post(url("edit"), data).status_code == 302
    assert (dumps.item(table, KEY) or {})["name"] == {"S": "Plain"}


@pytest.mark.parametrize("drawn", ["", "{", "[]", "{}", '{"name": 1}', "[" * 5000])
def test_edit_without_what_it_was_drawn_from_is_refused(table: Any, operator: Client, drawn: str) -> None:
    dumps.put(table, KEY, agent())
    data = {**form_of(operator, url("edit")), "name": "x", "drawn": drawn}
    with dumps.nothing_written(table):
        response = operator.post(url("edit"), data)
    assert response.status_code == 422
    assert "Reload the page" in response.content.decode()


def test_two_operators_who_edit_one_field_the_second_sees_what_it_is_now(
    table: Any, client_for: Callable[[str], Client]
) -> None:
    dumps.put(table, KEY, agent())
    operator, administrator = client_for("operator"), client_for("administrator")
    first, second = form_of(operator, url("edit")), form_of(administrator, url("edit"))
    assert operator.post(url("edit"), {**first, "name": "Theirs", "role": "r"}).status_code == 302
    with dumps.nothing_written(table):
        response = administrator.post(url("edit"), {**second, "name": "Mine"})
    assert response.status_code == 409
    assert "Name was changed meanwhile; it is now: Theirs" in response.content.decode()
    assert 'value="Mine"' in response.content.decode()
    assert administrator.post(url("edit"), {**second, "location": "north"}).status_code == 302
    after = dumps.item(table, KEY) or {}
    assert (after["name"], after["location"]) == ({"S": "Theirs"}, {"S": "north"})


def test_an_edit_is_undone_on_the_page_of_its_entry(table: Any, operator: Client) -> None:
    dumps.put(table, KEY, agent())
    operator.post(url("edit"), data_for(operator, "edit"))
    (entry,) = dumps.audit(table)
    page = operator.get(reverse("operations:entry", args=[entry.action_id])).content.decode()
    assert "Coach" in page
    assert "Better" in page
    undo = reverse("operations:undo", args=[entry.action_id])
    assert undo in page
    assert operator.post(undo, sent()).status_code == 302
    assert (dumps.item(table, KEY) or {})["name"] == {"S": "Coach"}
    assert (
        "It was undone already."
        in operator.get(reverse("operations:entry", args=[entry.action_id])).content.decode()
    )


def test_undo_of_an_edit_needs_the_permission_to_edit(
    table: Any, client_for: Callable[[str], Client]
) -> None:
    operator = client_for("operator")
    dumps.put(table, KEY, agent())
    operator.post(url("edit"), data_for(operator, "edit"))
    (entry,) = dumps.audit(table)
    with dumps.nothing_written(table):
        response = client_for("viewer").post(reverse("operations:undo", args=[entry.action_id]), sent())
    assert response.status_code == 403
    assert "registry.edit_agents" in response.content.decode()


def test_an_edit_too_large_for_a_copy_asks_once_more(
    table: Any, operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    dumps.put(table, KEY, agent())
    data = data_for(operator, "edit")
    with dumps.nothing_written(table):
        assert operator.post(url("edit"), data).status_code == 422
    assert operator.post(url("edit"), {**data, "without_image": "on"}).status_code == 302


# --- All of them -------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_the_form_is_a_page_and_a_dialog(table: Any, operator: Client, verb: str) -> None:
    dumps.put(table, KEY, ready(verb))
    with dumps.nothing_written(table):
        page, fragment = operator.get(url(verb)), operator.get(url(verb), headers=HTMX)
    assert page.status_code == fragment.status_code == 200
    assert b"<html" in page.content
    assert b"<html" not in fragment.content
    assert b"hx-post" in fragment.content
    assert b"<b>parts</b>" not in page.content


@pytest.mark.parametrize("verb", VERBS)
def test_without_scripts_the_form_leads_back_to_the_item(table: Any, operator: Client, verb: str) -> None:
    dumps.put(table, KEY, ready(verb))
    response = operator.post(url(verb), data_for(operator, verb), follow=True)
    assert response.redirect_chain == [(url(), 302)]
    said = {"activate": "Activated.", "deactivate": "Deactivated.", "edit": "Edited.", "purge": "Purged."}[
        verb
    ]
    assert said in response.content.decode()
    (entry,) = dumps.audit(table)
    assert (entry.action.value, entry.actor.role, entry.reason) == (f"agent:{verb}", "operator", "because")


@pytest.mark.parametrize("verb", VERBS)
def test_in_a_dialog_the_answer_closes_it_and_refreshes(table: Any, operator: Client, verb: str) -> None:
    dumps.put(table, KEY, ready(verb))
    response = operator.post(url(verb), data_for(operator, verb), headers=HTMX)
    assert response.status_code == 204
    assert set(json.loads(response["HX-Trigger"])) == {"console:close", "console:refresh", "console:done"}


@pytest.mark.parametrize(
    ("verb", "item", "sentence"),
    [
        ("activate", agent(), "It is active already"),
        ("deactivate", agent(status={"S": "inactive"}), "It is inactive already"),
        ("purge", agent(), "only an inactive agent can be purged"),
    ],
)
def test_what_the_state_forbids_has_no_form_and_is_refused(
    table: Any, operator: Client, verb: str, item: Any, sentence: str
) -> None:
    dumps.put(table, KEY, item)
    assert sentence in operator.get(url(verb)).content.decode()
    page = operator.get(url()).content.decode()
    assert re.search(rf'aria-disabled="true"[^>]*agent:{verb}"', page)
    assert re.search(rf'id="why-not-agent:{verb}" popover>[^<]*{sentence}', page)
    with dumps.nothing_written(table):
        for headers in ({}, HTMX):
            response = operator.post(url(verb), data_for(operator, verb), headers=headers)
            assert response.status_code == 409
            assert sentence in response.content.decode()


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_gone_is_not_acted_on(table: Any, operator: Client, verb: str) -> None:
    dumps.put(table, KEY, ready(verb))
    data = data_for(operator, verb)
    from opsportal.dynamo import clients

    clients.client(*table.location).delete_item(TableName=table.name, Key={table.key: {"S": KEY}})
    with dumps.nothing_written(table):
        assert "no agent with this id" in operator.get(url(verb)).content.decode()
        assert operator.post(url(verb), data).status_code == 404
        assert operator.post(url(verb), data, headers=HTMX).status_code == 409


@pytest.mark.parametrize("role", ["viewer", "operator", "administrator", "anonymous"])
@pytest.mark.parametrize("verb", ["register", *VERBS])
def test_each_role_does_what_it_may_and_writes_nothing_else(
    table: Any, client_for: Callable[[str], Client], verb: str, role: str
) -> None:
    address = REGISTER if verb == "register" else url(verb)
    if verb != "register":
        dumps.put(table, KEY, ready(verb))
    data = new() if verb == "register" else data_for(client_for("operator"), verb)
    client = client_for(role)
    if role in ("operator", "administrator"):
        assert client.get(address).status_code == 200
        assert client.post(address, data).status_code == 302
        assert len(dumps.audit(table)) == 1
        return
    permission = f"registry.{'activate' if verb in DECLARED else verb}_agents"
    with dumps.nothing_written(table):
        for method in (client.get, client.post):
            response = method(address, data)
            assert response.status_code == (
                403 if role != "anonymous" else 302 if method == client.get else 401
            )
            assert role == "anonymous" or permission in response.content.decode()


def test_a_viewer_sees_the_buttons_and_why_they_are_not_for_them(
    table: Any, client_for: Callable[[str], Client]
) -> None:
    dumps.put(table, KEY, agent())
    page = client_for("viewer").get(url()).content.decode()
    assert page.count("Your role (viewer) may not do this.") >= len(VERBS)
    assert "data-opens-dialog" not in page


def test_purge_asks_for_the_id_and_the_gone_page_says_who_did_it(table: Any, operator: Client) -> None:
    before = dumps.put(table, KEY, ready("purge"))
    with dumps.nothing_written(table):
        assert operator.post(url("purge"), sent(confirm="another")).status_code == 422
    assert operator.post(url("purge"), sent(confirm=KEY)).status_code == 302
    page = operator.get(url())
    assert page.status_code == 404
    assert "<h2>Purged by you " in page.content.decode()
    (entry,) = dumps.audit(table)
    assert operator.post(reverse("operations:undo", args=[entry.action_id]), sent()).status_code == 302
    assert set(dumps.item(table, KEY) or {}) == set(before)


def test_the_page_says_when_a_heartbeat_overwrote_a_deactivation(table: Any, operator: Client) -> None:
    memory = dumps.put(table, KEY, agent())
    operator.post(url("deactivate"), sent())
    assert 'data-fate="requested"' in operator.get(url()).content.decode()
    fresh = beat(table, memory)
    dumps.put(table, KEY, fresh)
    page = operator.get(url()).content.decode()
    assert "Overwritten by another program" in page
    assert f'href="{url("deactivate")}"' in page
    assert "Agent deactivated" in operator.get(f"{url()}?tab=audit").content.decode()
