"""Downloads share a process with everybody else: few at once, and no reader that stalls."""

import gc
import runpy
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opsportal.console import streams
from opsportal.console.admission import Slot
from opsportal.server.gate import Gate
from tests.factories import log, put, request
from tests.pages import visit

ROOT = Path(__file__).resolve().parents[2]
URLS = ("/requests/r/logs/?format=txt", "/api/requests/r/logs?format=ndjson", "/audit/?format=jsonl")


@pytest.fixture(scope="module", autouse=True)
def _answers_that_other_tests_did_not_read() -> None:
    gc.collect()


@pytest.fixture
def client(tables: Any, client_for: Any, settings: Any) -> Iterator[Any]:
    assert Slot.held.total() == 0
    settings.STREAMS_AT_ONCE = 1
    put(tables["requests"], request("r"))
    put(tables["request_logs"], *(log("r", log_id=f"log_{number}") for number in range(3)))
    yield client_for("viewer")
    gc.collect(1)  # the youngest: a full collection takes 0.1 s
    assert Slot.held.total() == 0


@pytest.mark.no_moto
@pytest.mark.parametrize("url", URLS)
def test_more_downloads_than_threads_can_be_spared_for_wait(client: Any, url: str) -> None:
    first = client.get(url)
    assert first.status_code == 200
    for other in URLS:
        answer = client.get(other)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert visit(client, URLS[0], status=503).problem.attrs["data-problem"] == "busy"
    assert client.get(URLS[1]).json()["kind"] == "busy"
    first.getvalue()
    assert client.get(url).status_code == 200


@pytest.mark.no_moto
@pytest.mark.parametrize("url", URLS)
def test_a_reader_who_leaves_early_makes_room(client: Any, url: str) -> None:
    client.get(url).close()
    began = client.get(url)
    next(iter(began.streaming_content), None)
    began.close()
    client.head(url).close()
    assert client.get(url).status_code == 200


@pytest.mark.no_moto
@pytest.mark.parametrize("url", URLS)
def test_a_download_whose_source_or_reader_fails_makes_room(client: Any, url: str) -> None:
    answer = client.get(url)

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise RuntimeError("the source broke off")

    made = streams.streamed(answer.wsgi_request, broken(), "text/plain")
    assert made.status_code == 503  # the first is under way
    answer.close()
    made = streams.streamed(answer.wsgi_request, broken(), "text/plain")
    with pytest.raises(RuntimeError):
        list(made.streaming_content)  # type: ignore[attr-defined]
    assert Slot.held.total() == 0
    # What the server does where the reader stalls or has gone: it stops in the middle, and closes.
    began = client.get(url)
    next(iter(began.streaming_content), None)
    began.close()
    assert client.get(url).status_code == 200


@pytest.mark.no_moto
@pytest.mark.parametrize("url", URLS)
def test_a_download_is_not_cut_for_its_length(client: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = client.get(url).getvalue()
    answer = client.get(url)
    clock = time.monotonic() + 86_400
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    assert answer.getvalue() == whole


def test_two_downloads_at_once_unless_the_settings_say_otherwise() -> None:
    from opsportal import settings as configured

    assert configured.STREAMS_AT_ONCE == 2


def test_the_first_page_of_a_download_is_read_within_the_requests_time(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opsportal.dynamo import clients

    asked, make = [], clients.client

    def noted(*place: Any, background: bool = False) -> Any:
        asked.append(background)
        return make(*place, background=background)

    monkeypatch.setattr(clients, "client", noted)
    answer = client.get(URLS[1])
    assert True not in asked
    answer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere an accepted socket has limits of its own")
def test_a_connection_that_stalls_lets_its_thread_go() -> None:
    settings = runpy.run_path(str(ROOT / "opsportal/gunicorn_conf.py"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cfg = SimpleNamespace(threads=Slot.threads)
        worker = SimpleNamespace(sockets=[SimpleNamespace(sock=listener)], cfg=cfg, gate=Gate())
        settings["post_worker_init"](worker)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            accepted.setblocking(True)  # as gunicorn's threads do, which leaves these as they are
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                limit = accepted.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("@ll"))
                assert struct.unpack("@ll", limit) == (settings["numbers"].stall_seconds, 0)


def test_a_connection_that_stalled_is_a_line_of_the_log_and_no_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from gunicorn.config import Config

    settings = runpy.run_path(str(ROOT / "opsportal/gunicorn_conf.py"))
    logger = settings["ConsoleLogger"](Config())
    logger.error_log.propagate = True
    for error in (BlockingIOError(11, "again"), ValueError("a defect")):
        try:
            raise error
        except Exception:
            logger.exception("Socket error processing request.")
    logger.error_log.propagate = False
    stalled, defect = caplog.records
    assert (stalled.levelname, stalled.exc_info) == ("WARNING", None)
    assert "stalled for 20 s" in stalled.getMessage()
    assert (defect.levelname, bool(defect.exc_info)) == ("ERROR", True)
