"""`make run` is interrupted, killed and started twice; nothing is left running and nothing is lost."""

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from opsportal.operations.outbox import Message
from tests.engines import running
from tests.faults.conftest import FirstStart, Run, put_engine
from tests.processes import all_end, command_of, cpu_seconds, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched through /proc")
Start = Callable[..., Run]
Console = Callable[[], Run]


def child(run: Run, part: str) -> int:
    """The process below ``run`` with ``part`` in its command line."""
    (pid,) = [pid for pid in run.children() if part in command_of(pid)]
    return pid


def kill(run: Run, part: str) -> None:
    """Kill the eldest process below ``run`` with ``part`` in its command line."""
    os.kill(min(pid for pid in run.children() if part in command_of(pid)), signal.SIGKILL)


# --- While it runs: these leave the console that they share as it is -----------------------------------------


def test_the_first_start_makes_everything(first_start: FirstStart) -> None:
    assert "Collecting" in first_start.output
    assert "Loading demo data" in first_start.output
    # Under the names alone that pages ask for: each file is compressed once.
    icons = [file.name for file in Path(first_start.static["STATIC_ROOT"], "console").glob("icons.*")]
    assert len(icons) == 3, icons


def test_the_lock_of_a_run_that_is_gone_hinders_nobody(console: Console) -> None:
    run = console()
    assert (run.data_dir / "run.lock").read_text() == f"{run.process.pid} {run.url}/\n"


def test_a_second_run_from_the_same_data_is_refused(start: Start, console: Console) -> None:
    first = console()
    second = start(first.data_dir)
    assert second.process.wait(10) == 1
    assert second.output == (
        f"The console already runs from {first.data_dir} ({first.url}/): stop it with Ctrl-C or "
        f"`kill {first.process.pid}`, or set DATA_DIR and PORT to run a second one.\n"
    )
    assert first.get("/healthz") == 200


def test_another_console_cannot_share_the_port(start: Start, console: Console, tmp_path: Path) -> None:
    second = start(put_engine(tmp_path / "other"), PORT=console().environ["PORT"])
    assert second.process.wait(10) == 1
    assert "is used by another program" in second.output


def test_the_queues_are_there_and_every_child_is_told_of_them(console: Console) -> None:
    run = console()
    sqs = run.sqs()
    urls = sqs.list_queues()["QueueUrls"]
    sqs.close()
    assert [url.rpartition("/")[2] for url in urls] == ["requests", "workflow-commands"]
    endpoint = sqs.meta.endpoint_url
    assert run.environ["REQUESTS_QUEUE_URL"] not in urls
    for part in ("gunicorn", "manage.py worker", "manage.py simulate"):
        pid = min(pid for pid in run.children() if part in command_of(pid))
        environ = Path(f"/proc/{pid}/environ").read_text().split("\0")
        assert f"AWS_ENDPOINT_URL_SQS={endpoint}" in environ
        told = {line.partition("=")[2] for line in environ if "_QUEUE_URL=" in line}
        assert told == set(urls)


def test_secrets_and_data_are_readable_by_their_owner_alone(
    first_start: FirstStart, console: Console
) -> None:
    run = console()
    for folder in (first_start.data_dir, run.data_dir):
        for name in ("secret_key", "demo_password", "console.sqlite3", "dynamodb.sqlite3"):
            assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert "password chosen by me" in run.output


# --- The ways in which it ends. Each start costs three seconds of a core: what one can show, it shows ---------


def test_closing_its_terminal_stops_every_child(console: Console) -> None:
    run = console()
    children = run.children()
    # The engine, the queues, gunicorn, its two workers, the console's worker, the simulator.
    assert len(children) >= 7
    assert run.get("/healthz") == 200
    run.ends(lambda: run.process.send_signal(signal.SIGHUP), 0)


@pytest.mark.long  # that of the worker, the engine and the web server is below
def test_the_end_of_the_queues_stops_the_rest(start: Start, data_dir: Path) -> None:
    run = start(data_dir).wait_until_ready()
    run.ends(lambda: kill(run, "opsportal.run.queues"), 1)
    assert "The queues ended with -9; stopping the rest." in run.output


