"""How each action ended: a line of the log with the ids of its AWS requests, and a metric."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from opsportal.dynamo import spending
from opsportal.dynamo.errors import DynamoError
from opsportal.dynamo.spending import Spending
from opsportal.operations.entries import Intent
from opsportal.operations.outcomes import Done, OutcomeUnknown, Refused
from opsportal.telemetry import figures

logger = logging.getLogger(__name__)


@dataclass
class Ending:
    """What the block was: its `done` is set by the block itself."""

    done: Done | None = None


@contextmanager
def logged(intent: Intent) -> Iterator[Ending]:
    """Log and count how the block ends. A refusal writes nothing to the tables: the log is all that has it."""
    ending, action, target, by = Ending(), intent.action, intent.target, intent.actor
    with ExitStack() as stack:
        # A worker has no account open; a page's has its reads in it already.
        account = spending.current() or stack.enter_context(spending.request_budget(None))
        before = Spending(
            read_units=account.read_units, write_units=account.write_units, calls=len(account.request_ids)
        )

        def log(outcome: str, sentence: str, level: int = logging.WARNING) -> None:
            figures.ACTIONS.labels(action.subject, action.verb, outcome).inc()
            extra = {
                "action": action.value,
                "action_id": intent.action_id,
                "target": f"{target.logical}/{target.id}",
                "outcome": outcome,
                "user": by.name,
                "actor_id": by.id,
                "aws_request_ids": account.request_ids[before.calls :],
                "read_units": float(account.read_units - before.read_units),
                "write_units": float(account.write_units - before.write_units),
            }
            logger.log(
                level,
                "%s %s on %s %r by %s (%s, action_id %s)%s [AWS requests %s, %s RCU, %s WCU]",
                outcome,
                action.value,
                target.logical,
                target.id,
                by.name,
                by.id,
                intent.action_id,
                sentence and f": {sentence}",
                ",".join(account.request_ids[before.calls :]),
                extra["read_units"],
                extra["write_units"],
                extra=extra,
            )

        try:
            yield ending
        except OutcomeUnknown as unknown:
            log("unknown", unknown.sentence)
            raise
        except Refused as refused:
            log("refused", refused.sentence)
            raise
        except DynamoError as error:
            log("failed", error.sentence)
            raise
        except Exception:
            log("failed", "an error of the console, which follows")
            raise
        log("repeated" if ending.done and ending.done.repeated else "done", "", logging.INFO)


def log_many(intents: Sequence[Intent]) -> None:
    """One line for the items of one transaction of a job, which are of one action and table; each is counted."""
    one, account = intents[0], spending.current()
    action, by = one.action, one.actor
    figures.ACTIONS.labels(action.subject, action.verb, "done").inc(len(intents))
    extra = {
        "action": action.value,
        "job": one.job,
        "targets": [f"{one.target.logical}/{one.target.id}" for one in intents],
        "outcome": "done",
        "user": by.name,
        "actor_id": by.id,
        "aws_request_ids": account.request_ids[-1:] if account else [],
    }
    logger.info(
        "done %s on %d items of %s, from %r to %r, by %s (%s, job %s)",
        action.value, len(intents), one.target.logical, one.target.id, intents[-1].target.id, by.name, by.id, one.job,
        extra=extra,
    )  # fmt: skip
