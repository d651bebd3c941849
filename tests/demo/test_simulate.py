"""The simulator: its programs keep to the rules of those they stand in for, and end when told."""

import contextlib
import itertools
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.demo import agents, batches, requests, research
from opsportal.demo.place import attribute_values
from opsportal.demo.roster import Roster
from opsportal.demo.simulation import fill, heartbeats, orchestrators, population, workers
from opsportal.demo.simulation.world import Pace, Task, World
from opsportal.demo.stamps import naive, zulu
from opsportal.dynamo import calls
from opsportal.dynamo.clients import client
from opsportal.dynamo.errors import AccessDenied
from opsportal.operations import entries
from opsportal.operations.entries import Actor
from opsportal.operations.observation import observe
from opsportal.supervisor import free_port
from requests_app import action_views
from tests.cases import short
from tests.demo.reading import item_of, items_of
from tests.processes import eventually
from tracking import action_views as workflow_views
from tracking.writer import values

# moto does not limit what an item grows to, and is slow enough to turn these runs into minutes.
pytestmark = pytest.mark.no_moto

ROOT = Path(__file__).resolve().parent.parent.parent
FAST = {"speed": 2_000, "rate": 60_000, "overwrite_rate": 0.5, "foreign_rate": 0.1, "seed": 4}


@pytest.fixture
def world(tables: dict[str, Any]) -> World:
    return stepped_world()


@types.coroutine
def paused(seconds: float) -> Iterator[float]:
    """In place of `asyncio.sleep`: a pause that a test takes with `next`, without waiting."""
    yield seconds


def stepped_world() -> World:
    return World(Pace(speed=2_000, failure_rate=0, overwrite_rate=0), random.Random(5), sleep=paused)


def steps(task: Coroutine[Any, Any, Any]) -> Iterator[float]:
    """A program's pauses, one at each `next`."""
    return task.__await__()


def exhaust(task: Coroutine[Any, Any, Any] | Iterator[float], most: int = 2_000) -> None:
    """Run a task to its end, without its pauses."""
    for _ in itertools.islice(task if isinstance(task, Iterator) else steps(task), most):
        pass


def change(table: Any, key: str, **fields: Any) -> None:
    """Set attributes as an operator, or another program, would."""
    names = {f"#{name}": name for name in fields}
    client(table.region, table.endpoint).update_item(
        TableName=table.name,
        Key={table.key: {"S": key}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in fields),
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={f":{name}": value for name, value in attribute_values(fields).items()},
    )


def put(table: Any, item: dict[str, Any]) -> None:
    client(table.region, table.endpoint).put_item(TableName=table.name, Item=attribute_values(item))


def pending(table: Any, ident: str, minutes: int = 0, priority: str = "medium", **more: Any) -> None:
    created = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=minutes)
    item = requests.submitted(
        table.key, ident, created, random.Random(1), priority=priority, strategy="table"
    )
    put(table, item | more)


def status_of(table: Any, key: str, name: str = "status") -> str:
    return item_of(table, key).get(name, {}).get("S", "")


# --- Whole runs --------------------------------------------------------------------------------------


