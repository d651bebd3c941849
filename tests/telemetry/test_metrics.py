"""Who may read /metrics, and what is there."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.test import Client
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from opsportal.operations.tasks import Over, Task, Worker
from opsportal.telemetry.access_log import peer_of
from opsportal.telemetry.shared_files import VARIABLE, SharedFiles
from opsportal.telemetry.worker_port import WorkerPort

TOKEN = "a-token-of-twenty-four-chars"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


pytestmark = pytest.mark.django_db


def test_without_a_guard_there_is_no_such_page(client: Client, administrator: Any) -> None:
    assert client.get("/metrics").status_code == 404
    client.force_login(administrator)
    assert client.get("/metrics", headers=bearer("")).status_code == 404


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 401),
        (bearer("wrong"), 401),
        (bearer(TOKEN + "x"), 401),
        (bearer("é"), 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        (bearer(TOKEN), 200),
        ({"Authorization": f"bearer  {TOKEN} "}, 200),
    ],
)
def test_a_token_is_asked_for(client: Client, settings: Any, sent: dict[str, str], status: int) -> None:
    settings.METRICS_TOKEN = TOKEN
    response = client.get("/metrics", headers=sent)
    assert response.status_code == status
    assert (status == 401) == response.has_header("WWW-Authenticate")
    assert (b"opsportal_" in response.content) == (status == 200)


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "status"),
    [
        ("10.1.2.3", "", 0, 200),
        ("::ffff:10.1.2.3", "", 0, 200),
        ("192.0.2.7", "", 0, 403),
        # Whoever calls can write this header: it counts only as far as our own proxies wrote it.
        ("192.0.2.7", "10.1.2.3", 0, 403),
        ("192.0.2.7", "10.1.2.3", 1, 200),
        ("192.0.2.7", "10.1.2.3, 198.51.100.9", 1, 403),
        ("192.0.2.7", "10.1.2.3, 198.51.100.9", 2, 200),
        # No header: it came past the proxies, from beside us.
        ("10.1.2.3", "", 1, 200),
        ("192.0.2.7", "", 1, 403),
        ("10.1.2.3", "10.1.2.3", 2, 403),
        ("not an address", "", 0, 403),
    ],
)
def test_addresses_may_be_allowed(
    client: Client, settings: Any, peer: str, forwarded: str, proxies: int, status: int
) -> None:
    settings.METRICS_ALLOW, settings.ALLAUTH_TRUSTED_PROXY_COUNT = ["10.0.0.0/8"], proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=peer).status_code == status


def test_probes_may_call_by_address(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    settings.ALLOWED_HOSTS = ["ops.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz", headers={"Host": "10.0.0.5:8000"}).status_code == 200
    assert client.get("/metrics", headers={"Host": "10.0.0.5:8000"} | bearer(TOKEN)).status_code == 200
    assert client.get("/accounts/login/", headers={"Host": "10.0.0.5:8000"}, secure=True).status_code == 400


def scrape(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = client.get("/metrics", headers=bearer(TOKEN)).content.decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_never_by_path(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    for path in ("/no-such-page-1", "/no-such-page-2", "/workflows/secret-key/", "/static/nothing.css"):
        client.get(path)
    client.generic("BREW", "/healthz")
    found = scrape(client)
    routes = {dict(labels)["route"] for name, labels in found if name == "opsportal_http_requests_total"}
    assert {"none", "static", "tracking:item", "healthz"} <= routes
    values = {value for _, labels in found for _, value in labels}
    assert [value for value in values if "secret-key" in value or "no-such-page" in value] == []
    methods = {dict(labels)["method"] for name, labels in found if name == "opsportal_http_requests_total"}
    assert "other" in methods
    assert "BREW" not in methods


def test_both_forms_of_the_exposition_are_spoken(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    plain = client.get("/metrics", headers=bearer(TOKEN))
    assert plain["Content-Type"].startswith("text/plain")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    assert client.get("/metrics", headers=bearer(TOKEN) | accept).content.endswith(b"# EOF\n")


# --- The files of gunicorn's workers -------------------------------------------------------------------------


def test_figures_of_all_workers_are_told_those_of_dead_ones_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes count; one of them has died. A third, which counted nothing, is asked."""
    import subprocess
    import sys

    code = (
        "from opsportal.telemetry import figures as f; "
        "f.ACTIONS.labels('request', 'cancel', 'done').inc(); import os; print(os.getpid())"
    )
    files = SharedFiles({"METRICS_TOKEN": TOKEN, VARIABLE: str(tmp_path)})
    files.prepare()
    environ = {**os.environ, VARIABLE: str(tmp_path)}
    pids = [int(subprocess.check_output([sys.executable, "-c", code], env=environ)) for _ in range(2)]
    assert pids[0] != pids[1]
    files.worker_ended(pids[0])
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    from opsportal.telemetry.scrapes import exposition

    body, _ = exposition("")
    assert b'opsportal_actions_total{outcome="done",subject="request",verb="cancel"} 2.0' in body
    files.prepare()  # a reload
    assert b"opsportal_actions_total{" in exposition("")[0]
    SharedFiles({"METRICS_TOKEN": TOKEN, VARIABLE: str(tmp_path)}).prepare()  # the next start
    assert b"opsportal_actions_total{" not in exposition("")[0]


