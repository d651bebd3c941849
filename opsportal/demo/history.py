"""What the demo's people have done: real actions, made at times of the past, and alert rules that they watch by.

An action is made once: its id is made of the set's time and its name, and the trail knows it.
"""

import logging
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction

from opsportal.accounts.actors import user_id
from opsportal.accounts.roles import role_of, set_role
from opsportal.demo import batches, requests, research, rules, trades
from opsportal.demo.company import PEOPLE
from opsportal.demo.place import Item, attribute_values
from opsportal.demo.workflows import WorkflowBuilder
from opsportal.dynamo.clients import client
from opsportal.dynamo.errors import translated
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations import undo
from opsportal.operations.entries import Actor
from opsportal.operations.transactions import Done, Refused, dated
from registry import action_views as agent_views
from requests_app import action_views as request_actions
from requests_app.writer import RequestWriter
from tracking import action_views as workflow_views
from tracking.writer import StatusWriter

NAMESPACE = uuid.UUID("6c5fb0c4-0d7a-4f59-9c0a-3a7d1d1f0a55")
# A program looks for a cancel every two seconds.
SEEN_AFTER = timedelta(seconds=1.6)
NO_ACCOUNTS = (
    "No actions and no alert rules: there are no accounts yet. Run manage.py migrate, then load_demo again."
)


def make(now: datetime) -> str:
    """Make the accounts, the actions and the rules that are not there; a sentence that says so. Raises DynamoError."""
    try:
        with transaction.atomic():
            people = {name: _person(name, role) for name, role in PEOPLE.items()}
    except DatabaseError:
        return NO_ACCOUNTS
    with _in_silence():
        made = _Past(now, people).act()
        rules.make(now, people)
    return f"Audit trail: {made} actions of {len(people)} people"


