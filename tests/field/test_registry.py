"""Agents that the console registers, as registry C and the readers of operational registries see them."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client

from opsportal.dynamo import clients
from opsportal.dynamo.errors import Throttled
from registry import dialects
from tests.factories import MISSING, agent, ago, put, raw, zulu
from tests.field.registry_c import RegistryC
from tests.operations.places import get
from tests.pages import Page, visit

PROFILE = {
    "id": "coach",
    "name": "Coach",
    "endpoint": "https://coach.example.com",
    "capabilities": ["fitness_analysis"],
}


@pytest.fixture
def table(tables: dict[str, Any]) -> Any:
    return tables["agents"]


@pytest.fixture
def registry_c(table: Any) -> RegistryC:
    return RegistryC(clients.client(*table.location, background=True), table.name)


@pytest.fixture
def client(client_for: Callable[[str], Client]) -> Client:
    return client_for("operator")


def post(client: Client, path: str, body: Any, status: int = 201) -> Any:
    answer = client.post(f"/api/agents/{path}", json.dumps(body), content_type="application/json")
    document = json.loads(answer.content)
    assert answer.status_code == status, document
    return document


def register(client: Client, agent_id: str, status: int = 201, **more: Any) -> Any:
    return post(client, "register", {"profile": {**PROFILE, "id": agent_id, **more}}, status)


def ids(client: Client, query: str) -> list[str]:
    return [one["id"] for one in client.get(f"/api/agents?{query}").json()["agents"]]


def test_each_finds_what_the_other_registered(client: Client, table: Any, registry_c: RegistryC) -> None:
    """Also by reputation, of which a new agent has 50, written or not."""
    registry_c.register({**PROFILE, "id": "theirs"})
    answer = register(client, "ours")["agent"]
    put(table, agent("old", capabilities=["fitness_analysis"], reputationScore=MISSING, successRate=0))
    del registry_c.agents["theirs"]
    registry_c.cold_start()
    (_, body) = registry_c.discover("fitness_analysis", 50)
    assert {one["id"] for one in body["agents"]} == {"theirs", "ours", "old"}
    assert set(ids(client, "capability=fitness_analysis&minReputation=50")) == {"theirs", "ours", "old"}
    assert ids(client, "minReputation=50.1") == []
    (_, body) = registry_c.register({**PROFILE, "id": "again"})
    assert {*answer} >= {*body["agent"]} - {"successRate"}
    assert (answer["type"], answer["reputationScore"]) == ("dynamic", 50)
    assert answer["registeredAt"] == answer["lastHeartbeat"]
    # Registered again it keeps what the registry knows of it.
    item = get(table, "ours")
    assert item is not None
    item |= raw({"reputationScore": 80, "registeredAt": 1_700_000_000_000, "type": "core"})
    put(table, item)
    again = register(client, "ours")["agent"]
    assert [again[name] for name in ("type", "registeredAt", "reputationScore")] == [
        "core",
        1_700_000_000_000,
        80,
    ]
    beat = post(client, "heartbeat", {"id": "ours"}, 200)
    assert {*beat} >= {*registry_c.heartbeat("theirs")[1]}
    assert beat["type"] == "core"


def test_pages_say_what_is_a_default_and_what_nobody_declared(client: Client, table: Any) -> None:
    register(client, "ours")
    put(
        table,
        agent("none", reputationScore=MISSING, successRate=0),
        agent("zero", reputationScore=0, successRate=0, error_rate=1),
        agent("good", reputationScore=87, successRate=Decimal("0.9")),
    )
    facts = {}
    for one in ("ours", "none", "zero", "good"):
        page = visit(client, f"/agents/{one}/")
        words = page.root.one("dl", id="summary").words
        facts[one] = re.findall(r"Reputation (.*?) Success (.*?) Type", words)[0]
        assert ("Errors 100" in page.words) == (one == "zero")
    assert facts == {
        "ours": ("50 (default)", "not declared"),
        "none": ("50 (default)", "not declared"),
        "zero": ("0", "0.0 %"),
        "good": ("87", "90.0 %"),
    }
    rows = visit(client, "/agents/").root.one("div", id="rows").words
    assert rows.count("50 (default)") == 2
    assert rows.count("not declared") == 2


def operational(agent_id: str, *, key: str = "agentId", **values: Any) -> Any:
    """As an operational registry has its agents."""
    return raw(
        {
            key: agent_id,
            "agent_name": agent_id,
            "agent_type": "pdf_adapter",
            "deployment_status": "ACTIVE",
            "endpoint": "https://agent.example.com",
            "tools": ["extract_text", "ocr"],
            "last_heartbeat": ago(seconds=5).isoformat(),
            "instance_ref": f"inst-{hash(agent_id) % 10**8:08}",
            "region": "planted",
            "token": "planted",
            **values,
        }
    )


def forget() -> None:
    for cache in caches.all():
        cache.clear()


def test_an_agent_is_registered_in_the_layout_of_its_registry(client: Client, table: Any) -> None:
    """80 % of those that the console did not register; else the documented one. Its readers see it alive."""
    register(client, "documented")
    for number in range(4):
        put(table, operational(f"op-{number}"))
    forget()
    # Four of four: the fifth is the console's own, and does not count.
    register(client, "ours")
    item = get(table, "ours")
    assert item is not None
    assert {*item} == {
        "agentId", "agent_name", "agent_type", "deployment_status", "endpoint", "tools", "last_heartbeat",
    }  # fmt: skip
    assert item["tools"] == {"L": [{"S": "fitness_analysis"}]}
    assert item["deployment_status"] == {"S": "ACTIVE"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", item["last_heartbeat"]["S"])
    post(client, "heartbeat", {"id": "ours"}, 200)
    after = get(table, "ours")
    assert after is not None
    assert after["last_heartbeat"]["S"] > item["last_heartbeat"]["S"]
    assert {*after} == {*item}
    assert "ours" in ids(client, "capability=fitness_analysis")
    # One of five more has the documented layout: still 80 %. With two it is not.
    put(table, agent("theirs-1"))
    forget()
    register(client, "ours-2")
    assert "deployment_status" in (get(table, "ours-2") or {})
    put(table, agent("theirs-2"))
    forget()
    register(client, "ours-3")
    assert "deployment_status" not in (get(table, "ours-3") or {})


def test_the_documented_names_are_written_as_the_registry_types_them(client: Client, table: Any) -> None:
    """Stamps as text and capabilities as a list, where its agents have them so; else as documented."""
    stamp = ago(seconds=5).isoformat()
    for number in range(5):
        values = {
            "lastHeartbeat": stamp,
            "registeredAt": stamp,
            "updatedAt": MISSING,
            "capabilities": ["ocr"],
        }
        put(table, agent(f"theirs-{number}", **values))
    register(client, "ours")
    item = get(table, "ours") or {}
    assert item["capabilities"] == {"L": [{"S": "fitness_analysis"}]}
    for name in ("lastHeartbeat", "registeredAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", item[name]["S"])
    assert item["reputationScore"] == {"N": "50"}
    assert item["status"] == {"S": "active"}


def test_ids_are_made_new_and_no_value_is_copied(client: Client, table: Any) -> None:
    put(table, *(operational(f"op-{number}", secret_region="planted") for number in range(6)))
    made = []
    for one in ("a", "b"):
        register(client, one)
        item = get(table, one)
        assert item is not None
        made.append(item["instance_ref"]["S"])
        assert re.fullmatch(r"inst-\d{8}", made[-1])
        assert "planted" not in json.dumps(item)
    theirs = [(get(table, f"op-{number}") or {})["instance_ref"]["S"] for number in range(6)]
    assert len({*made, *theirs}) == 8


def test_tools_are_read_as_capabilities_in_that_layout_alone(client: Client, table: Any) -> None:
    put(
        table,
        operational("texts"),
        operational("maps", tools=[{"name": "ocr", "version": 2}, {"x": 1}, 5, None]),
        operational("both", capabilities=["own"]),
        operational("odd", tools="ocr"),
        agent("documented", capabilities=["own"], tools=["ocr"]),
    )
    assert set(ids(client, "capability=ocr")) == {"texts", "maps"}
    assert set(ids(client, "capability=own")) == {"both", "documented"}
    assert "extract_text" in visit(client, "/agents/texts/").words


FILE = """
status = "deployment_status"
active = "active"
capabilities = "tools"
timestamps = "1767973389"
[attributes.region]
required = true
[attributes.instance_ref]
made = "uuid"
prefix = "inst-"
"""


def test_the_setting_names_the_layout(client: Client, table: Any, settings: Any, tmp_path: Any) -> None:
    put(table, *(operational(f"op-{number}") for number in range(5)))
    settings.AGENT_DIALECT = "documented"
    register(client, "plain")
    assert "lastHeartbeat" in (get(table, "plain") or {})
    path = tmp_path / "agents.toml"
    path.write_text(FILE)
    settings.AGENT_DIALECT = str(path)
    refused = register(client, "filed", 422)
    assert [one["pointer"] for one in refused["errors"]] == ["/profile/region"]
    register(client, "filed", region="eu")
    item = get(table, "filed")
    assert item is not None
    assert item["deployment_status"] == {"S": "active"}
    assert item["region"] == {"S": "eu"}
    assert item["tools"] == {"L": [{"S": "fitness_analysis"}]}
    assert re.fullmatch(r"\d{10}", item["last_heartbeat"]["N"])
    assert item["instance_ref"]["S"].startswith("inst-")


def test_the_registration_form_writes_in_the_layout_too(client: Client, table: Any) -> None:
    put(table, *(operational(f"op-{number}", last_heartbeat=zulu(ago(seconds=5))) for number in range(5)))
    sent = {
        "agent_id": "formed",
        "name": "Formed",
        "endpoint": "https://f.example.com",
        "capabilities": "ocr",
    }
    page = visit(client, "/agents/register/")
    sent["action_id"] = page.root.one("input", name="action_id").attrs["value"]
    assert client.post("/agents/register/", sent).status_code == 302
    item = get(table, "formed")
    assert item is not None
    assert {*item} == {"agentId", "agent_name", "deployment_status", "endpoint", "tools", "instance_ref"}
    post(client, "heartbeat", {"id": "formed"}, 200)
    assert (get(table, "formed") or {})["last_heartbeat"]["S"].endswith("Z")
    assert dialects.current().items == 5


FORM = "/agents/register/"
LEARNED = "agentId, deployment_status, agent_name, agent_type, tools, last_heartbeat, instance_ref"


def typed_in(page: Page, **values: str) -> dict[str, str]:
    """What a browser would send of the form, with these fields filled in."""
    form = page.root.one("form", class_="action-form")
    fields = [node for node in form.all("") if node.tag in ("input", "textarea", "select")]
    sent = {node.attrs["name"]: node.attrs.get("value", node.text.strip()) for node in fields}
    for select in form.all("select"):
        chosen = select.all("option", selected=None)
        sent[select.attrs["name"]] = chosen[0].attrs["value"] if chosen else ""
    sent |= {
        "agent_id": "formed",
        "name": "Formed",
        "endpoint": "https://f.example.com",
        "capabilities": "ocr",
    }
    assert {*values} <= {*sent}
    del sent["csrfmiddlewaretoken"]
    return sent | values


def test_the_registration_form_names_the_layout_and_asks_for_what_the_agents_have(
    client: Client, table: Any, settings: Any, tmp_path: Any
) -> None:
    assert "It is written as documented, since this registry has no other agent" in visit(client, FORM).words
    put(table, *(operational(f"op-{n}", owner='planted" <b>', spare=n, live=True) for n in range(6)))
    forget()
    page = visit(client, FORM)
    assert f"It is written like the 6 newest agents of this registry: {LEARNED}." in page.words
    assert 'For example planted" <b>' in page.words
    asked = [node.attrs["name"] for node in page.root.all("input") if "extra-" in node.attrs.get("name", "")]
    assert asked == ["extra-S-owner", "extra-S-region", "extra-N-spare"], (
        "empty, and none for what is made new"
    )
    sent = typed_in(page, **{"extra-S-owner": "team-a", "extra-N-spare": "much", "extra-BOOL-live": "true"})
    assert sent["extra-S-region"] == ""
    refused = Page(client.post(FORM, sent), FORM)
    assert refused.status == 422
    assert refused.root.one("div", id="id_extra-N-spare_error").words == "A number is needed."
    again = typed_in(refused, **{"extra-N-spare": "12.50"})
    assert [*{**again, "extra-N-spare": "much"}.items()] == [*sent.items()], (
        "nothing typed is lost, nor its place"
    )
    # Its form goes on in another layout only when the person has seen it.
    put(table, *(agent(f"theirs-{n}") for n in range(9)))
    forget()
    other = Page(client.post(FORM, again), FORM)
    assert (other.status, get(table, "formed")) == (422, None)
    assert "agents has changed since the page was opened" in other.words
    assert "written as documented, since this registry's agents do not agree on a layout" in other.words
    seen = typed_in(other)
    assert {**seen, "dialect": "", "extra-S-region": ""} == {**again, "dialect": ""}
    assert client.post(FORM, seen).status_code == 302
    item = get(table, "formed") or {}
    extra = {"owner": {"S": "team-a"}, "spare": {"N": "12.50"}, "live": {"BOOL": True}}
    assert {name: item.get(name) for name in extra} == {**extra, "spare": item["spare"]}
    assert float(item["spare"]["N"]) == 12.5
    assert not {"region", "token", "deployment_status"} & {*item}
    # What the setting requires is refused without, by a sentence at its field.
    path = tmp_path / "agents.toml"
    path.write_text(FILE)
    settings.AGENT_DIALECT = str(path)
    page = visit(client, FORM)
    assert "It is written as the file of AGENT_DIALECT says: agentId, deployment_status" in page.words
    filed = typed_in(page, agent_id="filed", description="typed")
    refused = Page(client.post(FORM, filed), FORM)
    assert (refused.status, get(table, "filed")) == (422, None)
    assert "This is needed" in refused.root.one("div", id="id_extra-S-region_error").words
    assert typed_in(refused, agent_id="filed") == filed
    assert (
        client.post(FORM, typed_in(refused, agent_id="filed", **{"extra-S-region": "eu"})).status_code == 302
    )
    assert (get(table, "filed") or {})["region"] == {"S": "eu"}
    # No forged field writes what is the registry's or the console's own.
    forged = {
        **typed_in(visit(client, FORM)),
        "agent_id": "forged",
        "extra-S-region": "eu",
        "extra-N-reputationScore": "99",
        "extra-S-status": "x",
    }
    assert client.post(FORM, forged).status_code == 302
    item = get(table, "forged") or {}
    assert not {"reputationScore", "status"} & {*item}


def test_while_the_registry_can_not_be_read_nothing_is_registered_and_nothing_typed_is_lost(
    client: Client, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(table, *(operational(f"op-{n}") for n in range(6)))
    sent = typed_in(visit(client, FORM), **{"extra-S-region": "eu"})

    def throttled() -> None:
        raise Throttled("agents", "Scan")

    monkeypatch.setattr(dialects, "current", throttled)
    page = Page(client.post(FORM, sent), FORM)
    assert (page.status, get(table, "formed")) == (503, None)
    assert "How this registry's agents are written could not be read" in page.words
    assert typed_in(page) == sent