def test_the_directory_is_made_only_where_somebody_may_ask_and_goes_with_the_server() -> None:
    unguarded: dict[str, str] = {VARIABLE: "/nowhere"}
    SharedFiles(unguarded).prepare()
    assert unguarded == {}
    guarded = {"METRICS_ALLOW": "127.0.0.1"}
    files = SharedFiles(guarded)
    files.prepare()
    made = Path(guarded[VARIABLE])
    assert made.is_dir()
    files.worker_ended(1)
    files.remove(os.getpid() + 1)  # a worker's end
    assert made.is_dir()
    files.remove(os.getpid())
    assert not made.exists()


# --- The worker's port ---------------------------------------------------------------------------------------


@pytest.fixture
def stuck() -> list[str]:
    """What is past its deadline."""
    return []


@pytest.fixture
def port(stuck: list[str]) -> Iterator[WorkerPort]:
    made = WorkerPort("127.0.0.1", 0, lambda: stuck)
    yield made
    made.close()


def ask(port: WorkerPort, path: str, **headers: str) -> tuple[int, bytes]:
    request = Request(f"http://127.0.0.1:{port.port}{path}", headers=headers)
    try:
        with urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def test_a_workers_port_has_the_same_guard(port: WorkerPort, settings: Any) -> None:
    assert ask(port, "/metrics")[0] == 404
    settings.METRICS_TOKEN = TOKEN
    assert ask(port, "/metrics")[0] == 401
    status, body = ask(port, "/metrics", **bearer(TOKEN))
    assert (status, b"opsportal_worker_passes" in body) == (200, True)
    assert ask(port, "/other")[0] == 404
    settings.METRICS_TOKEN, settings.METRICS_ALLOW = "", ["127.0.0.0/8"]
    assert ask(port, "/metrics")[0] == 200


def test_a_worker_that_hangs_is_not_healthy(port: WorkerPort, stuck: list[str]) -> None:
    assert ask(port, "/healthz") == (200, b"ok")
    stuck += ["outbox in us-east-1", "alerts in us-east-1"]
    assert ask(port, "/healthz") == (503, b"stuck: outbox in us-east-1, alerts in us-east-1")


def test_turns_of_tasks_are_counted_by_how_they_ended() -> None:
    def run(table: Any, over: Over) -> int:
        if table.region == "eu-north-1":
            raise RuntimeError
        return 1

    Worker([Task("test-chore", run)]).once(threading.Event())

    def passes(region: str, outcome: str) -> float | None:
        labels = {"chore": "test-chore", "region": region, "outcome": outcome}
        return REGISTRY.get_sample_value("opsportal_worker_passes_total", labels)

    assert (passes("us-east-1", "ok"), passes("eu-north-1", "failed")) == (1, 1)
    assert passes("eu-north-1", "ok") is None


def test_the_peer_is_what_our_proxies_saw() -> None:
    meta = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "evil, 192.0.2.1, 10.0.0.9"}
    assert [peer_of(meta, proxies) for proxies in range(5)] == [
        "10.0.0.1",
        "10.0.0.9",
        "192.0.2.1",
        "evil",
        "",
    ]
