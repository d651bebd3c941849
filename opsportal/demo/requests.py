"""The demo's requests: a week of briefs, one source that denied access for a while, and one that hangs;
and the lines of their logs, which are kept for a day, and for longer of what failed."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from opsportal.demo import research, traffic
from opsportal.demo.company import ANALYSTS, BRIEFS, PEOPLE, SCHEDULE
from opsportal.demo.place import Item
from opsportal.demo.research import STAGES, Progress, Tick
from opsportal.demo.stamps import naive

PER_HOUR = traffic.REQUESTS_PER_HOUR  # at the busiest
FAILURE_RATE = traffic.FAILURE_RATE
# Minutes ago at which requests were submitted that the same source refused.
DENIED_AT = (134, 129, 127.5, 122, 118)
# Minutes ago at which the worker of one wrote for the last time.
HANGING_SINCE = 38
WORKERS = {"table": ("table_processor_001", "table_processor_002", "table_processor_003"),
           "sqs": ("sqs_processor_001", "sqs_processor_002")}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of a request's log."""

    at: datetime
    level: str
    stage: str
    message: str


@dataclass(frozen=True)
class Made:
    """A request as it stands, and its log."""

    item: Item
    lines: list[Line] = field(default_factory=list)


def build(key: str, now: datetime, seed: int = 2) -> list[Made]:
    """The requests of the week before `now`, the oldest first; the newest are still at work."""
    rng = random.Random(seed)
    failures = itertools.cycle(rng.sample(research.FAILURES, len(research.FAILURES)))
    made = []
    for created in traffic.arrivals(now, PER_HOUR, rng):
        failure = next(failures) if rng.random() < FAILURE_RATE else None
        made.append(_one(key, created, rng, now, failure))
    for minutes in DENIED_AT:
        created = now - timedelta(minutes=minutes, seconds=rng.uniform(0, 40))
        made.append(_one(key, created, rng, now, research.DENIED))
    return [*made, _hanging(key, now, rng)]


def _one(
    key: str, created: datetime, rng: random.Random, now: datetime, failure: research.Failure | None
) -> Made:
    item = submitted(key, request_id(created, rng), created, rng)
    if failure and failure.source and failure.source not in item["config"]["sources"]:
        item["config"]["sources"].append(failure.source)
    taken = created + timedelta(seconds=rng.uniform(0.8, 6))
    return worked(key, item, taken, research.course(item["config"], rng, failure), rng, now)


def _hanging(key: str, now: datetime, rng: random.Random) -> Made:
    """In the middle of its extraction, and its worker is gone."""
    last = now - timedelta(minutes=HANGING_SINCE)
    created = last - timedelta(seconds=40)
    item = submitted(key, request_id(created, rng), created, rng)
    ticks = research.course(item["config"], rng)
    reached = [tick for tick in ticks if tick.at.stage in list(STAGES)[:3]][:-1]
    started = last - timedelta(seconds=sum(tick.seconds for tick in reached))
    item |= {"created_at": naive(started - timedelta(seconds=2))}
    item[key] = request_id(started - timedelta(seconds=2), rng)
    return worked(key, item, started, ticks, rng, last)


def request_id(moment: datetime, rng: random.Random) -> str:
    """``req_<epoch ms>_<8 hex>``."""
    return f"req_{int(moment.timestamp() * 1000)}_{rng.getrandbits(32):08x}"


def config(rng: random.Random, kind: str) -> Item:
    brief = BRIEFS[kind]
    return {
        "keywords": rng.sample(brief.keywords, rng.randint(2, len(brief.keywords))),
        "sources": list(rng.sample(brief.sources, rng.randint(2, len(brief.sources)))),
        "extraction_mode": rng.choices(("summary", "full", "metadata"), (6, 3, 1))[0],
        "quality_threshold": rng.choice((0.6, 0.7, 0.7, 0.8)),
        "batch_size": rng.choice((5, 5, 10)),
        "max_retries": rng.choice((2, 3)),
        "custom_params": {},
    }


def progress(at: Progress, moment: datetime) -> Item:
    """An item's ``progress``."""
    return {
        "current_stage": at.stage,
        "percentage": at.percentage,
        **at.counts,
        "last_updated": naive(moment),
    }


def results(
    ident: str, kind: str, rng: random.Random, at: Progress, seconds: float, sources: int = 3
) -> Item:
    brief = BRIEFS.get(kind) or next(iter(BRIEFS.values()))
    confidence = rng.uniform(0.71, 0.96)
    clinical = at.extracted // 3
    academic = (at.extracted - clinical) // 2
    counts = {"regulatory": at.extracted - clinical - academic, "clinical": clinical, "academic": academic}
    return {
        "report_path": f"reports/{kind}_{ident}.json",
        "summary": {
            "executive_summary": rng.choice(brief.summaries),
            "key_findings": rng.sample(brief.findings, rng.randint(2, 3)),
            "total_sources": sources,
            "total_content_items": at.extracted,
        },
        "execution_summary": {
            "total_urls_discovered": at.found,
            "total_content_extracted": at.extracted,
            "processing_duration": round(seconds, 1),
            "api_calls_made": at.found + 2 * sources,
            "success_rate": round(100 * at.extracted / max(at.found, 1), 1),
        },
        "intelligence_data": {
            f"{name}_content": {"count": count, "items": []} for name, count in counts.items()
        },
        "structured_outputs": [],
        "quality_metrics": {
            "average_confidence": round(confidence, 2),
            "high_quality_items": int(at.extracted * confidence),
        },
        "processing_metadata": {},
    }


