"""Simulated programs that live on messages: workers of the `sqs` strategy, and orchestrators that are told."""

import asyncio
import itertools
import json
import logging
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from opsportal.demo.simulation import messages, orchestrators, population, workers
from opsportal.demo.simulation.world import Pace, World
from opsportal.demo.stamps import naive
from opsportal.operations.entries import Actor, new_action_id
from opsportal.supervisor import free_port
from requests_app import action_views
from tests.demo.reading import item_of, items_of
from tests.demo.test_simulate import (
    answer_of,
    change,
    exhaust,
    pending,
    put,
    status_of,
    stepped_world,
    steps,
)
from tests.queues import Queue
from tracking import action_views as workflow_views

pytestmark = pytest.mark.no_moto

OLGA = Actor("olga", "operator", "user:1001")
_numbers = itertools.count()


@pytest.fixture
def queue(
    engines: Callable[[str], Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Queue]:
    """``queue("REQUESTS_QUEUE_URL")``: the queue of that setting, empty."""
    endpoint = engines("moto").endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)

    def made(setting: str) -> Queue:
        found = Queue(endpoint, f"demo-{setting.lower()}-{next(_numbers)}")
        setattr(settings, setting, found.url)
        return found

    return made


@pytest.fixture
def requests_queue(queue: Callable[[str], Queue]) -> Queue:
    return queue("REQUESTS_QUEUE_URL")


@pytest.fixture
def commands(queue: Callable[[str], Queue]) -> Queue:
    return queue("WORKFLOW_COMMANDS_QUEUE_URL")


def until(task: Iterator[float], condition: Callable[[], bool], most: int = 300) -> None:
    """Run a task without its pauses until that is so."""
    for _ in range(most):
        if condition():
            return
        next(task)
    pytest.fail("it never came to be")


def send(queue: Queue, body: Any) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    queue.client.send_message(QueueUrl=queue.url, MessageBody=text)


