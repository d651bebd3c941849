"""What a job must have left behind, counted to the last item."""

from collections import Counter
from typing import Any

from opsportal.jobs import chunks, control, freezing, store
from opsportal.jobs.job import Job, Outcome, State
from opsportal.jobs.members import members
from opsportal.operations.entries import Actor
from tests import factories
from tests.operations.places import trail

OLGA = Actor("olga", "operator", "user:1001")
Raw = dict[str, Any]


def failed(n: int, **values: Any) -> list[Raw]:
    return [factories.request(f"req-{at:05}", status="failed", **values) for at in range(n)]


def now(job: Job) -> Job:
    found = store.find(job.id, job.table)
    assert found
    return found


def frozen(name: str, **asked: Any) -> Job:
    """A job whose preview is ready."""
    job = control.make(name, by=OLGA, **{"reason": "because", **asked})
    freezing.freeze(job)
    return now(job)


def started(name: str, **asked: Any) -> Job:
    return control.start(frozen(name, **asked), OLGA)


def outcomes(job: Job) -> dict[Outcome, set[str]]:
    """The keys of its items; each is there once."""
    found: dict[Outcome, set[str]] = {}
    every = [one for page in members(job) for one in page]
    assert len({one.key for one in every}) == len(every)
    for one in every:
        found.setdefault(Outcome.DONE if one.was_done else one.outcome, set()).add(one.key)
    return found


def settled(job: Job, *, done: int, skipped: int = 0, failed: int = 0, state: State = State.FINISHED) -> Job:
    """All of the frozen set is accounted for, and each item that was done has exactly one entry, and no other has."""
    job = now(job)
    counts = store.progress_of(job)
    assert job.state is state, job
    assert (counts.done, counts.skipped, counts.failed) == (done, skipped, failed), reasons(job)
    assert counts.matched == job.matched
    assert counts.pending == (0 if state is State.FINISHED else job.matched - done - skipped - failed)
    by_outcome = outcomes(job)
    assert {outcome: len(keys) for outcome, keys in by_outcome.items()} == {
        outcome: count
        for outcome, count in (
            (Outcome.DONE, done),
            (Outcome.SKIPPED, skipped),
            (Outcome.FAILED, failed),
            (Outcome.PENDING, counts.pending),
        )
        if count
    }
    recorded = Counter(
        entry["target"]["S"] for entry in trail(job.table) if entry.get("job") == {"S": job.id}
    )
    assert set(recorded) == by_outcome.get(Outcome.DONE, set())
    assert set(recorded.values()) <= {1}
    return job


def reasons(job: Job) -> dict[str, int]:
    """By sentence, of those that were skipped or failed in the run."""
    found: Counter[str] = Counter()
    for one in chunks.progress(job):
        found.update(
            {sentence: len(places) for sentence, places in (*one.reasons.items(), *one.failures.items())}
        )
    return dict(found)


def retried(raw: Raw) -> int:
    return int(raw["processing_metadata"]["M"].get("retry_count", {"N": "0"})["N"])
