"""`python benchmarks/jobs.py [ITEMS] [ROUNDS]`: how quick a job is beside a bare loop of the same transactions.

    python benchmarks/jobs.py                 20,000 purges of each, in 20 rounds
    python benchmarks/jobs.py 2000 5

Everything on this machine alone: an engine in memory on loopback, a worker in a process of its own, a process that
visits pages as people do, and the bare loop in this one. In each round the worker carries out a part of a purge of
requests with three logs each, and then the bare loop sends as many of the same transactions, built beforehand, by a
client of the same options; so what else the machine does hits both. The ratio of their rates is what can be compared
between machines and runs. Then the worker deletes the logs of all that it purged.

It says at last how many were done, that nothing else was, the ratio with its range over the rounds, processor time, and
the memory of both processes over the run. Ends with 0 whatever the figures, and with 1 where a count is wrong.

Measured on 2026-11-29 on two cores, 20,000 of each in 20 rounds:

                                               nothing else to do            busy (load 3 to 10)
    rate of the job to that of the bare loop   0.99 over the run;            0.81;
                                               by round 1.00 (0.92 to 1.08)  0.88 (0.38 to 1.06)
    items a second, at the median              job 511, bare 525             job 443, bare 518
    processor, ms an item                      job 0.64, bare 0.53           job 0.57, bare 0.49
    logs of 40,000 purges                                                    3.4 calls and 4.5 ms a request
    memory of the worker                                                     112 to 121 MB
    memory of the process that visits pages                                  125 to 132 MB
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import boto3
import django

django.setup()

from django.conf import settings

from opsportal.dynamo import clients
from opsportal.dynamo.leases import Lease
from opsportal.dynamo.tables import Binding
from opsportal.jobs import chunks, control, freezing, store
from opsportal.jobs.job import Job, State, part_key
from opsportal.jobs.planning import Planner
from opsportal.jobs.steps import after, mark
from opsportal.jobs.work import work_of
from opsportal.operations.entries import Actor
from opsportal.operations.tables import audit_table_for, jobs_table_for
from opsportal.supervisor import die_with
from tests import factories
from tests.engines import fresh_tables, running
from tests.loopback import refuse_other_machines

ITEMS, ROUNDS, LOGS = 20_000, 20, 3
OLGA = Actor("olga", "operator", "user:1001")
# What a child reads of its parent: names and values of settings.
SHARED = (
    "DYNAMO_TABLES", "OWN_TABLE_PREFIX", "DYNAMO_ENDPOINT_URL", "DYNAMO_VALIDATES_ALL", "UNDO_LOGS_MINUTES",
    "DYNAMO_CONNECT_TIMEOUT", "DYNAMO_READ_TIMEOUT", "DYNAMO_REQUEST_DEADLINE",
)  # fmt: skip
SETUP = """
import json, os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
for name, value in json.loads(sys.argv[1]).items():
    setattr(settings, name, value)
import django
django.setup()
from opsportal.jobs import freezing, running, store
from opsportal.operations import outbox
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import binding
table = binding("requests")
"""
# Each line is asked for: how many items of which job, or the outbox; and answered with what it took.
WORKER = """
from django.core.management import call_command
call_command("migrate", verbosity=0)  # a job's events are delivered to the webhooks of this database
from opsportal.operations.tasks import leave_modules_to_themselves
leave_modules_to_themselves()
for line in sys.stdin:
    what, job_id, most = json.loads(line)
    began, cpu = time.perf_counter(), time.process_time()
    with request_budget(None) as spent:
        if what == "run":
            done = running.run(store.find(job_id, table), most=most)
        else:
            done = outbox.deliver_due(table)
    print(json.dumps([done, time.perf_counter() - began, time.process_time() - cpu, spent.calls]), flush=True)
"""
PAGES = """
from django.core.management import call_command
from django.test import Client
from django.test.utils import setup_test_environment
setup_test_environment()
call_command("migrate", verbosity=0)
from opsportal.accounts.roles import create_user
client = Client()
client.force_login(create_user("bench", "operator", "only for this run"), backend="django.contrib.auth.backends.ModelBackend")
while True:
    for path in ("/requests/", "/requests/?status=failed", "/audit/"):
        client.get(path, follow=True)  # where the engine is busy it may say so
    print("visited", flush=True)
    time.sleep(1)
