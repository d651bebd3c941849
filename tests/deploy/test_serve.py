"""The entry point as a container or a unit starts it. What can't be had here, a container engine, is not shown: that
the image builds and that its base has what it needs."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from opsportal import serve
from opsportal.supervisor import free_port
from tests.deploy.machine import ROOT, Machine, ask, collect, machine
from tests.dynamo.fake_aws import Answer, fake_dynamo
from tests.processes import descendants, eventually

TOKEN = "a-token-of-twenty-four-chars"
HTTPS = {"Host": "ops.example.com", "X-Forwarded-Proto": "https"}


@pytest.fixture
def here() -> Iterator[Machine]:
    with machine() as made:
        yield made


@pytest.fixture
def dynamodb() -> Iterator[str]:
    """Empty tables that nobody may describe."""
    answers = {
        "DescribeTable": Answer({"__type": "x#AccessDeniedException", "message": "no"}, status=400),
        "UpdateItem": Answer({"Attributes": {"fence": {"N": "1"}}}),  # of a lease
    }
    with fake_dynamo() as fake:
        fake.answer = lambda operation, _: answers.get(operation, Answer({"Items": [], "Count": 0}))
        yield fake.endpoint


def test_an_ordinary_user_serves_from_a_read_only_tree(here: Machine, dynamodb: str) -> None:
    collect(here)
    assert here.run("migrate").returncode == 0
    done = here.run("check")
    assert done.returncode == 0, done.stdout + done.stderr

    port, worker_port = free_port(), free_port()
    locations = {
        "WEB_BIND": f"127.0.0.1:{port}",
        "METRICS_WORKER_PORT": str(worker_port),
        "METRICS_TOKEN": TOKEN,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
    }
    web, worker = here.start("web", **locations), here.start("worker", **locations)
    here.until_answered("web", port)
    here.until_answered("worker", worker_port)
    assert here.run("health", **locations).returncode == 0
    assert here.run("health", "worker", **locations).returncode == 0

    status, page = ask(port, "/accounts/login/", **HTTPS)
    assert (status, "Sign in" in page) == (200, True)
    (style,) = re.findall(r'href="(/static/console/app[^"]*\.css)"', page)
    assert ask(port, style, **HTTPS)[0] == 200
    assert ask(port, "/accounts/login/", Host="ops.example.com")[0] == 301
    assert ask(port, "/readyz") == (200, '{"status": "ok"}')
    assert ask(port, "/metrics")[0] == 401

    assert shared_by_forks(web.pid) == {"listeners": 2, "threads": 1, "others": []}

    # Whichever of the two workers is asked, it tells what both counted, and what a dead one had counted.
    for _ in range(10):
        ask(port, "/no-such-page", **HTTPS)
    one, _other = sorted(descendants(web.pid))
    os.kill(one, signal.SIGKILL)
    assert eventually(lambda: len(descendants(web.pid)) == 2 and one not in descendants(web.pid))
    here.until_answered("web", port)
    counted = 'opsportal_http_requests_total{method="GET",route="none",status="404"} 10.0'
    for _ in range(4):
        assert counted in ask(port, "/metrics", Authorization=f"Bearer {TOKEN}")[1]
    passed = r'opsportal_worker_passes_total{chore="outbox",outcome="ok",region="us-east-1"} [1-9]'

    def figures_of_worker() -> str:
        return ask(worker_port, "/metrics", Authorization=f"Bearer {TOKEN}")[1]

    # On a busy machine its first pass comes later.
    assert eventually(lambda: re.search(passed, figures_of_worker()))
    figures = figures_of_worker()
    assert 'opsportal_outbox_due{region="us-east-1"} 0.0' in figures
    assert 'opsportal_dynamodb_calls_total{operation="Query",outcome="ok",table="jobs"}' in figures

    for process in (web, worker):
        process.terminate()
        assert process.wait(15) == 0
    assert not [*(here.home / "tmp").glob("opsportal-metrics-*")]

    asked = {(line["route"], line["status"]) for line in here.lines("web", "out")}
    assert {("account_login", 200), ("metrics", 401), ("static", 200)} <= asked
    said = here.lines("web", "err")
    assert any("SIGKILL" in line["message"] for line in said)  # gunicorn's own line
    (denied, *_) = [line for line in said if line["logger"] == "opsportal.telemetry.calls"]
    assert denied["error"] == "AccessDeniedException"
    assert denied["aws_request_id"].startswith("REQUEST")
    assert denied["request_id"]
    # The overview's figures, which the worker reads first of all; each table is asked once, not for each of its statuses.
    noticed = [line["message"].partition(" failed")[0] for line in here.lines("worker", "err")]
    assert set(noticed) <= {f"DescribeTable on {name}" for name in settings.DYNAMO_TABLES}
    assert len(noticed) < 20

    # And with the packages of requirements/base.txt, which has no Sentry.
    (package,) = (here.home / "venv" / "lib").glob("python*/site-packages/sentry_sdk")
    package.unlink()
    done = here.run("check", SENTRY_DSN="https://key@sentry.example.com/1")
    assert done.returncode == 1
    assert done.stderr.startswith("SENTRY_DSN is set, and the package sentry-sdk is not installed: install")


def shared_by_forks(master: int) -> dict[str, object]:
    """What a worker would get of the web server's master besides its memory."""
    process = Path(f"/proc/{master}")
    opened = [os.readlink(file) for file in (process / "fd").iterdir()]
    return {
        "listeners": sum(name.startswith("socket:") for name in opened),
        "threads": len([*(process / "task").iterdir()]),
        "others": [name for name in opened if "sqlite" in name or name.endswith(".log")],
    }


def test_what_the_settings_refuse_is_one_sentence() -> None:
    for command in ("web", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "opsportal.serve", command],
            env={"PATH": os.environ["PATH"], "OPSPORTAL_ENV": "prod", "SECRET_KEY": "short"},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert done.stderr.splitlines() == ["SECRET_KEY is too short: use at least 50 random characters."]


def test_pending_migrations_are_no_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "_manage", lambda *arguments: int("--check" in arguments))
    assert serve.main(["check"]) == 1
    assert "python -m opsportal.serve migrate" in capsys.readouterr().err


def test_health_is_1_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEB_BIND", f"[::]:{free_port()}")
    assert serve.main(["health"]) == 1
    assert "/healthz on port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [("WEB_BIND", "unix:/run/web.sock", ["health"]), ("METRICS_WORKER_PORT", "", ["health", "worker"])],
)
def test_health_says_where_no_port_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    command: list[str],
) -> None:
    monkeypatch.setenv(name, value)
    assert serve.main(command) == 1
    assert capsys.readouterr().err == f"{name} is {value!r}, which names no port to ask.\n"


def test_an_unknown_command_is_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main([]) == serve.main(["serve"]) == 2
    assert "web|worker|migrate|check|health|manage" in capsys.readouterr().err