def test_what_a_run_that_was_killed_had_is_there_in_the_next(start: Start, data_dir: Path) -> None:
    # Its worker is killed before it could send what is in the outbox: it stops.
    first = start(data_dir).wait_until_ready()
    os.kill(child(first, "manage.py worker"), signal.SIGSTOP)
    messages = [
        Message("requests.sqs", {"request_id": "req-1"}, "00000000-0000-4000-8000-000000000001"),
        Message("workflows.command", {"sessionId": "s-1"}, "00000000-0000-4000-8000-000000000002"),
    ]
    client = first.dynamodb()
    for message in messages:
        client.put_item(TableName="dev-opsportal_jobs", Item=message.item())
    client.put_item(TableName="AgentRegistry", Item={"agentId": {"S": "kept"}})
    client.close()
    first.ends(lambda: kill(first, "manage.py worker"), 1)
    assert "The worker ended with -9; stopping the rest." in first.output

    # The next sends it. It is itself killed, and leaves no orphan.
    second = start(data_dir).wait_until_ready()
    sqs, client = second.sqs(), second.dynamodb()
    for message, url in zip(messages, sqs.list_queues()["QueueUrls"], strict=True):
        received: list[Any] = []

        def arrived(url: str = url, received: list[Any] = received) -> bool:
            received.extend(sqs.receive_message(QueueUrl=url).get("Messages", []))
            return bool(received)

        assert eventually(arrived)
        assert [json.loads(one["Body"]) for one in received] == [
            message.body | {"action_id": message.action_id}
        ]
    # Sent, and then deleted.
    outbox = {
        "FilterExpression": "begins_with(pk, :p)",
        "ExpressionAttributeValues": {":p": {"S": "outbox#"}},
    }
    assert eventually(lambda: client.scan(TableName="dev-opsportal_jobs", **outbox)["Count"] == 0)
    sqs.close()
    client.close()
    children = second.children()
    second.process.kill()
    assert all_end(children)

    # And the next is quick, has the data, loads none again, and stops at Ctrl-C.
    third = start(data_dir, DEMO="1").wait_until_ready()
    # A busy machine stretches the wall clock; five seconds of one core bound it on an idle one.
    assert cpu_seconds(third.process.pid) < 5
    client = third.dynamodb()
    assert "Item" in client.get_item(TableName="AgentRegistry", Key={"agentId": {"S": "kept"}})
    client.close()
    assert third.password == first.password
    assert "Collecting" not in third.output
    assert "Loading" not in third.output
    third.ends(lambda: third.process.send_signal(signal.SIGINT), 0)


@pytest.mark.long  # a run that is killed leaves no child: above
def test_a_killed_make_stops_everything(start: Start, data_dir: Path) -> None:
    shell = ["sh", "-c", f"'{sys.executable}' -m opsportal.run & wait"]
    run = start(data_dir, command=shell, MAKELEVEL="1").wait_until_ready()
    children = run.children()
    run.process.kill()
    assert all_end(children)


@pytest.mark.parametrize("name", ["PORT", "ENGINE_PORT"])
def test_a_busy_port_is_named_with_the_mend(start: Start, data_dir: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = start(data_dir, measured=True, **{name: str(port)})
        assert run.process.wait(10) == 1
    assert f"Port {port} is used by another program: choose another, such as `{name}=" in run.output
    assert len(run.output.splitlines()) == 1


def test_without_npm_moto_takes_over_with_one_clear_line(
    start: Start, data_dir: Path, tmp_path: Path
) -> None:
    (data_dir / "engine").rename(tmp_path / "engine")
    run = start(data_dir, measured=True, PATH=str(tmp_path)).wait_until_ready()
    lines = [line for line in run.output.splitlines() if "moto" in line]
    assert lines[0] == (
        "No embedded engine: npm is not installed, which fetches dynoxide. Using moto in memory instead: "
        "its data is lost when it stops."
    )
    assert "(moto, in memory: data is lost when it stops)" in lines[1]
    client = run.dynamodb()
    assert client.describe_table(TableName="dev-request_processing_logs")
    client.close()
    run.ends(lambda: kill(run, "moto.server"), 1)
    assert "The engine ended with -9; stopping the rest." in run.output


def test_an_engine_that_was_asked_for_by_name_is_not_replaced(
    start: Start, data_dir: Path, tmp_path: Path
) -> None:
    (data_dir / "engine").rename(tmp_path / "engine")
    run = start(data_dir, measured=True, PATH=str(tmp_path), OPSPORTAL_ENGINE="dynoxide")
    assert run.process.wait(10) == 1
    assert "Set OPSPORTAL_ENGINE=moto to use moto instead." in run.output


def test_with_aws_nothing_is_made_and_the_worker_waits_for_its_tables(
    start: Start, first_start: FirstStart, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(first_start.data_dir / "static.sha256", tmp_path / "data")
    with running("dynoxide") as amazon:
        local = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "SIMULATE": "1", "DEMO": "1"}
        run = start(tmp_path / "data", measured=True, AWS_ENDPOINT_URL_DYNAMODB=amazon.endpoint, **local)
        run.wait_until_ready()
        log = tmp_path / "data" / "logs" / "worker.log"
        # The tasks of both regions say so, in either order.
        asked = ("There is no table dev-opsportal_jobs in us-east-1.", "python manage.py dynamo migrate")
        assert eventually(lambda: log.exists() and all(part in log.read_text() for part in asked))
        client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=amazon.endpoint)
        assert client.list_tables()["TableNames"] == []
        client.close()
    assert "No table was created and no data loaded." in run.output
    assert "manage.py create_user NAME --role" in run.output
    ours = ("simulate", "dynoxide", "opsportal.run.queues")
    assert not any(part in command_of(pid) for pid in run.children() for part in ours)
    assert "Queues" not in run.output
    assert not (tmp_path / "data" / "demo_password").exists()
    run.ends(lambda: kill(run, "gunicorn"), 1)
    assert "The web server ended with -9; stopping the rest." in run.output


def test_ctrl_c_while_it_is_still_starting_leaves_nothing(start: Start, data_dir: Path) -> None:
    run = start(data_dir)
    assert eventually(lambda: any("gunicorn" in command_of(pid) for pid in run.children()))
    children = run.children()
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(20) == 0
    assert all_end(children)


def test_settings_that_are_refused_are_one_sentence(start: Start, data_dir: Path) -> None:
    run = start(data_dir, measured=True, OPSPORTAL_ENV="Production")
    assert run.process.wait(20) == 1
    (said,) = run.output.splitlines()
    assert said.startswith("The settings refuse to start: OPSPORTAL_ENV is 'Production'")
