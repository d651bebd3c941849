"""Demo requests: seed 002's sample, and about forty over all statuses, strategies, users and projects."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from opsportal.demo.place import Item
from opsportal.demo.stamps import naive

SAMPLE_ID = "req_1757412789250_a08ac7ad"
USERS = ("test-user-123", "maria.lindqvist", "j.okafor", "chen-wei")
PROJECTS = ("test-project-001", "obesity-pipeline", "oncology-watch", "rare-disease-brief")
TYPES = {
    "semaglutide_intelligence": ("semaglutide", "wegovy", "GLP-1 receptor agonist", "weight loss medication"),
    "competitor_landscape": ("tirzepatide", "orforglipron", "phase 3 obesity", "amylin analogue"),
    "regulatory_watch": ("FDA approval", "EMA opinion", "label change", "post-marketing study"),
}
# Stage -> the percentages between which it moves.
STAGES = {
    "initialization": (0, 5),
    "serp_discovery": (5, 25),
    "content_extraction": (25, 80),
    "aggregation": (80, 95),
    "completed": (95, 100),
}
SOURCES = (
    {"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"},
    {"name": "NIH", "base_url": "https://www.nih.gov", "source_type": "academic"},
    {"name": "ClinicalTrials.gov", "base_url": "https://clinicaltrials.gov", "source_type": "clinical"},
)
FAILURES = (
    "Failed to extract content from https://www.fda.gov/drugs/7: HTTP 503",
    "Search quota of the day is used up",
    "Aggregation refused: average confidence 0.41 is below the threshold 0.70",
)


def request_id(moment: datetime, rng: random.Random) -> str:
    """``req_<epoch ms>_<8 hex>``."""
    return f"req_{int(moment.timestamp() * 1000)}_{rng.getrandbits(32):08x}"


def config(rng: random.Random, kind: str) -> Item:
    keywords = TYPES[kind]
    return {
        "keywords": rng.sample(keywords, rng.randint(1, len(keywords))),
        "sources": list(rng.sample(SOURCES, rng.randint(1, len(SOURCES)))),
        "extraction_mode": rng.choice(("summary", "full", "metadata")),
        "quality_threshold": rng.choice((0.5, 0.7, 0.85)),
        "batch_size": rng.randint(1, 20),
        "max_retries": rng.randint(0, 5),
        "custom_params": {},
    }


def progress(
    stage: str, percentage: float, found: int, extracted: int, failed: int, moment: datetime
) -> Item:
    return {
        "current_stage": stage,
        "percentage": percentage,
        "urls_found": found,
        "content_extracted": extracted,
        "processing_errors": failed,
        "last_updated": naive(moment),
    }


def results(ident: str, kind: str, rng: random.Random, found: int, extracted: int, seconds: float) -> Item:
    confidence = rng.uniform(0.7, 0.97)
    return {
        "report_path": f"reports/{kind}_{ident}.json",
        "summary": {
            "executive_summary": "Uptake grows; two labels changed, and one competitor starts phase 3 early.",
            "key_findings": [
                "Label extended to cardiovascular risk",
                "Supply constraint ends in two regions",
            ],
            "total_sources": 3,
            "total_content_items": extracted,
        },
        "execution_summary": {
            "total_urls_discovered": found,
            "total_content_extracted": extracted,
            "processing_duration": round(seconds, 1),
            "api_calls_made": found + 3,
            "success_rate": round(100 * extracted / max(found, 1), 1),
        },
        "intelligence_data": {
            name: {"count": extracted // 3, "items": []}
            for name in ("regulatory_content", "clinical_content", "academic_content")
        },
        "structured_outputs": [],
        "quality_metrics": {
            "average_confidence": round(confidence, 2),
            "high_quality_items": int(extracted * confidence),
        },
        "processing_metadata": {},
    }


def change(moment: datetime, old: str, new: str, message: str) -> Item:
    """One entry of ``processing_metadata.status_history``."""
    return {"timestamp": naive(moment), "old_status": old, "new_status": new, "message": message}


def submitted(
    key: str, ident: str, moment: datetime, rng: random.Random, *, priority: str, strategy: str
) -> Item:
    """A request as it is just after submission."""
    kind = rng.choice(list(TYPES))
    return {
        key: ident,
        "project_id": rng.choice(PROJECTS),
        "user_id": rng.choice(USERS),
        "request_type": kind,
        "status": "pending",
        "status_message": None,
        "priority": priority,
        "processing_strategy": strategy,
        "config": config(rng, kind),
        "created_at": naive(moment),
        "updated_at": naive(moment),
        "started_at": None,
        "completed_at": None,
        "progress": progress("initialization", 0, 0, 0, 0, moment),
        "results": None,
        "errors": [],
        "warnings": [],
        "processing_metadata": {"status_history": []},
    }


def sample(key: str) -> Item:
    """Seed 002's item, value for value."""
    return {
        key: SAMPLE_ID,
        "project_id": "test-project-001",
        "user_id": "test-user-123",
        "request_type": "semaglutide_intelligence",
        "status": "pending",
        "status_message": None,
        "priority": "high",
        "processing_strategy": "table",
        "config": {
            "keywords": [
                "semaglutide",
                "tirzepatide",
                "wegovy",
                "obesity drug",
                "weight loss medication",
                "GLP-1 receptor agonist",
                "diabetes treatment",
                "clinical trials obesity",
            ],
            "sources": list(SOURCES),
            "extraction_mode": "summary",
            "quality_threshold": 0.7,
            "batch_size": 5,
            "max_retries": 2,
            "custom_params": {},
        },
        "created_at": "2024-01-09T15:43:09.250000",
        "updated_at": "2024-01-09T15:43:19.261000",
        "started_at": "2024-01-09T15:43:09.251000",
        "completed_at": None,
        "progress": {
            "current_stage": "content_extraction",
            "percentage": 65.0,
            "urls_found": 15,
            "content_extracted": 12,
            "processing_errors": 1,
            "estimated_completion": "2024-01-09T15:45:00.000000",
            "last_updated": "2024-01-09T15:43:15.000000",
        },
        "results": {
            "report_path": f"reports/semaglutide_intelligence_{SAMPLE_ID}.json",
            "summary": {
                "executive_summary": "Mock analysis completed successfully",
                "key_findings": ["Finding 1", "Finding 2"],
                "total_sources": 3,
                "total_content_items": 35,
            },
            "execution_summary": {
                "total_urls_discovered": 15,
                "total_content_extracted": 12,
                "processing_duration": 10.0,
                "api_calls_made": 18,
                "success_rate": 94.6,
            },
            "intelligence_data": {
                "regulatory_content": {"count": 12, "items": []},
                "clinical_content": {"count": 15, "items": []},
                "academic_content": {"count": 8, "items": []},
            },
            "structured_outputs": [],
            "quality_metrics": {"average_confidence": 0.85, "high_quality_items": 28},
            "processing_metadata": {},
        },
        "errors": ["2024-01-09T15:43:12.000000: Failed to extract content from URL xyz"],
        "warnings": ["2024-01-09T15:43:10.000000: Low confidence score for source ABC"],
        "processing_metadata": {
            "test_run": True,
            "timestamp": "2024-01-09T15:43:09.250000",
            "status_history": [
                change(
                    datetime.fromisoformat("2024-01-09T15:43:09.250000+00:00"),
                    "pending",
                    "processing",
                    "Started processing",
                )
            ],
        },
    }


