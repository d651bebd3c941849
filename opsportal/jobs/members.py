"""The items of a job, each with what became of it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from opsportal.jobs import chunks
from opsportal.jobs.chunks import Progress, Record
from opsportal.jobs.job import OBSERVED, Job, Outcome, part_key
from opsportal.operations.changes import Raw

# One character of a `seen` item for each item of a chunk.
CODES = dict(zip(OBSERVED, "wtcrfogx", strict=True))
OUTCOMES = {code: outcome for outcome, code in CODES.items()}
UNSEEN = "."


@dataclass(frozen=True)
class Member:
    """`outcome`: the most that is known; one that was done and is observed is done too. `reason`: why it was not done."""

    key: str
    status: str
    outcome: Outcome
    reason: str = ""

    @property
    def was_done(self) -> bool:
        return self.outcome is Outcome.DONE or self.outcome in OBSERVED


def members(job: Job, wanted: Collection[Outcome] = (), start: int = 0) -> Iterator[list[Member]]:
    """Those of these outcomes (of all without any), a chunk at a time, from chunk `start` on. Raises `DynamoError`,
    LookupError where they are not kept any more."""
    seen = {int(raw["sk"]["S"].partition("#")[2]): raw["codes"]["S"] for raw in chunks.parts(job, "seen#")}
    for raw in chunks.parts(job, "chunk#", f"chunk#{start:05}"):
        progress = Progress.from_item(raw)
        codes = seen.get(progress.n, "")
        if wanted and not _may_hold(progress, codes, wanted):
            yield []
            continue
        yield [
            one
            for one in of_chunk(chunks.keys_of(job, progress.n), progress, codes)
            if not wanted or one.outcome in wanted or (Outcome.DONE in wanted and one.was_done)
        ]


def page(
    job: Job, wanted: Collection[Outcome], start: int, *, least: int, max_chunks: int
) -> tuple[list[Member], int | None]:
    """Those of whole chunks from `start` on, until there are as many; and the chunk that the next page begins with. Raises
    as `members`."""
    found: list[Member] = []
    after = start
    for some in islice(members(job, wanted, start), max_chunks):
        found += some
        after += 1
        if len(found) >= least:
            break
    else:
        if after < start + max_chunks:
            return found, None
    return found, after if after < job.chunks else None


def _may_hold(progress: Progress, codes: str, wanted: Collection[Outcome]) -> bool:
    """Whether the chunk can have one of these, without its keys."""
    held = {
        Outcome.PENDING: progress.at < progress.size,
        Outcome.DONE: progress.done > 0,
        Outcome.SKIPPED: progress.skipped + progress.left > 0,
        Outcome.FAILED: progress.failed > 0,
    }
    return any(held.get(one, CODES.get(one, "") in codes) for one in wanted)


def of_chunk(keys: chunks.Keys, progress: Progress, codes: str) -> list[Member]:
    """All of a chunk: first those to be done, in their order."""
    skipped = {at: sentence for sentence, places in progress.reasons.items() for at in places}
    failed = {at: sentence for sentence, places in progress.failures.items() for at in places}

    def member(at: int, one: Record) -> Member:
        if at in skipped:
            return Member(one.key, one.status, Outcome.SKIPPED, skipped[at])
        if at in failed:
            return Member(one.key, one.status, Outcome.FAILED, failed[at])
        if at >= progress.at:
            return Member(one.key, one.status, Outcome.PENDING)
        return Member(one.key, one.status, OUTCOMES.get(codes[at : at + 1], Outcome.DONE))

    before = [Member(one.key, one.status, Outcome.SKIPPED, one.reason) for one in keys.skipped]
    return [*(member(at, one) for at, one in enumerate(keys.eligible)), *before]


def seen_item(job: Job, n: int, codes: str) -> Raw:
    return {**part_key(job.id, f"seen#{n:05}"), "codes": {"S": codes}, "ttl": chunks.part_ttl()}


def of_one_chunk(job: Job, progress: Progress) -> list[Member]:
    """All of a chunk, by two reads. Raises `DynamoError`, LookupError where its keys are gone."""
    seen = next((raw["codes"]["S"] for raw in chunks.parts(job, f"seen#{progress.n:05}")), "")
    return of_chunk(chunks.keys_of(job, progress.n), progress, seen)