def change(moment: datetime, old: str, new: str, message: str) -> Item:
    """One entry of ``processing_metadata.status_history``."""
    return {"timestamp": naive(moment), "old_status": old, "new_status": new, "message": message}


def saw_cancel(moment: datetime) -> Item:
    """Of UpdateItem: what a worker writes that has seen the cancel of its request, so that the console can say so."""
    return {
        "UpdateExpression": "SET updated_at = :now",
        "ConditionExpression": "#status = :cancelled",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":now": {"S": naive(moment)}, ":cancelled": {"S": "cancelled"}},
    }


def submitted(
    key: str,
    ident: str,
    moment: datetime,
    rng: random.Random,
    *,
    priority: str = "",
    strategy: str = "",
) -> Item:
    """A request as it is just after submission: by people where it is their day, else by the schedule."""
    kind = rng.choice(list(BRIEFS))
    by_hand = rng.random() < (0.8 if traffic.weight(moment) == 1 else 0.08)
    return {
        key: ident,
        "project_id": BRIEFS[kind].project,
        "user_id": rng.choice((*PEOPLE, *ANALYSTS, *ANALYSTS)) if by_hand else SCHEDULE,
        "request_type": kind,
        "status": "pending",
        "status_message": None,
        "priority": priority or rng.choices(("high", "medium", "low"), (2, 5, 3))[0],
        "processing_strategy": strategy or rng.choices(("table", "sqs"), (3, 1))[0],
        "config": config(rng, kind),
        "created_at": naive(moment),
        "updated_at": naive(moment),
        "started_at": None,
        "completed_at": None,
        "progress": progress(Progress(), moment),
        "results": None,
        "errors": [],
        "warnings": [],
        "processing_metadata": {"status_history": []},
    }


def worked(
    key: str, item: Item, taken: datetime, ticks: Sequence[Tick], rng: random.Random, now: datetime
) -> Made:
    """The submitted item as it stands at `now`, when a worker has taken it at ``taken``, and its log."""
    if taken > now:
        return Made(item)
    worker = rng.choice(WORKERS[item["processing_strategy"]])
    history = [change(taken, "pending", "processing", "Started processing")]
    lines = [Line(taken, "INFO", "initialization", "Started processing")]
    clock, status, at = taken, "processing", Progress()
    item = item | {"status": status, "started_at": naive(taken), "updated_at": naive(taken)}
    for tick in ticks:
        if clock + timedelta(seconds=tick.seconds) > now:
            break
        stage = tick.at.stage
        if stage == "content_extraction" and status == "processing":
            history.append(change(clock, status, "executing", "Executing"))
            lines.append(Line(clock, "INFO", stage, "Executing"))
            status = "executing"
        clock += timedelta(seconds=tick.seconds)
        at = tick.at
        lines.append(Line(clock, tick.level, stage, tick.message))
        if tick.level == "WARNING":
            item["warnings"] = [*item["warnings"], f"{naive(clock)}: {tick.message}"]
        if tick.error:
            history.append(change(clock, status, "failed", tick.message))
            status = "failed"
            item["errors"] = [f"{naive(clock)}: {tick.message}"]
    else:
        if status != "failed":
            clock += timedelta(seconds=0.4)
            history.append(change(clock, status, "completed", "Request completed"))
            lines.append(Line(clock, "INFO", "completed", "Request completed"))
            status = "completed"
            at = replace(at, stage="completed", percentage=100)
            seconds, sources = (clock - taken).total_seconds(), len(item["config"]["sources"])
            item["results"] = results(item[key], item["request_type"], rng, at, seconds, sources)
    if status in ("completed", "failed"):
        item["completed_at"] = naive(clock)
    item |= {
        "status": status,
        "status_message": history[-1]["message"],
        "updated_at": naive(clock),
        "progress": progress(at, clock),
        "processing_metadata": {"worker_id": worker, "status_history": history},
    }
    return Made(item, lines)


KEPT = timedelta(hours=26)


def entry(
    key: str, ident: str, request: str, moment: datetime, level: str, stage: str, message: str, worker: str
) -> Item:
    """One line of a request's log (seed 002 of docs/data.md)."""
    return {
        key: ident,
        "request_id": request,
        "timestamp": naive(moment),
        "log_level": level,
        "message": message,
        "stage": stage,
        "metadata": {"worker_id": worker, "processing_node": f"node-{worker[-1:]}"},
    }


def build_logs(key: str, request_key: str, requests: Sequence[Made], now: datetime) -> list[Item]:
    """``log_<epoch ms of the request>_<nnn>``, oldest first within a request."""
    return [
        entry(
            key,
            f"log_{made.item[request_key].split('_')[1]}_{number:03d}",
            made.item[request_key],
            line.at,
            line.level,
            line.stage,
            line.message,
            made.item["processing_metadata"]["worker_id"],
        )
        for made in requests
        if made.lines and (made.item["status"] == "failed" or now - made.lines[0].at < KEPT)
        for number, line in enumerate(made.lines, 1)
    ]