# status, how many, the stage reached
PLAN: Sequence[tuple[str, int, str]] = (
    ("pending", 5, "initialization"),
    ("processing", 3, "serp_discovery"),
    ("executing", 3, "content_extraction"),
    ("executing", 2, "aggregation"),
    ("completed", 14, "completed"),
    ("failed", 3, "serp_discovery"),
    ("failed", 3, "content_extraction"),
    ("failed", 2, "aggregation"),
    ("cancelled", 4, "content_extraction"),
    ("FAILED", 1, "initialization"),
)


def build(key: str, now: datetime) -> list[Item]:
    """The sample and 40 more, under ids that are the same on every run."""
    rng = random.Random(2)
    items, number = [sample(key)], 0
    for status, count, stage in PLAN:
        for _ in range(count):
            ident = f"req_{1757412800000 + number * 61_007}_{rng.getrandbits(32):08x}"
            active = status in ("pending", "processing", "executing")
            age = timedelta(minutes=1 + number) if active else timedelta(hours=1 + rng.uniform(0, 238))
            priority = ("high", "medium", "low")[number % 3]
            strategy = "sqs" if number % 4 == 3 else "table"
            item = submitted(key, ident, now - age, rng, priority=priority, strategy=strategy)
            items.append(advanced(item, ident, status, stage, now - age, rng))
            number += 1
    return items


def advanced(item: Item, ident: str, status: str, stage: str, created: datetime, rng: random.Random) -> Item:
    """The submitted item as it is once it has come to ``status`` in ``stage``."""
    if status == "pending":
        return item
    started, lower = created + timedelta(seconds=2), status.lower()
    seconds = rng.uniform(20, 50)
    at = started + timedelta(seconds=seconds)
    low, high = STAGES[stage]
    percentage = 100 if lower == "completed" else round(rng.uniform(low, high), 1)
    found = rng.randint(8, 40) if percentage > 5 else 0
    extracted = int(found * min(percentage, 80) / 90)
    history = [change(started, "pending", "processing", "Started processing")]
    if status != "processing":
        history.append(change(started + timedelta(seconds=5), "processing", "executing", "Executing"))
    if lower in ("completed", "failed", "cancelled"):
        history.append(change(at, "executing", status, f"Request {lower}"))
        item["completed_at"] = naive(at)
    item |= {
        "status": status,
        "status_message": history[-1]["message"],
        "started_at": naive(started),
        "updated_at": naive(at),
        "progress": progress(
            stage, percentage, found, extracted, found - extracted if lower == "failed" else 0, at
        ),
        "processing_metadata": {
            "worker_id": f"table_processor_{rng.randint(1, 3):03d}",
            "status_history": history,
        },
    }
    if lower == "completed":
        item["results"] = results(ident, item["request_type"], rng, found, extracted, seconds)
        item["warnings"] = [f"{naive(at)}: Low confidence score for source NIH"] if rng.random() < 0.4 else []
    if lower == "failed":
        item["errors"] = [f"{naive(at)}: {rng.choice(FAILURES)}" for _ in range(rng.randint(1, 3))]
    return item
