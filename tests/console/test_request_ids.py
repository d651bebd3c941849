"""Each request has an id: in its answer, in its problems, and in the log."""

import logging
from logging.config import DictConfigurator  # type: ignore[attr-defined]
from typing import Any

import pytest
from django.test import Client

from opsportal.console import request_ids
from opsportal.console.request_ids import RequestIdFilter


@pytest.mark.parametrize("given", ["a", "7f3c-91.x:y=z/w+v@u", "A" * 128])
def test_a_well_formed_id_of_the_callers_own_is_kept(client: Client, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "A" * 129, "a b", "a\tb", "-a", "é", "a,b", "<script>"])
def test_what_could_not_stand_in_a_header_or_a_log_is_replaced(client: Client, given: str) -> None:
    made = client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]
    assert made != given
    assert len(made) == 32
    assert made.isalnum()


def test_two_requests_have_two_ids(client: Client) -> None:
    assert client.get("/healthz")["X-Request-ID"] != client.get("/healthz")["X-Request-ID"]


@pytest.mark.django_db
def test_a_problem_has_the_id_that_its_log_lines_have(client: Client) -> None:
    found: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.request_id)  # type: ignore[attr-defined]

    handler = Lines()
    handler.addFilter(RequestIdFilter())
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        answer = client.get("/api/nothing", headers={"X-Request-ID": "mine-1"})
    finally:
        logger.removeHandler(handler)
    assert answer.json()["request_id"] == "mine-1"
    assert set(found) == {"mine-1"}


def test_outside_of_a_request_there_is_none() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "said", None, None)
    assert RequestIdFilter().filter(record)
    assert (request_ids.current(), record.request_id) == ("-", "-")  # type: ignore[attr-defined]


def test_every_line_of_the_log_has_it(settings: Any) -> None:
    configured = DictConfigurator(settings.LOGGING)
    for handler in settings.LOGGING["handlers"].values():
        assert "request_id" in handler["filters"]
        wanted = dict(settings.LOGGING["formatters"][handler["formatter"]])  # it is emptied in the course
        formatter = configured.configure_formatter(wanted)
        record = logging.LogRecord("x", logging.INFO, "", 1, "said", None, None)
        record.request_id = "mine-1"
        assert "mine-1" in formatter.format(record)  # type: ignore[attr-defined]