def left_in(queue: Queue) -> int:
    """Messages that are in the queue, or were received and not deleted."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = queue.client.get_queue_attributes(QueueUrl=queue.url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


# --- Requests ------------------------------------------------------------------------------------------


def test_a_retry_of_a_queued_request_is_taken_from_the_queue_and_done(
    tables: dict[str, Any], requests_queue: Queue
) -> None:
    world = stepped_world()
    pending(world.requests, "r", status="failed", processing_strategy="sqs")
    action_views.RETRY.act("r", by=OLGA, reason="", action_id=new_action_id())
    assert left_in(requests_queue) == 1
    assert answer_of(workers.waiting(world, set())) == []  # those who look into the table leave it alone
    task = steps(messages.requests(world, messages.Inbox(world, requests_queue.url), 4))
    until(task, lambda: status_of(world.requests, "r") == "processing")
    assert left_in(requests_queue) == 0
    until(task, lambda: status_of(world.requests, "r") == "completed")
    assert item_of(world.requests, "r")["processing_metadata"]["M"]["worker_id"] == {"S": "sqs_processor_004"}


def test_a_message_for_what_is_not_pending_or_is_not_there_is_taken_away(
    tables: dict[str, Any], requests_queue: Queue
) -> None:
    world = stepped_world()
    pending(world.requests, "done", status="cancelled", processing_strategy="sqs")
    pending(world.requests, "next", processing_strategy="sqs")
    before = item_of(world.requests, "done")
    for body in (
        {"request_id": "done"},
        {"request_id": "gone"},
        {},
        "no JSON",
        ["r"],
        {"request_id": "next"},
    ):
        send(requests_queue, body)
    task = steps(messages.requests(world, messages.Inbox(world, requests_queue.url), 4))
    until(task, lambda: status_of(world.requests, "next") == "completed")
    assert left_in(requests_queue) == 0
    assert item_of(world.requests, "done") == before
    assert set(items_of(world.requests)) == {"done", "next"}


def test_a_message_that_was_lost_is_not_waited_for_for_ever(
    tables: dict[str, Any], requests_queue: Queue
) -> None:
    world = stepped_world()
    old, fresh = world.now() - timedelta(minutes=3), world.now()
    pending(world.requests, "old", processing_strategy="sqs", updated_at=naive(old))
    pending(world.requests, "fresh", processing_strategy="sqs", updated_at=naive(fresh))
    pending(world.requests, "table", updated_at=naive(fresh))
    assert set(answer_of(workers.waiting(world, set()))) == {"old", "table"}
    world.requests_queue = ""
    assert set(answer_of(workers.waiting(world, set()))) == {"old", "table", "fresh"}


def test_simulated_people_send_a_message_with_a_request_for_the_queue(
    tables: dict[str, Any], requests_queue: Queue
) -> None:
    world = stepped_world()
    made = population.Population(world, world.requests, 50)
    idents = [answer_of(population.submit_request(world, made)) for _ in range(12)]
    queued = [one for one in idents if item_of(world.requests, one)["processing_strategy"] == {"S": "sqs"}]
    assert 0 < len(queued) < len(idents)
    sent = requests_queue.messages()
    assert sorted(body["request_id"] for body in sent) == sorted(queued)
    assert set(sent[0]) == {
        "request_id", "project_id", "user_id", "request_type", "priority", "configuration", "metadata"
    }  # fmt: skip


def test_a_queue_that_is_away_is_waited_for_with_one_line_each_way(
    tables: dict[str, Any], requests_queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    world = stepped_world()
    pending(world.requests, "r", processing_strategy="sqs")
    inbox = messages.Inbox(world, requests_queue.url)
    client = inbox.client
    inbox.client = client.__class__.__new__(client.__class__)  # answers nothing yet

    def away(**_: Any) -> Any:
        raise messages.ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "away"}}, "Receive")

    inbox.client.receive_message = away
    task = steps(messages.requests(world, inbox, 4))
    with caplog.at_level(logging.INFO, "opsportal.demo.simulation.world"):
        assert [next(task) for _ in range(3)] == [2.0, 2.0, 2.0]
        inbox.client = client
        send(requests_queue, {"request_id": "r"})
        until(task, lambda: status_of(world.requests, "r") == "completed")
    assert [record.getMessage().split(" ")[0] for record in caplog.records] == ["waiting", "going"]


def test_a_request_is_submitted_though_the_queue_is_away(
    tables: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", endpoint)
    settings.REQUESTS_QUEUE_URL = f"{endpoint}/1/away"
    world = stepped_world()
    monkeypatch.setattr(world.rng, "choices", lambda values, weights: [values[-1]])  # low, sqs
    made = population.Population(world, world.requests, 50)
    assert answer_of(population.submit_request(world, made)) in items_of(world.requests)


# --- Commands ------------------------------------------------------------------------------------------


@pytest.fixture
def failed(tables: dict[str, Any], commands: Queue, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world with one workflow, ``s``, that failed at its third step."""
    world = stepped_world()
    world.pace = Pace(speed=2_000, failure_rate=1)
    with monkeypatch.context() as patched:
        patched.setattr(world.rng, "randrange", lambda *args: 2)
        exhaust(orchestrators.workflow(world, "s"))
    world.pace = Pace(speed=2_000, failure_rate=0)
    world.finished.clear()
    assert statuses(world) == ["success", "success", "error", "pending"]
    return world


def statuses(world: World) -> list[str]:
    item = item_of(world.workflows, "s")
    return [item[step["key"]]["M"]["status"]["S"] for step in world.steps]


def carried_out(world: World, queue: Queue) -> int:
    """Take the commands that are there, and run what they start to its end; how many were started."""
    started: list[Any] = []
    task = steps(messages.commands(world, messages.Inbox(world, queue.url), started.append))
    until(task, lambda: left_in(queue) == 0)
    next(task)
    for one in started:
        exhaust(one)
    return len(started)


@pytest.mark.parametrize("from_failed", [True, False])
def test_a_retry_runs_the_steps_again_from_where_it_says(
    failed: World, commands: Queue, from_failed: bool
) -> None:
    before = item_of(failed.workflows, "s")
    workflow_views.RETRY.act("s", by=OLGA, reason="", action_id=new_action_id(), from_failed=from_failed)
    assert carried_out(failed, commands) == 1
    assert failed.finished == {"workflows completed": 1}
    assert statuses(failed) == ["success"] * 4
    after = item_of(failed.workflows, "s")
    assert after["overallStatus"] == {"S": "completed"}
    kept = [step["key"] for step in failed.steps if after[step["key"]] == before[step["key"]]]
    assert kept == ([step["key"] for step in failed.steps[:2]] if from_failed else [])
    spent = sum(int(after[step["key"]]["M"]["tokenUsage"]["M"]["totalTokens"]["N"]) for step in failed.steps)
    assert after["totalTokenUsage"]["M"]["totalTokens"] == {"N": str(spent)}