"""


class Child:
    """A process of the console with the tables of this run."""

    def __init__(self, program: str) -> None:
        given = {name: getattr(settings, name) for name in SHARED}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SETUP + program, json.dumps(given)],
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with(os.getpid()),
        )
        self.sizes: list[float] = []

    def answer(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("A process of the benchmark has ended.")
        return line

    def ask(self, *what: object) -> list[Any]:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        found: list[Any] = json.loads(self.answer())
        return found

    def measure(self) -> None:
        """Its proportional memory, in MB."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        (line,) = (line for line in text.splitlines() if line.startswith("Pss:"))
        self.sizes.append(int(line.split()[1]) / 1024)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def fill(tables: dict[str, Binding], prefix: str, count: int) -> None:
    for first in range(0, count, 500):
        numbers = range(first, min(first + 500, count))
        names = [f"{prefix}-{number:06}" for number in numbers]
        factories.put(
            tables["requests"], *(factories.request(name, status="failed", user_id=prefix) for name in names)
        )
        factories.put(tables["request_logs"], *(factories.log(name) for name in names for _ in range(LOGS)))


def ready(prefix: str) -> Job:
    job = control.make("requests.purge", by=OLGA, reason="benchmark", filter={"user": prefix})
    freezing.freeze(job)
    found = store.find(job.id, job.table)
    assert found
    assert found.state is State.READY, found
    return found


def transactions(job: Job) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The same as the worker sends for this job, each with the number of its items: it is frozen, and never started."""
    work, table = work_of(job), jobs_table_for(job.table)
    for progress in chunks.progress(job):
        planner = Planner(work, chunks.keys_of(job, progress.n).eligible)
        now, lease = progress, chunk_lease(job, progress.n)
        while now.at < now.size:
            step = planner.step(now.at)
            then = after(now, step)
            messages = step.messages(job.id, now.n)
            yield (
                len(step.prepared),
                [
                    mark(table, job.id, lease, now, then),
                    *({"Put": {"TableName": table.name, "Item": one.item()}} for one in messages),
                    *(operation for one in step.prepared for operation in one.operations),
                ],
            )
            now = then


def chunk_lease(job: Job, n: int) -> Lease:
    held = Lease(jobs_table_for(job.table), part_key(job.id, f"chunk#{n:05}"))
    item = held.read()
    if "fence" not in item:
        claimed = held.claim(3_600)
        assert claimed
        return claimed
    return Lease(held.table, held.key, number=int(item["fence"]["N"]))


def bare_client(table: Binding) -> Any:
    """boto3's own, with the options of the client that the worker has."""
    options = clients.client(*table.location, background=True, trusted=True).meta.config
    return boto3.client("dynamodb", table.region, endpoint_url=table.endpoint, config=options)


def bare(transactions: Sequence[tuple[int, list[dict[str, Any]]]], client: Any) -> tuple[int, float, float]:
    """Items, seconds, and seconds of the processor."""
    began, cpu = time.perf_counter(), time.process_time()
    for _, operations in transactions:
        client.transact_write_items(TransactItems=operations)
    taken = time.perf_counter() - began, time.process_time() - cpu
    return sum(count for count, _ in transactions), *taken


def counted(table: Binding, **arguments: Any) -> int:
    client, count = clients.client(*table.location, background=True), 0
    start: dict[str, Any] = {}
    while True:
        answer = client.scan(TableName=table.name, Select="COUNT", ConsistentRead=True, **arguments, **start)
        count += int(answer["Count"])
        if "LastEvaluatedKey" not in answer:
            return count
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def range_of(values: Sequence[float], unit: str = "") -> str:
    return f"{statistics.median(values):.2f}{unit} ({min(values):.2f} to {max(values):.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(
        description="How quick a job is beside a bare loop of the same transactions."
    )
    parser.add_argument("items", type=int, nargs="?", default=ITEMS, help="purges; default: %(default)s")
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS, help="default: %(default)s")
    given = parser.parse_args()
    refuse_other_machines()
    settings.DYNAMO_VALIDATES_ALL = False  # as deployed
    settings.UNDO_LOGS_MINUTES = 0
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(running("dynoxide"))
        tables = stack.enter_context(fresh_tables(engine, settings))
        return measure(tables, given.items, given.rounds, stack)


