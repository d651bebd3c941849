"""Each action leaves a line in the log and a figure, however it ends."""

import logging
from typing import Any

import pytest
from prometheus_client import REGISTRY

from opsportal.dynamo import spending
from opsportal.dynamo.errors import Throttled
from opsportal.operations.action_log import logged
from opsportal.operations.entries import Actor, Intent, Target, new_action_id
from opsportal.operations.outcomes import Conflict, OutcomeUnknown
from opsportal.operations.tags import Action
from requests_app import action_views
from tests.operations.places import put, request_item

OLGA = Actor("olga", "operator", "user:1001")


def count(outcome: str) -> float:
    labels = {"subject": "request", "verb": "cancel", "outcome": outcome}
    return REGISTRY.get_sample_value("opsportal_actions_total", labels) or 0


@pytest.mark.no_moto  # it does not tell what a transaction consumed
def test_what_was_done_is_logged_with_amazons_request_ids(
    tables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    put(tables["requests"], request_item("req-1", status="pending"))
    before, action_id = count("done"), new_action_id()
    with spending.request_budget(60) as account:
        action_views.CANCEL.act("req-1", by=OLGA, reason="a private reason", action_id=action_id)
    (line,) = [made for made in caplog.records if made.name == "opsportal.operations.action_log"]
    said: dict[str, Any] = vars(line)
    assert line.levelno == logging.INFO
    assert (said["action"], said["action_id"], said["user"]) == ("request:cancel", action_id, "olga")
    assert (said["target"], said["outcome"]) == ("requests/req-1", "done")
    assert said["aws_request_ids"]
    assert set(said["aws_request_ids"]) <= set(account.request_ids)
    assert said["write_units"] > 0
    assert "private reason" not in line.getMessage()
    assert count("done") - before == 1


def test_the_same_form_again_is_counted_as_repeated(tables: dict[str, Any]) -> None:
    put(tables["requests"], request_item("req-1", status="pending"))
    before, action_id = count("repeated"), new_action_id()
    for _ in range(2):  # without an account, as a worker does it
        action_views.CANCEL.act("req-1", by=OLGA, reason="", action_id=action_id)
    assert count("repeated") - before == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Conflict("It is completed."), "refused"),
        (Throttled("Too many."), "failed"),
        (OutcomeUnknown(), "unknown"),
        (RuntimeError("a defect"), "failed"),
    ],
)
def test_every_other_end_is_a_warning(
    error: Exception, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = count(outcome)
    with (
        pytest.raises(type(error)),
        logged(Intent(Action.REQUEST_CANCEL, Target("requests", "r"), OLGA, "", "a-1")),
    ):
        raise error
    assert count(outcome) - before == 1
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert line.getMessage().startswith(
        f"{outcome} request:cancel on requests 'r' by olga (user:1001, action_id a-1): "
    )
