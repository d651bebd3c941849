"""The demo's agents: those that work the steps of the workflows, and those of the stages of requests. Some are as
seed 004 of docs/data.md has them, some as an operational registry describes its own."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opsportal.demo.place import Item
from opsportal.demo.stamps import milliseconds, zulu

Tiers = dict[str, tuple[int, int, float]]  # slots, response in ms, uptime in percent


@dataclass(frozen=True)
class Profile:
    """An agent of seed 004's form. `busy`: share of its slots that is taken."""

    id: str
    name: str
    emoji: str
    description: str
    capabilities: tuple[str, ...]
    area: str
    reputation: int
    success: float
    location: str
    fee: str
    busy: float
    tiers: Tiers


PROFILES = (
    Profile(
        "trade-matching-agent",
        "Trade Matching",
        "⚖",
        "Compares extracted trades with those of the counterparty, field by field.",
        ("trade_matching", "break_classification"),
        "trading",
        91,
        0.97,
        "us-east-1",
        "0.04",
        0.4,
        {"basic": (50, 120_000, 99.0), "pro": (20, 60_000, 99.5), "premium": (5, 45_000, 99.9)},
    ),
    Profile(
        "serp-discovery-agent",
        "SERP Discovery",
        "⌕",
        "Finds the pages worth reading for the keywords of a brief, and drops duplicates.",
        ("serp_discovery", "web_search"),
        "intelligence",
        88,
        0.98,
        "eu-north-1",
        "0.01",
        0.3,
        {"basic": (50, 9_000, 99.0), "pro": (20, 6_000, 99.5), "premium": (5, 3_500, 99.9)},
    ),
    Profile(
        "content-extraction-agent",
        "Content Extraction",
        "☷",
        "Reads pages and PDF documents and returns their text with its structure.",
        ("content_extraction", "html_parsing", "pdf_parsing"),
        "intelligence",
        82,
        0.94,
        "eu-north-1",
        "0.02",
        0.6,
        {"basic": (40, 14_000, 98.5), "pro": (20, 9_000, 99.0), "premium": (8, 6_000, 99.5)},
    ),
    Profile(
        "aggregation-agent",
        "Aggregation",
        "∑",
        "Merges what was extracted into findings, with a confidence for each.",
        ("aggregation", "summarization"),
        "intelligence",
        93,
        0.99,
        "eu-west-1",
        "0.05",
        0.2,
        {"basic": (20, 12_000, 99.0), "pro": (10, 8_000, 99.5), "premium": (4, 5_000, 99.9)},
    ),
    Profile(
        "report-writer-agent",
        "Report Writer",
        "✎",
        "Writes the brief from the findings, in the wording of the project.",
        ("report_writing",),
        "intelligence",
        90,
        0.98,
        "eu-west-1",
        "0.03",
        0.2,
        {"basic": (20, 10_000, 99.0), "pro": (10, 7_000, 99.5)},
    ),
)
# Its heartbeats arrive late: it is the degraded one.
LATE = "content-extraction-agent"
LATE_BY = timedelta(seconds=260)
SILENT = Profile(
    "serp-discovery-agent-02",
    "SERP Discovery 2",
    "⌕",
    "Second instance, for the peak hours.",
    ("serp_discovery", "web_search"),
    "intelligence",
    71,
    0.93,
    "eu-west-1",
    "0.01",
    0.0,
    {"basic": (50, 9_000, 98.0)},
)
SILENT_FOR = timedelta(hours=3, minutes=12)

# Of an operational registry, each named like the step that it works: capabilities, and what it declares of
# itself: the average in ms and the share of errors.
EXTRACTION = "trade_extraction"
WORKERS: dict[str, tuple[list[str], float, float]] = {
    "pdf_adapter": (["pdf_parsing", "ocr"], 14_800, 0.05),
    EXTRACTION: (["trade_extraction", "schema_validation"], 26_800, 0.008),
    "exception_management": (["exception_routing", "desk_notification"], 7_600, 0.05),
}
# The registry's oldest entry, from which the time of the whole set can be read again.
FIRST, FIRST_DAYS = PROFILES[0].id, 187


def live(key: str, now: datetime) -> list[Item]:
    """The agents of seed 004's form that the simulator keeps alive, fresh at ``now``."""
    return [
        profile(key, now - (LATE_BY if one.id == LATE else timedelta(0)), now, number, one)
        for number, one in enumerate(PROFILES)
    ]


def profile(key: str, heartbeat: datetime, now: datetime, number: int, one: Profile) -> Item:
    listed = number % 2 == 0  # one writer stores lists, the other string sets
    availability = {
        tier: {"slots": slots, "slotsFilled": round(slots * one.busy), "responseSLA": sla, "uptime": uptime}
        for tier, (slots, sla, uptime) in one.tiers.items()
    }
    factors = {"basic": 1, "pro": 2, "premium": 4}
    return {
        key: one.id,
        "name": one.name,
        "emoji": one.emoji,
        "description": one.description,
        "role": "specialist",
        "endpoint": f"https://{one.id}.example.com/agent",
        "capabilities": list(one.capabilities) if listed else set(one.capabilities),
        "tags": [one.area, "production"] if listed else {one.area, "production"},
        "status": "active",
        "type": "core" if number < 2 else "dynamic",
        "protocol": "a2a/1.0",
        "reputationScore": one.reputation,
        "successRate": one.success,
        "location": one.location,
        "lastHeartbeat": milliseconds(heartbeat),
        "registeredAt": milliseconds(now - timedelta(days=FIRST_DAYS - 23 * number)),
        "updatedAt": zulu(heartbeat),
        "verifiedAt": milliseconds(now - timedelta(days=3 + number, hours=5 * number)),
        "pricing": json.dumps({"baseFee": one.fee, "asset": "USDC", "chain": "base"}),
        "tieredPricing": json.dumps(
            {tier: {"baseFee": f"{float(one.fee) * factors[tier]:.2f}"} for tier in one.tiers}
        ),
        "serviceAvailability": json.dumps(availability),
    }


def operational(key: str, now: datetime, step: str = EXTRACTION, number: int = 1) -> Item:
    """An agent as an operational registry of the same kind describes it."""
    capabilities, average, errors = WORKERS[step]
    place = list(WORKERS).index(step)
    spent, written = 1_893_220 + 402_551 * place, 402_118 + 31_907 * place
    return {
        key: f"{step}_agent_{number:02d}",
        "agent_name": f"{step.replace('_', ' ').capitalize().replace('Pdf', 'PDF')} {number}",
        "agent_type": step.upper(),
        "deployment_status": "ACTIVE",
        "capabilities": capabilities,
        "last_heartbeat": zulu(now),
        "avg_latency_ms": average,
        "throughput_per_hour": 18 + place,
        "error_rate": errors,
        "active_tasks": place % 2,
        "input_tokens": spent,
        "output_tokens": written,
        "total_tokens": spent + written,
    }


def alive(key: str, now: datetime) -> list[Item]:
    """Every agent that the simulator keeps alive, fresh at ``now``."""
    return [*live(key, now), *(operational(key, now, step) for step in WORKERS)]


def build(key: str, now: datetime) -> list[Item]:
    """Every agent of the demo: all healthy but one whose heartbeats are late, and one that is silent."""
    return [*alive(key, now), profile(key, now - SILENT_FOR, now, len(PROFILES), SILENT)]


def anchor(item: Item) -> datetime:
    """The ``now`` that a set was built for, from its agent `FIRST` as it is stored."""
    return datetime.fromtimestamp(int(item["registeredAt"]["N"]) / 1000, UTC) + timedelta(days=FIRST_DAYS)
