"""Several workers at once, and workers that are killed between commit and send: every event arrives, and a
repetition can be told."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from opsportal.supervisor import die_with
from tests.alerts.receivers import Receiver
from tests.engines import BASE_DIR
from tests.factories import put, step, workflow

pytestmark = pytest.mark.no_moto

# A process that forks one child for each program of a line, all at once, and says how each ended: Django is started
# once. Every child has connections of its own.
DRIVER = """
import json, os, sys, traceback
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
import django
django.setup()
from datetime import timedelta
from django.apps import apps
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone
from opsportal.alerts import evaluation, outgoing
from opsportal.alerts.models import Attempt, Delivery, Firing, Rule, Webhook

def child(program, given):
    for name, value in given["settings"].items():
        setattr(settings, name, value)
    connection.settings_dict.update(given["database"])
    try:
        exec(program, {**globals(), "given": given})
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    os._exit(code)

print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    children = []
    for program in order["programs"]:
        pid = os.fork()
        if not pid:
            child(program, order["given"])
        children.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    print("ended " + json.dumps(codes), flush=True)
"""
MAKE = """
with connection.schema_editor() as editor:
    for model in (*apps.get_app_config("alerts").get_models(), apps.get_model("accounts", "Change")):
        if not model._meta.proxy:
            editor.create_model(model)
webhook = Webhook(name="pager", url=given["url"])
webhook.new_secret()
webhook.save()
for number in range(4):
    rule = Rule.objects.create(
        name=f"rule {number}", condition="workflow.failed", baseline_at=timezone.now() - timedelta(hours=1))
    rule.webhooks.add(webhook)
"""
DIES = "import signal; os.kill(os.getpid(), signal.SIGKILL)"
DIES_IN_THE_READING = f"""
def die(*_):
    {DIES}
evaluation.evaluate = die
evaluation.evaluate_next()
"""
# The commit is done, nothing is sent.
DIES_BEFORE_SENDING = f"""
def die(*_):
    {DIES}
outgoing.sending.post = die
while evaluation.evaluate_next():
    pass
outgoing.deliver_due()
"""
DIES_AFTER_SENDING = f"""
post = outgoing.sending.post
def send_and_die(*given):
    post(*given)
    {DIES}
outgoing.sending.post = send_and_die
outgoing.deliver_due()
"""
WORKER_ONCE = """
call_command("worker", "--once", "--only", "alerts")
"""
LEASES_END = """
Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
Rule.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
"""
RACES = """
done = 0
while evaluation.evaluate_next():
    done += 1
while count := outgoing.deliver_due():
    done += count
os.write(1, b"done %d" % done + os.linesep.encode())  # in one piece
"""
REPORT = """
print(json.dumps({
    "firings": list(Firing.objects.values_list("rule__name", "subject")),
    "states": sorted(Delivery.objects.values_list("state", flat=True)),
    "attempts": Attempt.objects.count(),
}))
"""
KILLED = -9


@pytest.fixture(scope="module")
def driver() -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        cwd=BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with(os.getpid()),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


class Workers:
    def __init__(self, driver: "subprocess.Popen[str]", given: dict[str, Any]) -> None:
        self.driver, self.given = driver, given

    def run(self, *programs: str, code: int = 0) -> list[str]:
        """Run them at once; the lines that they said."""
        assert self.driver.stdin is not None
        assert self.driver.stdout is not None
        self.driver.stdin.write(json.dumps({"programs": programs, "given": self.given}) + "\n")
        self.driver.stdin.flush()
        lines: list[str] = []
        while not (line := self.driver.stdout.readline()).startswith("ended "):
            assert line, "the driver is gone"
            lines.append(line.rstrip())
        assert json.loads(line.removeprefix("ended ")) == [code] * len(programs), lines
        return lines

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(REPORT)[-1])
        return found


def own_database(folder: Path) -> dict[str, Any]:
    """The settings of an empty database that several processes share, of the kind that the tests run on."""
    current: dict[str, Any] = django_settings.DATABASES["default"]
    if current["ENGINE"].endswith("postgresql"):
        import psycopg

        name = f"alerts_{os.getpid()}_{folder.name}"
        host = current["HOST"] or current["OPTIONS"]["host"]
        place = {"host": host, "user": current["USER"], "dbname": "postgres"}
        with psycopg.connect(**place, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return {"NAME": name}
    init = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": init}
    return {"NAME": str(folder / "alerts.sqlite3"), "OPTIONS": options}


@pytest.fixture
def workers(
    tables: dict[str, Any], settings: Any, receiver: Receiver, driver: "subprocess.Popen[str]", tmp_path: Path
) -> Workers:
    error = step("error", error="ValidationError")
    put(tables["workflows"], workflow("w", overallStatus="failed", tradeMatching=error))
    given = {
        "url": receiver.url,
        "settings": {
            "DYNAMO_TABLES": settings.DYNAMO_TABLES,
            "OWN_TABLE_PREFIX": settings.OWN_TABLE_PREFIX,
        },
        "database": own_database(tmp_path),
    }
    return Workers(driver, given)


def test_workers_that_are_killed_lose_nothing_and_repeat_a_delivery_at_most(
    workers: Workers, receiver: Receiver
) -> None:
    workers.run(MAKE)
    workers.run(DIES_IN_THE_READING, code=KILLED)
    workers.run(DIES_BEFORE_SENDING, code=KILLED)
    # One rule was being read by the worker that died; the others are committed, and nothing was sent.
    report = workers.report()
    assert (len(report["firings"]), report["states"], receiver.got) == (3, ["pending"] * 3, [])
    workers.run(LEASES_END + DIES_AFTER_SENDING, code=KILLED)
    assert receiver.got
    workers.run(LEASES_END + WORKER_ONCE + WORKER_ONCE)
    report = workers.report()
    assert sorted(report["firings"]) == [[f"rule {number}", "w"] for number in range(4)]
    assert report["states"] == ["sent"] * 4
    events = [got.headers["x-opsportal-event-id"] for got in receiver.got]
    assert len(set(events)) == 4
    # One or two of one webhook go out at once, so as many came twice; they are the same to their receiver.
    assert 5 <= len(events) <= 6
    assert len({(got.headers["x-opsportal-event-id"], got.body) for got in receiver.got}) == 4
    # Every rule was evaluated, and no worker finds more to do.
    assert workers.run(WORKER_ONCE)[-1] == "0 done."


def test_several_workers_evaluate_and_tell_once(workers: Workers, receiver: Receiver) -> None:
    workers.run(MAKE)
    said = workers.run(RACES, RACES, RACES)
    assert sum(int(line.removeprefix("done ")) for line in said) == 8  # four rules, four deliveries
    report = workers.report()
    assert (len(report["firings"]), report["states"], report["attempts"]) == (4, ["sent"] * 4, 4)
    assert len(receiver.got) == 4