@contextmanager
def _in_silence() -> Iterator[None]:
    """Without the log's line for each action, and where other processes, of which none may run, could not be notified."""
    logs = [logging.getLogger(name) for name in ("opsportal.operations.action_log", "registry.versions")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _person(name: str, role: str) -> User:
    """Their account, with which nobody can sign in until an administrator sets a password."""
    user, is_new = User.objects.get_or_create(
        username=name, defaults={"email": f"{name}@example.com", "is_staff": True}
    )
    if is_new:
        user.set_unusable_password()
        user.save()
        set_role(user, role)
    return user


class _Past:
    """The actions, the oldest first. Each `_scene` puts the item that somebody acted on as it was then."""

    def __init__(self, now: datetime, people: dict[str, User]) -> None:
        self.now, self.people, self.rng = now, people, random.Random(11)
        self.workflows, self.requests, self.logs = map(binding, ("workflows", "requests", "request_logs"))

    def act(self) -> int:
        """How many of them there are in the trail. One that is refused ends it: somebody has changed its item
        since an earlier load that did not come so far."""
        made = 0
        with suppress(Refused):
            for _ in self._all():
                made += 1
        return made

    def _all(self) -> Iterator[Done]:
        yield self._do("edit", "chen.wei", 21.9, partial(
            agent_views.EDIT.act, "report-writer-agent",
            texts={"description": "Writes the brief from the findings, in the wording that the project has agreed on."},
        ), "As agreed with the brief team")  # fmt: skip
        # The model's answer was no JSON; the second time it was.
        no_json = research.FAILURES[2]
        yield from self._retried(
            "second try", "j.okafor", (19.3, 18.8), "The model answers again", no_json, None
        )
        yield self._cancelled_workflow(
            "duplicate", "maria.lindqvist", 16.2, "Duplicate of a confirmation that came by mail"
        )
        yield self._do(
            "rollout",
            "chen.wei",
            14.6,
            partial(agent_views.DEACTIVATE.act, "report-writer-agent"),
            "New model is being rolled out",
        )
        yield self._do(
            "rolled out",
            "chen.wei",
            13.9,
            partial(agent_views.ACTIVATE.act, "report-writer-agent"),
            "Rollout done",
        )
        yield from self._purged_and_restored()
        yield self._cancelled_request(
            "superseded", "maria.lindqvist", 9.1, "Superseded by the brief of the oncology desk"
        )
        yield self._cancelled_workflow(
            "wrong document", "j.okafor", 5.7, "Wrong counterparty document was uploaded"
        )
        denied = research.DENIED
        yield from self._retried(
            "denied again", "maria.lindqvist", (2.07, 1.6), "Access should be back", denied, denied
        )
        yield self._retried_just_now()

    # --- Scenes --------------------------------------------------------------------------------------

    def _purged_and_restored(self) -> Iterator[Done]:
        session = self._workflow("purged", self._ago(12.9), "completed")
        purged = self._do(
            "purge", "chen.wei", 11.3, partial(workflow_views.PURGE.act, session), "Clean-up of the pilot"
        )
        yield purged
        yield self._do("undo", "chen.wei", 11.2, partial(undo.undo, purged.entry), "Was not of the pilot")

    def _cancelled_workflow(self, name: str, who: str, hours: float, reason: str) -> Done:
        session = self._workflow(name, self._ago(hours) - timedelta(seconds=34), "processing")
        done = self._do(name, who, hours, partial(workflow_views.CANCEL.act, session), reason)
        if not done.repeated:
            self._orchestrator_saw(session, self._ago(hours) + SEEN_AFTER)
        return done

    def _cancelled_request(self, name: str, who: str, hours: float, reason: str) -> Done:
        ident = self._request(name, self._ago(hours) - timedelta(seconds=31), None, self._ago(hours))
        done = self._do(name, who, hours, partial(request_actions.CANCEL.act, ident), reason)
        if not done.repeated:
            self._worker_saw(ident, self._ago(hours) + SEEN_AFTER)
        return done

    def _retried(
        self,
        name: str,
        who: str,
        spans: tuple[float, float],
        reason: str,
        failure: research.Failure,
        again: research.Failure | None,
    ) -> Iterator[Done]:
        """One that failed, and how it ended the second time. `spans`: hours ago at which it was submitted and retried."""
        submitted, retried = map(self._ago, spans)
        ident = self._request(name, submitted, failure)
        done = self._do(name, who, spans[1], partial(request_actions.RETRY.act, ident), reason)
        yield done
        if not done.repeated:
            self._work(ident, retried + timedelta(seconds=3), again)

    def _retried_just_now(self) -> Done:
        """A worker takes it next."""
        ident = self._request("quota is back", self._ago(0.62), research.FAILURES[0])
        seconds = timedelta(seconds=25)
        return self._do(
            "quota is back",
            "j.okafor",
            seconds / timedelta(hours=1),
            partial(request_actions.RETRY.act, ident),
            "The quota of the new hour is there",
        )

    # --- What they are made of -----------------------------------------------------------------------

    def _ago(self, hours: float) -> datetime:
        return self.now - timedelta(hours=hours)

    def _do(self, name: str, who: str, hours: float, action: Callable[..., Done], reason: str) -> Done:
        user = self.people[who]
        by = Actor(user.get_username(), role_of(user), user_id(user))
        action_id = str(uuid.uuid5(NAMESPACE, f"{self.now.isoformat()} {self.workflows.name} {name}"))
        with dated(self._ago(hours)):
            return action(by=by, reason=reason, action_id=action_id)

    def _workflow(self, name: str, created: datetime, status: str) -> str:
        """The id of one that was at its second step, or completed."""
        rng = random.Random(f"{name} {self.now.isoformat()}")
        builder = WorkflowBuilder(settings.WORKFLOW_STEPS, self.now, rng)
        ended, last = (
            (len(builder.names), "")
            if status == "completed"
            else (min(1, len(builder.names) - 1), "in-progress")
        )
        session = trades.session_id(rng)
        self._put_absent(
            self.workflows, {self.workflows.key: session, **builder.workflow(status, created, ended, last)}
        )
        return session

    def _request(
        self, name: str, created: datetime, failure: research.Failure | None, until: datetime | None = None
    ) -> str:
        """The id of one that stands as a worker left it at ``until``, with its log."""
        rng, key = random.Random(f"{name} {self.now.isoformat()}"), self.requests.key
        created -= timedelta(seconds=rng.uniform(0, 9))
        item = requests.submitted(key, requests.request_id(created, rng), created, rng, strategy="table")
        if failure and failure.source and failure.source not in item["config"]["sources"]:
            item["config"]["sources"].append(failure.source)
        ticks = research.course(item["config"], rng, failure)
        made = requests.worked(key, item, created + timedelta(seconds=2), ticks, rng, until or self.now)
        if self._put_absent(self.requests, made.item):
            lines = requests.build_logs(self.logs.key, key, [made], created)
            sum(batches.put(self.logs, lines))
        return str(item[key])

    def _work(self, ident: str, moment: datetime, failure: research.Failure | None) -> None:
        """As a worker does it: the same writer, on a clock of the past."""
        clock = [moment]
        writer = RequestWriter(
            self.requests.name, worker_id="table_processor_002", logs_table=self.logs.name, key=self.requests.key,
            logs_key=self.logs.key, client=client(self.requests.region, self.requests.endpoint, background=True),
            raise_errors=True, progress_interval=0, log_interval=0, clock=lambda: clock[0],
        )  # fmt: skip
        job = writer.claim(ident)
        if job is None:
            return
        job.log("INFO", "Started processing")
        *before, last = research.course(job.config, self.rng, failure)
        for tick in [*before, last]:
            if tick.at.stage == "content_extraction" and job.status == "processing":
                job.executing()
            clock[0] += timedelta(seconds=tick.seconds)
            if not tick.error:
                job.log(tick.level, tick.message, stage=tick.at.stage)
        # Of what a worker says of its progress only the last stays.
        job.progress(last.at.stage, last.at.percentage, **last.at.counts)
        if last.error:
            job.fail(last.message)
        else:
            kind, seconds = str(job.item.get("request_type")), (clock[0] - moment).total_seconds()
            number = len(job.config.get("sources") or ())
            job.complete(requests.results(ident, kind, self.rng, last.at, seconds, number))
        writer.close()

    def _orchestrator_saw(self, session: str, moment: datetime) -> None:
        """It stops the step that it was at."""
        steps = [(step["key"], step["waiting"]) for step in settings.WORKFLOW_STEPS]
        with StatusWriter(
            self.workflows.name, key=self.workflows.key, steps=steps, clock=lambda: moment, raise_errors=True,
            client=client(self.workflows.region, self.workflows.endpoint, background=True),
        ) as writer:  # fmt: skip
            writer.stop_step(session, steps[min(1, len(steps) - 1)][0])

    def _worker_saw(self, ident: str, moment: datetime) -> None:
        dynamo = client(self.requests.region, self.requests.endpoint, background=True)
        with translated(self.requests):
            dynamo.update_item(
                TableName=self.requests.name,
                Key={self.requests.key: {"S": ident}},
                **requests.saw_cancel(moment),
            )

    def _put_absent(self, table: Binding, item: Item) -> bool:
        """Whether it was not there."""
        dynamo = client(table.region, table.endpoint, background=True)
        with translated(table):
            try:
                dynamo.put_item(
                    TableName=table.name, Item=attribute_values(item),
                    ConditionExpression="attribute_not_exists(#key)", ExpressionAttributeNames={"#key": table.key},
                )  # fmt: skip
            except dynamo.exceptions.ConditionalCheckFailedException:
                return False
        return True
