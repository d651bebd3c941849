"""What webhooks are notified of jobs: that one began, halted, was stopped, or is finished."""

import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from prometheus_client import REGISTRY

from opsportal.alerts import payloads
from opsportal.alerts.models import Change, Delivery, Webhook
from opsportal.alerts.outgoing import deliver_due
from opsportal.jobs import control, freezing, gauge, running, states, store
from opsportal.jobs.job import Job, State
from opsportal.operations import outbox
from opsportal.operations.actors import WORKER_ACTOR
from opsportal.operations.entries import Actor
from opsportal.operations.tags import Action
from opsportal.operations.tasks import Worker
from tests import factories
from tests.alerts.receivers import Receiver
from tests.operations import places
from tests.test_docs import blocks, text_of

pytestmark = pytest.mark.no_moto
OLGA = Actor("olga", "operator", "user:1001")


@pytest.fixture
def job(tables: dict[str, Any]) -> Job:
    """Of three requests, ready."""
    factories.put(tables["requests"], *[factories.request(f"req-{at}", status="failed") for at in range(3)])
    made = control.make("requests.purge", by=OLGA, reason="outage\nof the night", filter={"status": "failed"})
    freezing.freeze(made)
    return now(made)


def now(job: Job) -> Job:
    found = store.find(job.id)
    assert found
    return found


def waiting_in(tables: dict[str, Any]) -> list[Any]:
    """The messages about jobs that are in the outbox."""
    found = places.outbox(tables["requests"])
    return [one for one in found if one.get("message_kind") == {"S": states.MESSAGE}]


def halted(job: Job) -> Job:
    event = states.Event(Action.JOB_HALT, WORKER_ACTOR)
    why = "3 of the last 3 failed again."
    return states.change(job, {"state": {"S": State.HALTED}, "why": {"S": why}}, event=event)


def test_a_webhook_that_takes_jobs_gets_each_event_once_and_in_order(
    job: Job, tables: dict[str, Any], webhook: Webhook, receiver: Receiver, settings: Any
) -> None:
    """Whoever changes the job; the outbox item is in the transaction of the change."""
    settings.BASE_URL = "https://ops.example.com"
    Webhook.objects.update(jobs=True)
    other = Webhook(name="other", url=receiver.url)
    other.new_secret()
    other.save()
    started = control.start(job, OLGA)
    running.run(control.resume(halted(started), OLGA))
    waiting = waiting_in(tables)
    assert len(waiting) == 3
    assert outbox.deliver_due(tables["requests"]) >= 3
    Delivery.objects.update(next_at=timezone.now())
    deliver_due()
    got = [one.json for one in receiver.got]
    assert [one["event"] for one in got] == ["job.began", "job.halted", "job.finished"]
    assert [one["state"] for one in got] == ["running", "halted", "finished"]
    assert got[1]["why"] == "3 of the last 3 failed again."
    last = got[2]
    assert last["counts"] == {"matched": 3, "eligible": 3, "done": 3, "skipped": 0, "failed": 0, "pending": 0}
    assert last["job"] == {"id": job.id, "action": "requests.purge", "reason": "outage"}
    assert (last["by"], last["actor_id"], last["why"]) == ("olga", "user:1001", None)
    assert last["url"] == f"https://ops.example.com/jobs/{job.id}/"
    assert len({one["id"] for one in got}) == 3
    said = next(
        one for block in blocks(text_of("docs/webhooks.md"), "json") if "job" in (one := json.loads(block))
    )
    assert list(said) == list(last)
    for part in ("job", "counts"):
        assert list(said[part]) == list(last[part])
    named = set(re.findall(r"`(job\.\w+)`", text_of("docs/webhooks.md")))
    assert named == {states.BEGAN, states.HALTED, states.FINISHED, states.STOPPED}


def test_an_end_waits_for_its_beginning(
    job: Job, tables: dict[str, Any], webhook: Webhook, receiver: Receiver
) -> None:
    """Even where it was sent in vain; those of another job do not."""
    Webhook.objects.update(jobs=True)
    control.stop(control.start(job, OLGA), OLGA)
    outbox.deliver_due(tables["requests"])
    first, last = Delivery.objects.order_by("number")
    assert (first.event, last.event) == ("job.began", "job.stopped")
    assert list(Delivery.objects.due(timezone.now())) == [first]
    Delivery.objects.filter(pk=first.pk).update(job="another")
    assert set(Delivery.objects.due(timezone.now())) == {first, last}


def test_what_is_carried_out_twice_is_one_delivery(
    job: Job, tables: dict[str, Any], webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that died after it had made the deliveries; and a database that was away is asked again."""
    Webhook.objects.update(jobs=True)
    control.start(job, OLGA)
    (raw,) = waiting_in(tables)
    message = outbox.from_item(raw)
    with monkeypatch.context() as away:
        away.setattr(payloads, "notify_of_job", lambda found: (_ for _ in ()).throw(DatabaseError("away")))
        outbox.deliver_due(tables["requests"])
    assert waiting_in(tables)
    for _ in range(2):
        outbox.handler_of(states.MESSAGE)(message, tables["requests"])
    assert Delivery.objects.count() == 1


def test_of_a_preview_that_is_stopped_nobody_is_notified(job: Job, tables: dict[str, Any]) -> None:
    control.stop(job, OLGA)
    assert waiting_in(tables) == []


def test_a_person_chooses_whether_a_webhook_takes_jobs(
    client_for: Callable[[str], Client], receiver: Receiver, db: None
) -> None:
    client = client_for("administrator")
    values = {"name": "jobs", "url": receiver.url, "jobs": "on"}
    assert client.post(reverse("alerts:new_webhook"), values).status_code == 200
    made = Webhook.objects.get()
    assert made.jobs
    assert "not notified" not in client.get(made.get_absolute_url()).text
    page = client.get(reverse("alerts:edit_webhook", args=[made.pk])).text
    assert re.search(r'<input[^>]*type="checkbox"[^>]*name="jobs"[^>]*checked', page)
    drawn = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    client.post(
        reverse("alerts:edit_webhook", args=[made.pk]), {**drawn, "name": "jobs", "url": receiver.url}
    )
    made.refresh_from_db()
    assert not made.jobs
    assert Change.objects.get(verb="webhook:edit").changed == {"jobs": [True, False]}
    assert "not notified" in client.get(made.get_absolute_url()).text


def test_the_figures_of_jobs(job: Job, tables: dict[str, Any]) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    purge = {"subject": "request", "verb": "purge"}
    before = counted("opsportal_job_items_total", outcome="done", **purge)
    events = {
        event: counted("opsportal_jobs_total", event=event, **purge) for event in ("started", "finished")
    }
    region = tables["requests"].region
    assert Worker([gauge.OPEN_JOBS]).once(threading.Event()) == 0
    assert counted("opsportal_jobs_open", region=region, state="ready") == 1
    running.run(control.start(job, OLGA))
    Worker([gauge.OPEN_JOBS]).once(threading.Event())
    assert counted("opsportal_jobs_open", region=region, state="ready") == 0
    assert counted("opsportal_job_items_total", outcome="done", **purge) == before + 3
    for event, count in events.items():
        assert counted("opsportal_jobs_total", event=event, **purge) == count + 1
