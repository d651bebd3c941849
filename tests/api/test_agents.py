"""Agents of the discovery service speak to the console as they do to theirs (docs/data.md#registry-items)."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from opsportal.dynamo import clients
from opsportal.operations.outcomes import Conflict, Refused
from registry import action_views, discovery, registration, versions
from tests.api.conftest import Program
from tests.dynamo.calls import calls_on
from tests.dynamo.typed import EVERY_TYPE
from tests.operations.places import actor, dump, get, put, trail
from tests.registry.test_actions import BY, MS, agent, new_id, operational
from tests.trouble import denied, kinds, trouble

REGISTER, HEARTBEAT = "/api/agents/register", "/api/agents/heartbeat"
PROFILE: dict[str, Any] = {
    "id": "persist-test-001",
    "name": "Persistence Test",
    "endpoint": "https://test.com",
    "capabilities": ["fitness_analysis"],
}


@pytest.fixture
def table(tables: Any) -> Any:
    return tables["agents"]


@pytest.fixture
def caller(table: Any, program: Any) -> Program:
    made: Program = program()
    return made


def found(caller: Program, query: str = "") -> list[str]:
    answer = caller.get(f"/api/agents?{query}")
    assert answer.status_code == 200, answer.content
    document = answer.json()
    assert document["count"] == len(document["agents"])
    return [one["id"] for one in document["agents"]]


# --- Register -------------------------------------------------------------------------------------------------


def test_the_documents_example_registers_and_is_discovered_at_once(caller: Program, table: Any) -> None:
    answer = caller.post(REGISTER, {"profile": PROFILE, "signature": "0xabc"})
    document = answer.json()
    assert answer.status_code == 201
    assert (document["success"], document["message"]) == (True, "Agent persist-test-001 registered")
    assert document["agent"] | PROFILE == document["agent"]
    item = get(table, "persist-test-001")
    assert item is not None
    stamp = item["lastHeartbeat"]["N"]
    assert len(stamp) == 13
    assert item == {
        "agentId": {"S": "persist-test-001"},
        "name": {"S": "Persistence Test"},
        "endpoint": {"S": "https://test.com"},
        "capabilities": {"SS": ["fitness_analysis"]},
        "status": {"S": "active"},
        "type": {"S": "dynamic"},
        "reputationScore": {"N": "50"},
        "lastHeartbeat": {"N": stamp},
        "registeredAt": {"N": stamp},
        "updatedAt": {"N": stamp},
    }
    assert found(caller, "capability=fitness_analysis") == ["persist-test-001"]


def test_an_agent_without_a_name_is_called_by_its_id(caller: Program, table: Any) -> None:
    caller.post(REGISTER, {"profile": {"id": "a", "endpoint": "https://x.example", "name": ""}})
    item = get(table, "a")
    assert item is not None
    assert item["name"] == {"S": "a"}


def test_null_for_what_is_not_set_is_as_if_it_were_not_sent(caller: Program, table: Any) -> None:
    """As `json.dumps(asdict(profile))` of a Python agent has it."""
    names = ("name", "capabilities", "tags", "type", "protocol", "role", "location", "emoji", "description")
    unset = dict.fromkeys((*names, "pricing", "tieredPricing", "serviceAvailability"))
    needed = {"id": "a", "endpoint": "https://x.example"}
    assert caller.post(REGISTER, {"profile": unset | needed, "signature": None}).status_code == 201
    bare = get(table, "a")
    assert bare is not None
    assert bare["name"] == {"S": "a"}
    assert not set(bare) & {"capabilities", "tags", "role", "emoji", "pricing"}
    caller.post(REGISTER, {"profile": PROFILE | needed | {"emoji": "x", "role": "y"}})
    assert caller.post(REGISTER, {"profile": unset | needed}).status_code == 201
    kept = get(table, "a")
    assert kept is not None
    assert {name: kept[name] for name in ("name", "capabilities", "emoji", "role")} == {
        "name": {"S": PROFILE["name"]}, "capabilities": {"SS": PROFILE["capabilities"]}, "emoji": {"S": "x"}, "role": {"S": "y"},
    }  # fmt: skip


def test_documents_are_kept_as_json_text_and_further_members_as_attributes(
    caller: Program, table: Any
) -> None:
    tiers = {"basic": {"slots": 5, "slotsFilled": 1, "responseSLA": 900.5, "uptime": 99.9}}
    profile = {**PROFILE, "serviceAvailability": tiers, "tags": ["b", "a", "a"], "version": {"major": 2}}
    assert caller.post(REGISTER, {"profile": profile}).status_code == 201
    item = get(table, "persist-test-001")
    assert item is not None
    assert item["tags"] == {"SS": ["a", "b"]}
    assert item["version"] == {"M": {"major": {"N": "2"}}}
    assert "900.5" in item["serviceAvailability"]["S"]
    (one,) = caller.get("/api/agents").json()["agents"]
    assert one["serviceAvailability"] == tiers
    assert one["tags"] == ["a", "b"]


def test_a_capability_is_discovered_by_exactly_its_text(caller: Program, table: Any) -> None:
    sent = ["deep  dive", " a ", "tab\there"]
    assert caller.post(REGISTER, {"profile": {**PROFILE, "capabilities": sent}}).status_code == 201
    assert (get(table, "persist-test-001") or {})["capabilities"] == {"SS": sorted(sent)}
    for query, ids in (
        ("deep++dive", ["persist-test-001"]),
        ("deep+dive", []),
        ("+a+", ["persist-test-001"]),
        ("a", []),
    ):
        assert found(caller, f"capability={query}") == ids, query


def test_an_agent_without_capabilities_is_stored_too(caller: Program, table: Any) -> None:
    for capabilities in ([], ["", "  "]):
        assert (
            caller.post(REGISTER, {"profile": {**PROFILE, "capabilities": capabilities}}).status_code == 201
        )
        item = get(table, "persist-test-001")
        assert item is not None
        assert "capabilities" not in item
    assert found(caller) == ["persist-test-001"]
    assert found(caller, "capability=fitness_analysis") == []


@pytest.mark.parametrize("missing", ["id", "endpoint"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_id_or_endpoint_it_is_400_with_an_error(
    caller: Program, tables: Any, missing: str, value: Any
) -> None:
    before = dump(tables)
    profile = {name: given for name, given in PROFILE.items() if name != missing}
    answer = caller.post(REGISTER, {"profile": profile if value is None else {**profile, missing: value}})
    assert answer.status_code == 400
    assert missing in answer.json()["error"]
    assert dump(tables) == before


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"endpoint": "ftp://x"}, "/profile/endpoint"),
        ({"endpoint": "https://user:pw@x.example"}, "/profile/endpoint"),
        ({"capabilities": "fitness"}, "/profile/capabilities"),
        ({"capabilities": [7]}, "/profile/capabilities/0"),
        ({"capabilities": [f"c{number}" for number in range(101)]}, "/profile/capabilities"),
        ({"name": "x" * 201}, "/profile/name"),
        ({"name": "a\x00b\x01"}, "/profile/name"),
        ({"id": "x" * 2049}, "/profile/id"),
        ({"id": "a\x00"}, "/profile/id"),
        ({"pricing": "{}"}, "/profile/pricing"),
        ({"pricing": {"": 1}}, "/profile/pricing"),
        ({"deep": [[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]}, "/profile/deep"),
        ({"": 1}, "/profile/"),
        ({f"m{number}": 1 for number in range(51)}, "/profile"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said_with_its_path(
    caller: Program, tables: Any, changes: Any, pointer: str
) -> None:
    before = dump(tables)
    answer = caller.post(REGISTER, {"profile": {**PROFILE, **changes}})
    assert answer.status_code == 422, answer.content
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert dump(tables) == before


def test_an_agent_can_t_decide_what_its_registry_decides(caller: Program, table: Any) -> None:
    claims = {name: 100 for name in registration.DECIDED if name not in ("id", "status")}
    caller.post(REGISTER, {"profile": {**PROFILE, **claims, "status": "verified"}})
    item = get(table, "persist-test-001")
    assert item is not None
    assert item["status"] == {"S": "active"}
    assert item["reputationScore"] == {"N": "50"}
    assert not {"successRate", "verifiedAt", "signature"} & set(item)
    assert item["registeredAt"]["N"] != "100"


def test_registering_again_keeps_what_was_not_sent_and_what_nobody_knows(caller: Program, table: Any) -> None:
    foreign = {f"foreign {name}": value for name, value in EVERY_TYPE.items()}
    before = put(table, {**agent(agentId={"S": "a"}, status={"S": "inactive"}), **foreign})
    body = {"profile": {"id": "a", "endpoint": "https://new.example", "capabilities": ["other"]}}
    assert caller.post(REGISTER, body).status_code == 201
    after = get(table, "a")
    assert after is not None
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    # The id stands in for a name that was not sent where there is none yet.
    assert changed == {"endpoint", "capabilities", "status", "lastHeartbeat", "updatedAt"}
    assert after["status"] == {"S": "active"}
    assert after["capabilities"] == {"SS": ["other"]}
    assert after["registeredAt"] == {"N": MS}


def test_an_operational_registrys_layout_is_kept(caller: Program, table: Any) -> None:
    before = put(table, operational(agentId={"S": "o"}, deployment_status={"S": "STOPPED"}))
    body = {"profile": {"id": "o", "name": "New", "endpoint": "https://x.example", "capabilities": ["x"]}}
    assert caller.post(REGISTER, body).status_code == 201
    after = get(table, "o")
    assert after is not None
    assert set(after) - set(before) == {"endpoint"}
    assert (after["agent_name"], after["deployment_status"]) == ({"S": "New"}, {"S": "ACTIVE"})
    assert after["capabilities"] == {"L": [{"S": "x"}]}
    assert after["last_heartbeat"]["S"].endswith("Z")


def test_a_registration_is_audited_and_a_repeated_one_is_one(caller: Program, table: Any) -> None:
    first = caller.post(REGISTER, {"profile": PROFILE}, Idempotency_Key="k")
    again = caller.post(REGISTER, {"profile": PROFILE}, Idempotency_Key="k")
    assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")
    other = caller.post(REGISTER, {"profile": {**PROFILE, "name": "Other"}}, Idempotency_Key="k")
    assert other.status_code == 422
    (entry,) = trail(table)
    assert (entry["action"], actor(entry)[0]) == ({"S": "agent:register"}, "operator via token ci")
    caller.post(REGISTER, {"profile": PROFILE})
    assert len(trail(table)) == 2


@pytest.mark.no_moto
def test_of_registrations_at_once_none_fails(table: Any) -> None:
    announced = registration.Announcement("a", {"name": "A", "endpoint": "https://x.example"})
    ends: list[Any] = []

    def register() -> None:
        try:
            ends.append(registration.register(announced, by=BY, reason="", action_id=new_id()))
        except Exception as error:
            ends.append(error)

    threads = [threading.Thread(target=register) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end for end in ends if isinstance(end, Exception)] == []
    assert len(trail(table)) == 3


def test_who_was_deactivated_stays_so_for_all_its_heartbeats(caller: Program, table: Any) -> None:
    put(table, agent(agentId={"S": "a"}))
    assert found(caller, "capability=fitness_analysis") == ["a"]
    assert caller.post("/api/agents/a/deactivate", {"reason": "broken"}).json()["status"] == "inactive"
    assert caller.post(HEARTBEAT, {"id": "a"}).json()["status"] == "inactive"
    assert found(caller, "capability=fitness_analysis") == []
    assert found(caller) == ["a"]
    again = caller.post("/api/agents/a/deactivate")
    assert (again.status_code, again.json()["current"]["status"]) == (409, "inactive")


# --- Discovery -----------------------------------------------------------------------------------------------------


def tiers(**tier: Any) -> dict[str, str]:
    import json

    return {"S": json.dumps(tier)}


def test_the_best_reputation_comes_first_and_filters_narrow(caller: Program, table: Any) -> None:
    free, full = (
        {"slots": 2, "slotsFilled": 1, "responseSLA": 500},
        {"slots": 2, "slotsFilled": 2, "responseSLA": 50},
    )
    put(table, agent(agentId={"S": "best"}, serviceAvailability=tiers(pro=free, basic=full)))
    put(table, agent(agentId={"S": "mid"}, reputationScore={"S": "50.5"}, serviceAvailability=tiers(pro={})))
    put(table, agent(agentId={"S": "odd"}, reputationScore={"L": []}, serviceAvailability={"S": "gold"}))
    put(table, operational(agentId={"S": "ops"}, avg_latency_ms={"N": "700"}))
    assert found(caller) == ["best", "mid", "ops", "odd"]
    assert found(caller, "capability=pdf_parsing") == ["ops"]
    assert found(caller, "capability=pdf") == []
    assert found(caller, "minReputation=50.5") == ["best", "mid"]
    assert found(caller, "minReputation=50.6") == ["best"]
    assert found(caller, "tier=pro") == ["best", "mid"]
    assert found(caller, "tier=basic") == []
    assert found(caller, "maxResponseTime=100") == ["best"]
    assert found(caller, "maxResponseTime=700") == ["best", "ops"]
    assert found(caller, "tier=pro&maxResponseTime=499") == []
    assert found(caller, "tier=pro&maxResponseTime=500") == ["best"]
    assert found(caller, "capability=&minReputation=&tier=&maxResponseTime=") == ["best", "mid", "ops", "odd"]


def test_the_answer_has_its_filters_its_time_and_its_age(caller: Program, table: Any) -> None:
    answer = caller.get("/api/agents?capability=x&minReputation=1.5")
    document = answer.json()
    assert document["success"] is True
    assert document["filters"] == {
        "capability": "x",
        "minReputation": 1.5,
        "tier": None,
        "maxResponseTime": None,
    }
    at = datetime.fromisoformat(document["timestamp"])
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert 0 <= document["cache"]["age_seconds"] < 60
    assert answer["Age"] == "0"


@pytest.mark.parametrize(
    "query",
    [
        "minReputation=high",
        "maxResponseTime=NaN",
        "minReputation=Infinity",
        "maxResponseTime=1e999999",
        "minReputation=1_0",
        "maxResponseTime=\u0661\u0660",  # digits of another script
        "minReputation=-1E%2B999999999",  # whose absolute value is an error of arithmetic
    ],
)
def test_a_bound_that_is_no_number_is_refused(caller: Program, query: str) -> None:
    answer = caller.get(f"/api/agents?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["name"] == query.partition("=")[0]


def scans(table: Any, run: Any) -> int:
    with calls_on(table) as calls:
        run()
    return calls.count("Scan")


def test_the_registry_is_read_once_until_something_is_written_or_it_is_old(
    caller: Program, table: Any, settings: Any
) -> None:
    settings.AGENTS_CACHE_SECONDS = 60
    put(table, agent(agentId={"S": "a"}, lastHeartbeat={"N": str(int(time.time() * 1000))}))
    assert scans(table, lambda: [found(caller), found(caller, "capability=x"), found(caller)]) == 1
    # What others write is seen when the reading is old.
    put(table, agent(agentId={"S": "b"}))
    assert found(caller) == ["a"]
    settings.AGENTS_CACHE_SECONDS = 0
    assert found(caller) == ["a", "b"]
    settings.AGENTS_CACHE_SECONDS = 60
    assert scans(table, lambda: caller.post(HEARTBEAT, {"id": "a"}) and found(caller)) == 0


def test_a_reading_that_grows_old_is_renewed_without_a_caller_waiting(
    caller: Program, table: Any, settings: Any
) -> None:
    settings.AGENTS_CACHE_SECONDS = 60
    assert found(caller) == []
    put(table, agent(agentId={"S": "a"}))
    (place,) = [place for place, held in discovery._held.items() if held.version == versions.current()]
    discovery._held[place] = replace(discovery._held[place], taken=time.monotonic() - 31)
    assert found(caller) == []  # at once, as it is
    for thread in threading.enumerate():
        if getattr(thread, "_target", None) is discovery._read_ahead:
            thread.join(5)
    assert scans(table, lambda: found(caller)) == 0
    assert found(caller) == ["a"]


@pytest.mark.parametrize("query", ["minreputation=5", "limit=10", "tier=basic&tier=pro", "0=x"])
def test_a_filter_that_there_is_not_is_named(caller: Program, query: str) -> None:
    """Passed over, it would offer agents that do not fit."""
    answer = caller.get(f"/api/agents?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"


def test_a_reading_is_never_older_than_is_said(caller: Program, table: Any, settings: Any) -> None:
    settings.AGENTS_CACHE_SECONDS = 5
    assert found(caller) == []
    put(table, agent(agentId={"S": "a"}))
    (place,) = [place for place, held in discovery._held.items() if held.version == versions.current()]
    discovery._held[place] = replace(discovery._held[place], taken=time.monotonic() - 61)
    assert scans(table, lambda: found(caller)) == 1
    assert found(caller) == ["a"]


def test_many_that_were_written_are_read_together(caller: Program, table: Any, settings: Any) -> None:
    settings.AGENTS_CACHE_SECONDS = 60
    put(table, agent(agentId={"S": "gone"}))
    assert found(caller) == ["gone"]
    names = [f"a{number:03}" for number in range(60)]

    def change() -> None:
        for name in names:
            put(table, agent(agentId={"S": name}))
            versions.written(name)
        action_views.DEACTIVATE.act("gone", action_id=new_id(), by=BY, reason="")
        action_views.PURGE.act("gone", action_id=new_id(), by=BY, reason="")
        with calls_on(table) as calls:
            assert found(caller) == names
        assert calls == ["BatchGetItem"]

    assert scans(table, change) == 0


def test_what_is_left_of_a_batch_is_read_alone(
    caller: Program, table: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AGENTS_CACHE_SECONDS = 60
    found(caller)
    for name in "abc":
        put(table, agent(agentId={"S": name}))
        versions.written(name)
    client = clients.client(*table.location)

    def throttled(RequestItems: Any) -> Any:  # noqa: N803 (boto3's name)
        first, *others = RequestItems[table.name]["Keys"]
        return {
            "Responses": {
                table.name: [client.get_item(TableName=table.name, Key=first, ConsistentRead=True)["Item"]]
            },
            "UnprocessedKeys": {table.name: {"Keys": others, "ConsistentRead": True}},
        }

    monkeypatch.setattr(client, "batch_get_item", throttled)
    assert found(caller) == ["a", "b", "c"]


def test_trouble_while_reading_ahead_is_in_the_log_and_nobodys_answer(
    caller: Program, table: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.AGENTS_CACHE_SECONDS = 60
    found(caller)
    fault, _ = kinds(table)["throttled"]
    assert discovery._reading.acquire(timeout=5)
    with trouble(table, fault):
        discovery._read_ahead("some place", versions.current())
    assert "could not be read ahead" in caplog.text
    assert not discovery._reading.locked()
    assert found(caller) == []


def test_where_no_thread_can_be_had_what_is_in_memory_is_answered(
    caller: Program, table: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AGENTS_CACHE_SECONDS = 60
    put(table, agent(agentId={"S": "a"}))
    assert found(caller) == ["a"]
    (place,) = [place for place, held in discovery._held.items() if held.version == versions.current()]
    discovery._held[place] = replace(discovery._held[place], taken=time.monotonic() - 31)

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        assert found(caller) == ["a"]
    assert not discovery._reading.locked()


@pytest.mark.parametrize("change", ["register", "heartbeat", "edit", "deactivate", "purge and undo"])
def test_every_change_through_the_console_is_discovered_at_once(
    caller: Program, table: Any, settings: Any, change: str
) -> None:
    settings.AGENTS_CACHE_SECONDS = 60
    put(table, agent(agentId={"S": "a"}))
    assert found(caller) == ["a"]
    before = versions.current()
    by = {"by": BY, "reason": ""}
    match change:
        case "register":
            caller.post(REGISTER, {"profile": PROFILE})
            assert found(caller, "capability=fitness_analysis") == ["a", "persist-test-001"]
        case "heartbeat":  # of one that was offline
            caller.post(HEARTBEAT, {"id": "a"})
            (one,) = caller.get("/api/agents").json()["agents"]
            assert one["lastHeartbeat"] > int(MS)
        case "edit":
            action_views.EDIT.act("a", texts={"capabilities": "new"}, action_id=new_id(), **by)
            assert found(caller, "capability=new") == ["a"]
        case "deactivate":
            action_views.DEACTIVATE.act("a", action_id=new_id(), **by)
            assert found(caller, "capability=fitness_analysis") == []
        case _:
            from opsportal.operations import undo

            action_views.DEACTIVATE.act("a", action_id=new_id(), **by)
            done = action_views.PURGE.act("a", action_id=new_id(), **by)
            assert found(caller) == []
            undo.undo(done.entry, action_id=new_id(), **by)
            assert found(caller) == ["a"]
    assert versions.current() != before


def test_what_was_written_is_read_alone_and_takes_its_place(
    caller: Program, table: Any, settings: Any
) -> None:
    settings.AGENTS_CACHE_SECONDS, settings.AGENT_DIALECT = 60, "documented"
    for number, score in enumerate(("90", "50", "10")):
        put(table, agent(agentId={"S": f"a{number}"}, reputationScore={"N": score}))
    assert found(caller) == ["a0", "a1", "a2"]
    kept = {one.id: one for held in discovery._held.values() for one in held.agents}

    def change() -> None:
        caller.post(REGISTER, {"profile": {**PROFILE, "id": "new"}})
        assert found(caller) == ["a0", "a1", "new", "a2"]
        put(table, agent(agentId={"S": "a2"}, reputationScore={"N": "70"}))
        versions.written("a2")
        action_views.DEACTIVATE.act("a1", action_id=new_id(), by=BY, reason="")
        assert found(caller) == ["a0", "a2", "a1", "new"]
        assert found(caller, "capability=fitness_analysis") == ["a0", "a2", "new"]
        action_views.PURGE.act("a1", action_id=new_id(), by=BY, reason="")
        assert found(caller) == ["a0", "a2", "new"]

    assert scans(table, change) == 0
    # Read whole again, only the offers that changed are made again.
    settings.AGENTS_CACHE_SECONDS = 0
    found(caller)
    now = {one.id: one for held in discovery._held.values() for one in held.agents}
    assert now["a0"] is kept["a0"]
    assert now["a2"] is not kept["a2"]


def test_where_agents_can_t_be_read_alone_the_whole_is_read(
    caller: Program, table: Any, settings: Any
) -> None:
    settings.AGENTS_CACHE_SECONDS = 60
    found(caller)
    put(table, agent(agentId={"S": "a"}))
    versions.written("a")
    arn = "arn:aws:dynamodb:eu-north-1:123456789012:table/agents"
    with trouble(table, denied("GetItem", arn), "GetItem"):
        assert found(caller) == ["a"]
    for name in ("b", "c"):
        put(table, agent(agentId={"S": name}))
        versions.written(name)
    with trouble(table, denied("BatchGetItem", arn), "BatchGetItem"):
        assert found(caller) == ["a", "b", "c"]


def test_another_process_sees_what_this_one_registered(caller: Program, table: Any, settings: Any) -> None:
    """Its own reading is as fresh as the version that both share."""
    settings.AGENTS_CACHE_SECONDS = 60
    assert found(caller) == []
    theirs = dict(discovery._held)
    caller.post(REGISTER, {"profile": PROFILE})
    assert found(caller) == ["persist-test-001"]
    discovery._held.clear()
    discovery._held.update(theirs)  # the other process, as it was
    assert found(caller) == ["persist-test-001"]


def test_a_version_that_was_thrown_out_of_the_cache_only_costs_a_reading(caller: Program, table: Any) -> None:
    from django.core.cache import caches

    found(caller)
    caches["default"].clear()
    put(table, agent(agentId={"S": "a"}))
    assert found(caller) == ["a"]


def test_a_refused_action_throws_nothing_away(caller: Program, table: Any) -> None:
    put(table, agent(agentId={"S": "a"}))
    before = versions.current()
    assert caller.post("/api/agents/none/deactivate").status_code == 404
    assert caller.post(REGISTER, {"profile": {"id": "a"}}).status_code == 400
    assert versions.current() == before


@pytest.mark.no_moto
def test_a_registry_of_more_than_a_page_is_read_whole(caller: Program, table: Any) -> None:
    for number in range(4):
        put(table, agent(agentId={"S": f"a{number}"}, padding={"S": "x" * 350_000}))
    assert len(found(caller)) == 4


@pytest.mark.no_moto
def test_many_who_register_one_agent_at_once_all_succeed(caller: Program, table: Any) -> None:
    put(table, agent(agentId={"S": "a"}))

    def register(number: int) -> str:
        profile = registration.Announcement("a", {"name": f"n{number}", "endpoint": "https://x.example"})
        try:
            registration.register(profile, by=BY, reason="", action_id=new_id())
        except Refused as refused:
            return refused.sentence
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(register, range(24))) == {""}


def test_a_turn_that_does_not_come_keeps_nobody_from_registering(
    table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "TURN", 0.01)
    with registration._turn("a"):
        announced = registration.Announcement("a", {"endpoint": "https://x.example"})
        registration.register(announced, by=BY, reason="", action_id=new_id())
    assert get(table, "a") is not None
    assert not registration._turns[hash("a") % len(registration._turns)].locked()


def test_a_registration_that_others_keep_from_being_written_says_when_to_try_again(
    caller: Program, table: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any, **__: Any) -> Any:
        raise Conflict("Somebody or something else changed it.")

    monkeypatch.setattr(registration, "act", busy)
    monkeypatch.setattr(registration, "PAUSE", 0)
    answer = caller.post(REGISTER, {"profile": PROFILE})
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert "action_id" in answer.json()


# --- One agent ---------------------------------------------------------------------------------------------------


def test_an_agent_is_answered_with_what_is_observed(caller: Program, table: Any) -> None:
    put(table, agent(agentId={"S": "a"}))
    document = caller.get("/api/agents/a").json()
    assert document["agent"]["pricing"] == {"baseFee": "0.01", "weight": 0.1}
    assert (document["health"], document["contradiction"]) == (
        "offline", "Declared active, but its heartbeat stopped.",
    )  # fmt: skip
    assert caller.get("/api/agents/none").status_code == 404


@pytest.mark.parametrize("agent_id", ["register", "heartbeat", "new"])
def test_an_agent_that_is_called_like_an_address_has_one_of_its_own(
    caller: Program, table: Any, agent_id: str
) -> None:
    caller.post(REGISTER, {"profile": {**PROFILE, "id": agent_id}})
    url = caller.get("/api/audit?kind=agents").json()["items"][0]["target"]["id"]
    assert url == agent_id
    answer = caller.post(REGISTER, {"profile": {**PROFILE, "id": agent_id}})
    assert caller.get(answer["Location"]).json()["agent"]["id"] == agent_id
