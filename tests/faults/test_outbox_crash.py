"""Processes that die between the commit of an action and the sending of its message."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from django.core.management import call_command

from opsportal import aws
from opsportal.operations.entries import Actor
from opsportal.operations.tables import jobs_table_for
from opsportal.run import queues
from opsportal.supervisor import die_with, free_port, wait_until_listening
from requests_app import action_views
from tests.engines import BASE_DIR
from tests.operations.places import get, outbox, put, request_item, trail
from tests.processes import eventually

pytestmark = pytest.mark.no_moto

# A process with the tables of the test. What follows is its own program.
SETUP = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
given = json.loads(sys.argv[1])
for name, value in given["settings"].items():
    setattr(settings, name, value)
import django
django.setup()
os.environ.update(given["environ"])
from django.core.management import call_command
from opsportal.operations import outbox, transactions
from opsportal.operations.entries import Actor
from requests_app import action_views
"""
RETRY = """
action_views.RETRY.act("req-1", by=Actor("olga", "operator", "user:1001"), reason="", action_id=given["action_id"])
"""
DIES = f"""
outbox.send_soon = lambda message, table: os._exit(9)
{RETRY}
print("still here")
"""
DIES_WITH_THE_CLAIM = f"""
outbox.handlers()["requests.sqs"] = lambda message, table: os._exit(9)
{RETRY}
"""
DIES_AFTER_THE_QUEUE = f"""
send = outbox.handlers()["requests.sqs"]
outbox.handlers()["requests.sqs"] = lambda message, table: (send(message, table), os._exit(9))
{RETRY}
"""
WORKER_ONCE = """
call_command("worker", "--once", "--only", "outbox")
"""
WORKER = """
print("working", flush=True)
call_command("worker", only=["outbox"])
"""


@pytest.fixture(scope="session")
def queue_server() -> Iterator[str]:
    """The endpoint of the queues of `make run`."""
    port = free_port()
    process = subprocess.Popen(
        queues.command(port),
        cwd=BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with(os.getpid()),
    )
    try:
        wait_until_listening(process, port, timeout=60)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


class Queue:
    """The queue of `sqs` requests as a worker has it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.url = queues.queue_urls(endpoint)["REQUESTS_QUEUE_URL"]
        self._client = botocore.session.Session().create_client(
            "sqs", region_name=queues.REGION, endpoint_url=endpoint
        )

    def take(self) -> list[dict[str, Any]]:
        """Every message, deleted."""
        taken = []
        while found := self._client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in found:
                taken.append(json.loads(message["Body"]))
                self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return taken


@pytest.fixture
def queue(queue_server: str) -> Queue:
    queue = Queue(queue_server)
    queue.take()
    return queue


Begin = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def action_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def begin(
    tables: dict[str, Any], settings: Any, queue: Queue, action_id: str, tmp_path: Path
) -> Iterator[Begin]:
    """Starts a process with that program; it ends with the test."""
    put(tables["requests"], request_item(status="failed", processing_strategy={"S": "sqs"}))
    given = {
        "settings": {
            "DYNAMO_TABLES": settings.DYNAMO_TABLES,
            "OWN_TABLE_PREFIX": settings.OWN_TABLE_PREFIX,
            "REQUESTS_QUEUE_URL": queue.url,
        },
        "environ": {"AWS_ENDPOINT_URL_SQS": queue.endpoint},
        "action_id": action_id,
    }
    started: list[subprocess.Popen[str]] = []

    def start(program: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", SETUP + program, json.dumps(given)],
            cwd=BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with(os.getpid()),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture
def here(begin: Begin, settings: Any, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What takes up what a dead process left may be this one, which is there already."""
    settings.REQUESTS_QUEUE_URL = queue.url
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", queue.endpoint)
    aws.forget()
    yield
    aws.forget()


def work_once() -> str:
    """The last line of a worker's pass in this process."""
    said = io.StringIO()
    call_command("worker", "--once", "--only", "outbox", stdout=said)
    return said.getvalue().splitlines()[-1]


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def test_a_process_killed_between_commit_and_send_loses_no_message(
    tables: dict[str, Any], begin: Begin, here: None, queue: Queue, action_id: str
) -> None:
    code, output = ended(begin(DIES))
    assert code == 9, output
    # All of the transaction is there, and nothing was sent.
    assert get(tables["requests"], "req-1")["status"] == {"S": "pending"}  # type: ignore[index]
    assert [entry["action_id"]["S"] for entry in trail(tables["requests"])] == [action_id]
    assert len(outbox(tables["requests"])) == 1
    assert queue.take() == []

    # Two workers find it at once; a claim lets one of them send it.
    workers = [begin(WORKER_ONCE), begin(WORKER_ONCE)]
    outputs = [ended(worker) for worker in workers]
    assert [code for code, _ in outputs] == [0, 0], outputs
    assert sorted(output.splitlines()[-1] for _, output in outputs) == ["0 done.", "1 done."]
    (body,) = queue.take()
    assert body["action_id"] == action_id
    assert body["request_id"] == "req-1"
    assert body["metadata"]["retry_count"] == 1
    assert outbox(tables["requests"]) == []

    # Whoever sends the form again is told of success, and nothing is sent again.
    action_views.RETRY.act("req-1", by=Actor("olga", "operator", "user:1001"), reason="", action_id=action_id)
    assert queue.take() == []
    assert len(trail(tables["requests"])) == 1


def test_a_process_killed_while_it_sends_leaves_the_message_to_the_next(
    tables: dict[str, Any], begin: Begin, here: None, queue: Queue, action_id: str
) -> None:
    assert ended(begin(DIES_WITH_THE_CLAIM))[0] == 9
    (message,) = outbox(tables["requests"])
    assert "claimed_until" in message
    # The claim of the dead is respected while it lasts.
    assert work_once() == "0 done."
    assert queue.take() == []
    put(jobs_table_for(tables["requests"]), {**message, "claimed_until": {"N": "1"}})
    assert work_once() == "1 done."
    (body,) = queue.take()
    assert body["action_id"] == action_id


def test_a_message_may_come_twice_and_its_receiver_can_tell(
    tables: dict[str, Any], begin: Begin, here: None, queue: Queue, action_id: str
) -> None:
    """At least once: a process that dies after the queue has taken it has not deleted it yet."""
    assert ended(begin(DIES_AFTER_THE_QUEUE))[0] == 9
    (message,) = outbox(tables["requests"])
    put(jobs_table_for(tables["requests"]), {**message, "claimed_until": {"N": "1"}})
    assert work_once() == "1 done."
    bodies = queue.take()
    assert [body["action_id"] for body in bodies] == [action_id] * 2
    assert outbox(tables["requests"]) == []


def test_a_worker_sends_what_was_left_and_ends_when_told(
    tables: dict[str, Any], begin: Begin, queue: Queue, action_id: str
) -> None:
    assert ended(begin(DIES))[0] == 9
    worker = begin(WORKER)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "working\n"
    assert eventually(lambda: not outbox(tables["requests"]), seconds=30)
    assert [body["action_id"] for body in queue.take()] == [action_id]
    worker.send_signal(signal.SIGTERM)
    code, output = ended(worker)
    assert (code, output.splitlines()[-1]) == (0, "1 done.")
