"""The demo's agents: those that work the steps of the workflows, and those of the stages of requests. Some are as
seed 004 of docs/data.md has them, some as an operational registry describes its own."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsportal.demo.place import Item
from opsportal.demo.stamps import milliseconds, zulu

Tiers = dict[str, list[float]]  # slots, response in ms, uptime in percent


@dataclass(frozen=True)
class Profile:
    """An agent of seed 004's form. `busy`: share of its slots that is taken."""

    id: str
    name: str
    emoji: str
    description: str
    capabilities: list[str]
    area: str
    reputation: int
    success: float
    location: str
    fee: str
    busy: float
    tiers: Tiers


_TEXTS = json.loads(Path(__file__).with_name("agents.json").read_text(encoding="utf-8"))
PROFILES = tuple(Profile(**one) for one in _TEXTS["profiles"])
# Its heartbeats arrive late: it is the degraded one.
LATE = "content-extraction-agent"
LATE_BY = timedelta(seconds=260)
SILENT = Profile(**_TEXTS["silent"])
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