def test_a_run_of_so_many_ends_with_all_of_them_finished(
    tables: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pending(tables["requests"], "theirs", -60, "high")  # someone else's is done first, and does not count
    call_command("simulate", workflows=6, requests=4, failure_rate=0, **FAST)
    assert "5 requests completed, 6 workflows completed" in capsys.readouterr().out
    workflows = items_of(tables["workflows"])
    assert len(workflows) == 6
    for item in workflows.values():
        assert item["overallStatus"] == {"S": "completed"}
        if "invocationId" not in item:  # as the documents' own writer leaves it
            for measure, (_, path) in values.MEASURES.items():
                assert values.decimal(values.at(item, *path)) == values.sums(item)[measure]
    found = items_of(tables["requests"])
    assert len(found) == 5
    lines = items_of(tables["request_logs"]).values()
    for key, item in found.items():
        history = item["processing_metadata"]["M"]["status_history"]["L"]
        assert [entry["M"]["new_status"]["S"] for entry in history] == [
            "processing",
            "executing",
            "completed",
        ]
        assert item["progress"]["M"]["percentage"] == {"N": "100"}
        assert item["results"]["M"]["report_path"]["S"].endswith(f"{key}.json")
        assert item["started_at"]["S"] <= item["completed_at"]["S"]
        assert {line["stage"]["S"] for line in lines if line["request_id"]["S"] == key} == set(
            requests.STAGES
        )
    assert len(items_of(tables["agents"])) == 8


def test_everything_fails_at_a_failure_rate_of_one(tables: dict[str, Any]) -> None:
    call_command("simulate", workflows=3, requests=3, failure_rate=1, **FAST | {"foreign_rate": 0})
    for item in items_of(tables["workflows"]).values():
        assert item["overallStatus"] == {"S": "failed"}
        steps = [value["M"] for value in item.values() if "M" in value and "status" in value["M"]]
        assert [step["status"]["S"] for step in steps].count("error") == 1
    for item in items_of(tables["requests"]).values():
        assert item["status"] == {"S": "failed"}
        assert len(item["errors"]["L"]) == 1


def test_a_run_without_a_number_goes_on_until_its_duration_is_over(
    tables: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("simulate", duration=1, speed=2_000, rate=1_200, seed=1)
    assert "Simulated: " in capsys.readouterr().out
    assert items_of(tables["workflows"])
    assert items_of(tables["requests"])


def test_a_signal_ends_a_run_at_once(tables: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def end() -> None:
        assert eventually(lambda: signal.getsignal(signal.SIGTERM) is not before)
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end)
    ending.start()
    call_command("simulate", rate=1)
    ending.join()
    assert capsys.readouterr().out.endswith("Stopped.\n")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("engine_is_there", short([True, False], True))
def test_the_program_ends_after_sigterm(
    tables: dict[str, Any], tmp_path: Path, engine_is_there: bool
) -> None:
    endpoint = tables["workflows"].endpoint if engine_is_there else f"http://127.0.0.1:{free_port()}"
    names = {f"DYNAMODB_{name.upper()}_TABLE": table.name for name, table in tables.items()}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "simulate"],
        cwd=ROOT,
        env={
            **os.environ,
            **names,
            "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
            "DJANGO_SETTINGS_MODULE": "opsportal.settings",
            "PYTHONUNBUFFERED": "1",
            "DATA_DIR": str(tmp_path),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline().startswith("Simulating on")
        time.sleep(0.5)
        process.terminate()
        rest = process.communicate(timeout=30)[0]  # without a signal it goes on for ever
        assert process.returncode == 0
        assert rest.endswith("Stopped.\n")
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.wait()


def test_simulate_refuses_an_endpoint_that_is_not_this_machine(settings: Any) -> None:
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {
        "requests": settings.DYNAMO_TABLES["requests"] | {"endpoint": ""}
    }
    with pytest.raises(CommandError, match="Amazon's DynamoDB in us-east-1"):
        call_command("simulate", workflows=1, finished=True)


@pytest.mark.parametrize(
    "options",
    [["--finished"], ["--workflows", "-1"], ["--speed", "0"], ["--rate", "-1"], ["--failure-rate", "2"]],
)
def test_simulate_refuses_what_makes_no_sense(options: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("simulate", *options)


# --- Orchestrators -----------------------------------------------------------------------------------


def test_an_orchestrator_stops_at_the_next_step_when_its_workflow_is_cancelled(world: World) -> None:
    world.running.add("sim-1")
    task = steps(orchestrators.workflow(world, "sim-1"))
    while status_of(world.workflows, "sim-1", "overallStatus") != "processing":
        next(task)
    change(world.workflows, "sim-1", overallStatus="cancelled")
    exhaust(task)
    assert world.running == set()
    assert world.finished == {"workflows cancelled": 1}
    assert status_of(world.workflows, "sim-1", "overallStatus") == "cancelled"


def test_a_workflow_that_is_purged_is_not_made_again(world: World) -> None:
    task = steps(orchestrators.workflow(world, "sim-1"))
    next(task)
    table = world.workflows
    client(table.region, table.endpoint).delete_item(TableName=table.name, Key={table.key: {"S": "sim-1"}})
    exhaust(task)
    assert world.finished == {"workflows given up": 1}
    assert item_of(table, "sim-1") == {}


def test_some_writers_behave_as_foreign_ones_do(world: World) -> None:
    world.pace = replace(world.pace, foreign_rate=1)
    exhaust(orchestrators.workflow(world, "sim-1"))
    item = item_of(world.workflows, "sim-1")
    assert item["overallStatus"] == {"S": "completed"}
    assert item["totalDuration"] == {"N": "0"}
    for step in world.steps:
        assert item[step["key"]]["M"]["status"] == {"S": "success"}
        assert "startedAt" not in item[step["key"]]["M"]


def test_a_status_that_cannot_be_written_does_not_end_the_simulator(world: World) -> None:
    writing = steps(world.record(lambda: world.writer.start_step("s", "overallStatus", "x")))
    with pytest.raises(ValueError, match="cannot name a step"):  # a mistake of ours shows
        next(writing)
    table = world.workflows
    put(table, {table.key: "full", "report": "x" * 409_500})
    writing = steps(world.record(lambda: world.writer.start_step("full", "pdfAdapter", "x" * 300)))
    with pytest.raises(StopIteration) as ended:
        next(writing)
    assert ended.value.value.outcome == "failed"


# --- Workers -----------------------------------------------------------------------------------------


def answer_of(task: Coroutine[Any, Any, Any] | Iterator[float]) -> Any:
    """What a task returns, without its pauses."""
    pauses = task if isinstance(task, Iterator) else steps(task)
    while True:
        try:
            next(pauses)
        except StopIteration as end:
            return end.value


def test_waiting_requests_come_by_priority_and_then_the_oldest_first(world: World) -> None:
    table = world.requests
    for number, (ident, priority) in enumerate(
        [("l", "low"), ("m1", "medium"), ("h1", "high"), ("u", "URGENT"), ("h2", "high"), ("m2", "medium")]
    ):
        pending(table, ident, number, priority)
    pending(table, "sample", 0, "high", processing_metadata={"test_run": True})
    pending(table, "done", 0, "high", status="completed")
    assert answer_of(workers.waiting(world, set())) == ["h1", "h2", "m1", "m2", "l", "u"]
    assert answer_of(workers.waiting(world, {"h1"}))[0] == "h2"


def test_only_one_worker_gets_a_request(world: World) -> None:
    pending(world.requests, "r")
    first, second = (
        workers.Job(world, "r", "table_processor_001"),
        workers.Job(world, "r", "table_processor_002"),
    )
    assert answer_of(first.claim()) is True
    assert answer_of(second.claim()) is False
    assert item_of(world.requests, "r")["processing_metadata"]["M"]["worker_id"] == {
        "S": "table_processor_001"
    }
    assert answer_of(workers.Job(world, "no such", "table_processor_001").claim()) is False


def test_a_cancelled_request_is_left_cancelled(world: World) -> None:
    pending(world.requests, "r")
    job = workers.Job(world, "r", "table_processor_001")
    answer_of(job.claim())
    task = steps(job.process())
    next(task)
    change(world.requests, "r", status="cancelled")
    exhaust(task)
    item = item_of(world.requests, "r")
    assert item["status"] == {"S": "cancelled"}
    assert item["progress"]["M"]["percentage"] == {"N": "0"}
    assert world.finished == {"requests stopped": 1}
    messages = [line["message"]["S"] for line in items_of(world.logs).values()]
    assert "Stopped: the request is cancelled" in messages


def test_a_forgetful_worker_overwrites_a_cancel_and_so_the_console_says(world: World) -> None:
    world.pace = Pace(speed=2_000, failure_rate=0, overwrite_rate=1)
    pending(world.requests, "r", extra="kept")
    job = workers.Job(world, "r", "table_processor_001")
    answer_of(job.claim())
    task = steps(job.process())
    next(task)
    who = Actor("olga", "operator", "user:1001")
    done = action_views.CANCEL.act("r", by=who, reason="", action_id=entries.new_action_id())
    assert (
        observe(done.entry, item_of(world.requests, "r"), "updated_at", action_views.ACTIONS.still_holds).fate
        == "requested"
    )
    next(task)
    found = observe(done.entry, item_of(world.requests, "r"), "updated_at", action_views.ACTIONS.still_holds)
    assert (found.fate, status_of(world.requests, "r")) == ("overwritten", "processing")
    exhaust(task)
    item = item_of(world.requests, "r")
    assert item["status"] == {"S": "completed"}
    assert item["extra"] == {"S": "kept"}
    history = item["processing_metadata"]["M"]["status_history"]["L"]
    assert [entry["M"]["new_status"]["S"] for entry in history] == ["processing", "executing", "completed"]


def test_a_request_of_odd_shape_is_carried_to_its_end(world: World) -> None:
    pending(world.requests, "text", processing_metadata="none", errors="none", progress=[])
    pending(world.requests, "list", processing_metadata={"status_history": "none", "kept": 7})
    for ident in ("text", "list"):
        job = workers.Job(world, ident, "table_processor_001")
        assert answer_of(job.claim())
        exhaust(job.process())
        history = item_of(world.requests, ident)["processing_metadata"]["M"]["status_history"]["L"]
        assert [entry["M"]["new_status"]["S"] for entry in history] == [
            "processing",
            "executing",
            "completed",
        ]
    assert item_of(world.requests, "list")["processing_metadata"]["M"]["kept"] == {"N": "7"}


@pytest.mark.parametrize("overwrite_rate", [0, 1])
def test_a_failing_request_keeps_the_errors_it_had(world: World, overwrite_rate: int) -> None:
    world.pace = Pace(speed=2_000, failure_rate=1, overwrite_rate=overwrite_rate)
    pending(world.requests, "r", errors=["earlier"])
    pending(world.requests, "odd", errors={"code": 1})
    for ident in ("r", "odd"):
        job = workers.Job(world, ident, "table_processor_001")
        answer_of(job.claim())
        exhaust(job.process())
        assert status_of(world.requests, ident) == "failed"
    assert item_of(world.requests, "r")["errors"]["L"][0] == {"S": "earlier"}
    assert len(item_of(world.requests, "r")["errors"]["L"]) == 2


def test_a_request_that_cannot_be_written_does_not_hold_up_the_others(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    refused = client(world.requests.region, world.requests.endpoint).exceptions.ClientError
    for size in range(409_600, 400_000, -50):  # as full as the engine takes it
        with contextlib.suppress(refused):
            pending(world.requests, "full", 0, "high", report="x" * size)
            break
    pending(world.requests, "fine", 1, "low")
    task = steps(workers.worker(world, 1))
    with caplog.at_level(logging.WARNING):
        for _ in range(200):
            next(task)
            if status_of(world.requests, "fine") == "completed":
                break
    assert status_of(world.requests, "full") == "pending"
    assert status_of(world.requests, "fine") == "completed"
    assert len([record for record in caplog.records if "leaves request 'full'" in record.getMessage()]) == 1


# --- Agents ------------------------------------------------------------------------------------------


def test_a_heartbeat_puts_back_the_whole_agent_as_the_registry_remembers_it(world: World) -> None:
    table = world.agents
    task = steps(heartbeats.beat(world, 0))
    next(task)
    key = next(iter(items_of(table)))
    first = item_of(table, key)
    change(table, key, status="inactive", name="Renamed", note="by an operator")
    time.sleep(0.002)
    next(task)
    second = item_of(table, key)
    assert second["status"] == {"S": "active"}
    assert second["name"] == first["name"]
    assert "note" not in second
    assert int(second["lastHeartbeat"]["N"]) > int(first["lastHeartbeat"]["N"])


def test_the_registry_starts_from_what_is_stored(world: World) -> None:
    put(world.agents, {world.agents.key: agents.FIRST, "name": "Stored", "extra": "kept"})
    next(steps(heartbeats.beat(world, 0)))
    assert item_of(world.agents, agents.FIRST)["extra"] == {"S": "kept"}


def test_an_operational_agent_keeps_its_own_form(world: World) -> None:
    for number in range(heartbeats.count(world)):
        next(steps(heartbeats.beat(world, number)))
    item = item_of(world.agents, "trade_extraction_agent_01")
    assert item["last_heartbeat"]["S"].endswith("Z")
    assert "lastHeartbeat" not in item


# --- How many, and what is left behind -----------------------------------------------------------------


def test_the_oldest_finished_request_and_its_log_make_room(world: World) -> None:
    kept = population.Population(world, world.requests, 2)
    for _ in range(2):
        assert answer_of(population.submit_request(world, kept))
    assert not answer_of(population.submit_request(world, kept))  # none of the two is finished
    oldest, other = sorted(items_of(world.requests))
    change(world.requests, oldest, status="completed")
    for number in range(30):
        put(world.logs, {world.logs.key: f"l{number}", "request_id": oldest, "timestamp": f"t{number:02d}"})
    put(world.logs, {world.logs.key: "other", "request_id": other, "timestamp": "t"})
    assert answer_of(population.submit_request(world, kept))
    assert oldest not in items_of(world.requests)
    assert len(items_of(world.requests)) == 2
    assert set(items_of(world.logs)) == {"other"}


def test_a_run_keeps_no_more_than_its_bound(tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsportal.demo.simulation.run.MAX_WORKFLOWS", 4)
    monkeypatch.setattr("opsportal.demo.simulation.run.MAX_REQUESTS", 3)
    call_command("simulate", duration=1, speed=3_000, rate=3_000, seed=2)
    assert 1 <= len(items_of(tables["workflows"])) <= 4
    assert 1 <= len(items_of(tables["requests"])) <= 3


def test_a_new_simulator_goes_on_with_what_is_fresh_and_ends_what_is_old(world: World) -> None:
    """By the roster alone: what is not in it is another program's."""
    old, fresh = world.now() - timedelta(minutes=15), world.now() - timedelta(seconds=20)
    running = {"status": "in-progress", "activity": "at work"}
    for name, moment, status in (
        ("old", old, "processing"),
        ("fresh", fresh, "processing"),
        ("cancelled", old, "cancelled"),
        ("theirs", old, "processing"),
    ):
        stamps = {"createdAt": zulu(moment), "lastUpdated": zulu(moment)}
        steps = {"pdfAdapter": {"status": "success", "activity": "kept"}, "tradeExtraction": running}
        put(world.workflows, {world.workflows.key: name, "overallStatus": status, **stamps, **steps})
    for name, moment, status in (
        ("old", old, "executing"),
        ("fresh", fresh, "executing"),
        ("waits", old, "pending"),
        ("theirs", old, "executing"),
    ):
        at = requests.progress(research.Progress("content_extraction", 60, 31, 12, 1), moment)
        stamps = {"updated_at": naive(moment), "started_at": naive(moment), "progress": at}
        pending(world.requests, name, status=status, **stamps)
    roster = Roster.read()
    roster.add("workflows", ["gone", "old", "fresh", "cancelled"])
    roster.add("requests", ["gone", "old", "fresh", "waits"])
    roster.save()

    kept = Roster.read()
    started: list[Task] = []
    for table in (world.workflows, world.requests):
        exhaust(population.recover(population.Population(world, table, 9, kept), started.append))
    for task in started:
        exhaust(task)
    workflows = items_of(world.workflows)
    assert {key: item["overallStatus"]["S"] for key, item in workflows.items()} == {
        "old": "failed",
        "fresh": "completed",
        "cancelled": "cancelled",
        "theirs": "processing",
    }
    assert workflows["fresh"]["pdfAdapter"]["M"]["activity"] == {"S": "kept"}  # is not worked again
    assert workflows["old"]["tradeExtraction"]["M"]["error"] == {"S": orchestrators.INTERRUPTED}
    found = items_of(world.requests)
    assert {key: item["status"]["S"] for key, item in found.items()} == {
        "old": "failed",
        "fresh": "completed",
        "waits": "pending",
        "theirs": "executing",
    }
    assert found["fresh"]["progress"]["M"]["urls_found"] == {"N": "31"}  # goes on from there
    assert list(kept.of("workflows")) == ["old", "fresh", "cancelled"]  # what is gone is forgotten


def test_a_simulator_reads_no_more_of_tables_of_many_pages(
    world: World, tables: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    now = datetime.now(UTC)
    big = {"filler": "x" * 380_000}  # three to a page of 1 MB
    theirs = {"overallStatus": "processing", "createdAt": zulu(now), "lastUpdated": zulu(now), **big}
    for number in range(7):
        put(world.workflows, {world.workflows.key: f"theirs-{number}", **theirs})
        item = requests.submitted(world.requests.key, f"theirs-{number}", now, world.rng, strategy="table")
        put(world.requests, item | {"processing_metadata": {"test_run": True}, **big})
    made: list[calls.Call] = []
    calls.watch(made.append)
    request.addfinalizer(lambda: calls.unwatch(made.append))
    for table in (world.workflows, world.requests):
        exhaust(population.recover(population.Population(world, table, 10), lambda task: task.close()))
    assert made == []  # its roster is empty
    for number in (1, 2):
        looks = steps(workers.worker(world, number))
        assert [next(looks) > 0 for _ in range(4)] == [True] * 4  # its start, and three looks
    assert [call.operation for call in made] == ["Query"] * 6
    assert all(sum(call.units.values()) <= 128 for call in made)  # one page each
    made.clear()
    call_command("simulate", duration=0.5, rate=0)
    assert made
    assert "Scan" not in {call.operation for call in made}
    found = items_of(tables["workflows"]).values()
    assert {item["overallStatus"]["S"] for item in found} == {"processing"}


@pytest.mark.parametrize("text", ["", "no json", "[1]", '{"t": 5}', '{"t": [1, "a"]}'])
def test_a_roster_that_cannot_be_read_is_replaced(settings: Any, text: str) -> None:
    (settings.DATA_DIR / "simulator.json").write_text(text)
    roster = Roster.read()
    assert roster.of("workflows") == {}
    roster.add("workflows", ["a", "b", "a"])
    roster.save()
    assert list(Roster.read().of("workflows")) == ["a", "b"]
    settings.DATA_DIR.joinpath("file").touch()
    Roster(settings.DATA_DIR / "file" / "no-folder").save()  # is said in the log, and ends nothing


def test_a_cancel_during_a_long_step_is_seen_within_seconds(world: World) -> None:
    world.pace = Pace(speed=1, failure_rate=0)
    task = steps(orchestrators.workflow(world, "sim-1"))
    while status_of(world.workflows, "sim-1", "overallStatus") != "processing":
        assert next(task) <= 2
    who = Actor("olga", "operator", "user:1001")
    done = workflow_views.CANCEL.act("sim-1", by=who, reason="", action_id=entries.new_action_id())
    time.sleep(0.002)
    assert sum(task) <= 2
    assert world.finished == {"workflows cancelled": 1}
    item = item_of(world.workflows, "sim-1")
    assert item["overallStatus"] == {"S": "cancelled"}
    assert observe(done.entry, item, "lastUpdated", workflow_views.ACTIONS.still_holds).fate == "seen"

    pending(world.requests, "r")
    job = workers.Job(world, "r", "table_processor_001")
    answer_of(job.claim())
    task = steps(job.process())
    while item_of(world.requests, "r")["status"]["S"] != "executing":
        next(task)
    done = action_views.CANCEL.act("r", by=who, reason="", action_id=entries.new_action_id())
    time.sleep(0.002)
    assert sum(task) <= 2
    assert world.finished["requests stopped"] == 1
    item = item_of(world.requests, "r")
    assert item["status"] == {"S": "cancelled"}
    assert observe(done.entry, item, "updated_at", action_views.ACTIONS.still_holds).fate == "seen"


def test_a_workflow_that_is_retried_while_it_runs_has_one_orchestrator(world: World) -> None:
    world.pace = Pace(speed=1, failure_rate=0)
    first = steps(orchestrators.workflow(world, "sim-1"))
    while status_of(world.workflows, "sim-1", "overallStatus") != "processing":
        next(first)
    second = steps(orchestrators.again(world, "sim-1"))
    next(second)
    assert sum(first) <= 4
    exhaust(second)
    assert status_of(world.workflows, "sim-1", "overallStatus") == "completed"


def test_steps_that_no_writer_can_name_do_not_end_the_simulator(world: World) -> None:
    world.pace = Pace(speed=1, failure_rate=0)
    table, at_work = world.workflows, {"status": "in-progress"}
    odd = dict.fromkeys(("x" * 2_000, " ", "\u3000", "items", "a.b"), at_work)
    for session in ("retried", "left"):
        put(table, {table.key: session, "overallStatus": "initializing", "createdAt": "x", **odd})
    exhaust(steps(orchestrators.again(world, "retried")))
    exhaust(steps(orchestrators.interrupt(world, "left")))
    for session, items, overall in (("retried", "success", "completed"), ("left", "error", "failed")):
        item = item_of(table, session)
        assert item["x" * 2_000] == item[" "] == {"M": {"status": {"S": "in-progress"}}}
        ends = {item[key]["M"]["status"]["S"] for key in ("items", "a.b")}
        assert (items in ends, item["overallStatus"]["S"]) == (True, overall)


# --- Patience, and what ends a run ----------------------------------------------------------------------------


def test_an_engine_that_goes_away_is_waited_for_with_one_line_each_way(
    world: World, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    table = world.workflows
    settings.DYNAMO_MAX_ATTEMPTS = 1
    clients_ = itertools.chain(
        [client(table.region, f"http://127.0.0.1:{free_port()}")] * 3, itertools.repeat(None)
    )

    def call() -> Any:
        asked = next(clients_) or client(table.region, table.endpoint)
        return asked.describe_table(TableName=table.name)["Table"]["TableName"]

    with caplog.at_level(logging.INFO, "opsportal.demo"):
        task = steps(world.ask(table, call))
        assert [next(task) for _ in range(3)] == [2.0, 2.0, 2.0]
        assert answer_of(task) == table.name
    # The log of failed calls, where an earlier test has switched it on, tells of each.
    told = [record for record in caplog.records if record.name.startswith("opsportal.demo")]
    assert [record.getMessage().split(":")[0] for record in told] == ["waiting for the engine", "going on"]


def test_what_a_program_raises_ends_the_run_and_a_sentence_says_why(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> None:
        raise AccessDenied("IAM refuses PutItem.", "Allow it.")

    monkeypatch.setattr(heartbeats, "beat", refused)
    with pytest.raises(CommandError, match=r"IAM refuses PutItem. Allow it."):
        call_command("simulate", rate=0)


# --- Filling -------------------------------------------------------------------------------------------


def test_filling_puts_so_many_finished_items_and_says_how_fast(
    tables: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("simulate", workflows=55, requests=30, finished=True, seed=3, failure_rate=0.5)
    out = capsys.readouterr().out
    assert "55 items in" in out
    assert "30 items in" in out
    found = items_of(tables["workflows"])
    assert len(found) == 55
    assert {item["overallStatus"]["S"] for item in found.values()} == {"completed", "failed"}
    assert {item["status"]["S"] for item in items_of(tables["requests"]).values()} == {"completed", "failed"}
    assert len(items_of(tables["requests"])) == 30
    call_command("simulate", workflows=55, finished=True, seed=3)
    assert len(items_of(tables["workflows"])) == 55


class Leaving:
    """A client whose first answers leave items unprocessed, as DynamoDB's do under load."""

    def __init__(self, real: Any) -> None:
        self.real, self.left = real, 3

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803
        (name, asked), rest = next(iter(RequestItems.items())), []
        if self.left:
            self.left -= 1
            asked, rest = asked[:5], asked[5:]
        self.real.batch_write_item(RequestItems={name: asked})
        return {"UnprocessedItems": {name: rest} if rest else {}}


def test_filling_puts_what_was_left_unprocessed_too(
    tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "SAY_EVERY", 0)
    said: list[str] = []
    table = tables["workflows"]
    leaving = Leaving(client(table.region, table.endpoint))
    monkeypatch.setattr(batches.clients, "client", lambda *args, **options: leaving)
    items = list(fill.finished_workflows(table.key, 60, datetime.now(UTC), 1, 0.1))
    assert fill.fill(table, items, said.append) == 60
    assert said[0].endswith("written")
    assert leaving.left == 0
    assert len(items_of(table)) == 60


def test_filling_says_what_is_wrong(tables: dict[str, Any]) -> None:
    table = tables["workflows"]
    client(table.region, table.endpoint).delete_table(TableName=table.name)
    with pytest.raises(CommandError, match="There is no table"):
        call_command("simulate", workflows=3, finished=True)