def measure(tables: dict[str, Binding], items: int, rounds: int, stack: contextlib.ExitStack) -> int:
    table, audit = tables["requests"], audit_table_for(tables["requests"])
    for prefix, count in (("warm", 64), ("job", items), ("bare", items)):
        fill(tables, prefix, count)
    factories.put(
        table, *(factories.request(f"other-{at}", status="completed", user_id="other") for at in range(9))
    )
    job, mirror = control.start(ready("job"), OLGA), ready("bare")
    worker, pages = Child(WORKER), Child(PAGES)
    stack.callback(worker.end)
    stack.callback(pages.end)
    pages.answer()
    waiting, client = transactions(mirror), bare_client(table)
    client.describe_table(TableName=table.name)  # its first call makes what all have
    part = -(-items // rounds)
    warm = control.start(ready("warm"), OLGA)  # what a process does once is not of the rate
    worker.ask("run", warm.id, None)
    ratios, rates, own, bare_cpu = [], [], [], []
    for _ in range(rounds):
        done, seconds, cpu, _ = worker.ask("run", job.id, part)
        built: list[tuple[int, list[dict[str, Any]]]] = []
        while sum(count for count, _ in built) < done and (more := next(waiting, None)):
            built.append(more)
        count, bare_seconds, bare_used = bare(built, client)
        if not done or not count:
            break
        ratios.append((done / seconds) / (count / bare_seconds))
        rates.append((done / seconds, count / bare_seconds))
        own.append(cpu / done * 1000)
        bare_cpu.append(bare_used / count * 1000)
        worker.measure()
        pages.measure()
    worker.ask("run", job.id, None)
    bare([*waiting], client)
    found = store.find(job.id, table)
    assert found
    counts = store.progress_of(found)
    entries = counted(audit, FilterExpression="job = :job", ExpressionAttributeValues={":job": {"S": job.id}})
    print(f"{items:,} purges of each, in {len(ratios)} rounds, {datetime.now(UTC):%Y-%m-%d}")
    print(
        f"job: {found.state}, {counts.done:,} done, {counts.skipped} skipped, {counts.failed} failed, {entries:,} entries; requests left: {counted(table)} of 9"
    )
    total = sum(1 / ours for ours, _ in rates), sum(1 / theirs for _, theirs in rates)
    print(
        f"rate of the job to that of the bare loop: {total[1] / total[0]:.2f} over the run; by round {range_of(ratios)}"
    )
    print(
        f"items a second: job {range_of([ours for ours, _ in rates])}, bare {range_of([theirs for _, theirs in rates])}"
    )
    print(f"processor, ms an item: job {range_of(own)}, bare {range_of(bare_cpu)}")
    # Of what the bare loop purged the messages are the worker's too.
    deleted, seconds, cpu, calls = 0, 0.0, 0.0, 0
    waiting_messages = {
        "FilterExpression": "begins_with(pk, :p)",
        "ExpressionAttributeValues": {":p": {"S": "outbox#"}},
    }
    while counted(
        jobs_table_for(table), **waiting_messages
    ):  # the second pass follows a minute after the first
        count, took, used, made = worker.ask("outbox", "", None)
        deleted, seconds, cpu, calls = deleted + count, seconds + took, cpu + used, calls + made
        worker.measure()
        time.sleep(0.0 if count else 1.0)
    left = counted(tables["request_logs"])
    print(
        f"logs: {left} left after {deleted:,} messages, {seconds:.0f} s, {calls / (2 * items):.1f} calls and {cpu / (2 * items) * 1000:.2f} ms of the processor a request"
    )
    for name, child in (("worker", worker), ("pages", pages)):
        sizes = child.sizes
        print(
            f"memory of {name}: {sizes[0]:.0f} MB after the first part, {max(sizes):.0f} MB at most, {sizes[-1]:.0f} MB at the end"
        )
    exact = (counts.done, counts.skipped, counts.failed, entries, counted(table)) == (items, 0, 0, items, 9)
    return 0 if exact else 1


if __name__ == "__main__":
    raise SystemExit(main())