def test_a_command_that_is_delivered_twice_is_carried_out_once(failed: World, commands: Queue) -> None:
    change(failed.workflows, "s", overallStatus="initializing")
    command = {"action": "retry", "sessionId": "s", "fromStep": "tradeMatching", "action_id": "a-1"}
    for _ in range(2):
        send(commands, command)
    assert carried_out(failed, commands) == 1


def test_a_command_that_nobody_knows_is_told_and_taken_away(
    failed: World, commands: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    before = item_of(failed.workflows, "s")
    for body in ({"action": "explode", "sessionId": "s"}, {"action": "retry", "sessionId": 7}, "no JSON"):
        send(commands, body)
    assert carried_out(failed, commands) == 0
    assert caplog.text.count("no orchestrator knows this command") == 3
    assert item_of(failed.workflows, "s") == before


def test_a_retry_of_what_is_gone_or_finished_changes_nothing(failed: World, commands: Queue) -> None:
    before = item_of(failed.workflows, "s")  # failed, and not set back
    for session in ("gone", "s"):
        send(commands, {"action": "retry", "sessionId": session, "fromStep": None, "action_id": session})
    assert carried_out(failed, commands) == 2
    assert item_of(failed.workflows, "s") == before
    assert item_of(failed.workflows, "gone") == {}


def test_the_steps_of_another_orchestrator_are_run_too(failed: World, commands: Queue) -> None:
    table = failed.workflows
    steps = {name: {"status": "pending", "activity": "Waiting"} for name in ("riskCheck", "settlement")}
    put(table, {table.key: "other", "overallStatus": "initializing", **steps})
    send(commands, {"action": "retry", "sessionId": "other", "fromStep": "settlement", "action_id": "a-2"})
    assert carried_out(failed, commands) == 1
    item = item_of(table, "other")
    assert item["overallStatus"] == {"S": "completed"}
    assert [item[name]["M"]["status"]["S"] for name in steps] == ["pending", "success"]
    assert not {step["key"] for step in failed.steps} & set(item)


# --- Whole runs ----------------------------------------------------------------------------------------


def test_a_run_reads_its_queues(
    tables: dict[str, Any],
    requests_queue: Queue,
    queue: Callable[[str], Queue],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # All that is simulated draws from one source, in an order that the machine's load decides.
    chosen, choices = itertools.cycle((["table"], ["sqs"])), random.Random.choices

    def alternately(rng: random.Random, among: Any, *weights: Any) -> Any:
        return next(chosen) if among == ("table", "sqs") else choices(rng, among, *weights)

    monkeypatch.setattr(random.Random, "choices", alternately)
    commands = queue("WORKFLOW_COMMANDS_QUEUE_URL")
    put(tables["workflows"], {tables["workflows"].key: "s", "overallStatus": "initializing"})
    send(commands, {"action": "retry", "sessionId": "s", "fromStep": None, "action_id": "a-3"})
    call_command("simulate", requests=6, failure_rate=0, speed=2_000, rate=60_000, seed=8)
    found = items_of(tables["requests"])
    assert {item["processing_strategy"]["S"] for item in found.values()} == {"table", "sqs"}
    assert {item["status"]["S"] for item in found.values()} == {"completed"}
    for item in found.values():
        worker = item["processing_metadata"]["M"]["worker_id"]["S"]
        assert worker.startswith(f"{item['processing_strategy']['S']}_processor_")
    assert left_in(requests_queue) == left_in(commands) == 0
    assert item_of(tables["workflows"], "s")["overallStatus"]["S"] != "initializing"


def test_the_loop_runs_what_a_command_starts(failed: World, commands: Queue) -> None:
    change(failed.workflows, "s", overallStatus="initializing")
    send(commands, {"action": "retry", "sessionId": "s", "fromStep": None, "action_id": "a-4"})
    failed.sleep = asyncio.sleep

    async def run() -> None:
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            reader = group.create_task(
                messages.commands(failed, messages.Inbox(failed, commands.url), group.create_task)
            )
            while not failed.finished:
                await asyncio.sleep(0.01)
            reader.cancel()

    asyncio.run(run())
    assert failed.finished == {"workflows completed": 1}


@pytest.mark.parametrize("setting", ["REQUESTS_QUEUE_URL", "WORKFLOW_COMMANDS_QUEUE_URL"])
def test_simulate_takes_no_message_from_a_real_queue(
    tables: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_SQS", raising=False)
    setattr(settings, setting, "https://sqs.eu-west-1.amazonaws.com/111122223333/real")
    with pytest.raises(
        CommandError, match=f"refuses that of {setting} at https://sqs.eu-west-1.amazonaws.com"
    ):
        call_command("simulate", workflows=1)
