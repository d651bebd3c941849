"""Demo agents: seed 004's, a fleet with every heartbeat age, and those that work the steps of the workflows,
most of them as an operational registry describes them."""

import json
from datetime import datetime, timedelta

from opsportal.demo.place import Item
from opsportal.demo.stamps import milliseconds, zulu

# name, id, emoji, capabilities, reputation, success rate, location
FLEET = (
    (
        "Fitness Coach",
        "fitness-core-agent",
        "🏋",
        ["fitness_analysis", "benchmark_analysis"],
        92,
        0.98,
        "eu-north-1",
    ),
    ("Nutrition Planner", "nutrition-planner-agent", "🥗", ["nutrition_planning"], 87, 0.95, "eu-west-1"),
    ("Recovery Planner", "recovery-planner-agent", "😴", ["recovery_planning"], 81, 0.93, "us-east-1"),
    ("Biomechanics", "biomechanics-agent", "🦵", ["biomechanics_analysis"], 95, 0.99, "eu-north-1"),
    (
        "Massage Booking",
        "massage-booking-agent",
        "💆",
        ["massage_booking", "calendar"],
        64,
        0.81,
        "eu-central-1",
    ),
    ("Old Benchmarks", "benchmark-agent", "📊", ["benchmark_analysis"], 55, 0.7, "us-west-2"),
)
Tiers = dict[str, tuple[int, int, float]]  # slots, response in ms, uptime in percent
TIERS: Tiers = {"basic": (50, 2_000, 99.0), "pro": (20, 800, 99.5), "premium": (5, 300, 99.9)}
# The one of this form that works a step of the workflows, in about the time that it promises.
MATCHER = ("Trade Matching", "trade-matching-agent", "⚖", ["trade_matching"], 90, 0.9, "us-east-1")
MATCHER_TIERS: Tiers = {"basic": (50, 120_000, 99.0), "pro": (20, 60_000, 99.5), "premium": (5, 45_000, 99.9)}

# Of an operational registry, each named like the step that it works: capabilities, and what it declares of
# itself: the average in ms and the share of errors. The second one's word is not what its step shows.
EXTRACTION = "trade_extraction"
WORKERS: dict[str, tuple[list[str], float, float]] = {
    "pdf_adapter": (["pdf_parsing", "ocr"], 24_000, 0.15),
    EXTRACTION: (["pdf_parsing", "trade_extraction"], 1_240.5, 0.021),
    "exception_management": (["exception_routing"], 26_500, 0.15),
}


def live(key: str, now: datetime) -> list[Item]:
    """The agents of seed 004's form that the simulator keeps alive, fresh at ``now``."""
    fleet = [_profile(key, now, number, member, TIERS) for number, member in enumerate(FLEET[:4])]
    return [*fleet, _profile(key, now, 4, MATCHER, MATCHER_TIERS)]


def _profile(
    key: str,
    now: datetime,
    number: int,
    member: tuple[str, str, str, list[str], int, float, str],
    tiers: Tiers,
) -> Item:
    name, agent, emoji, capabilities, reputation, success, location = member
    listed = number % 2 == 0  # one writer stores lists, the other string sets
    availability = {
        tier: {"slots": slots, "slotsFilled": slots * number // 5, "responseSLA": sla, "uptime": uptime}
        for tier, (slots, sla, uptime) in tiers.items()
    }
    area = "health" if tiers is TIERS else "trading"
    return {
        key: agent,
        "name": name,
        "emoji": emoji,
        "description": f"{name}: answers within its tier's time, for people and other agents.",
        "role": "coach" if number == 0 else "specialist",
        "endpoint": f"https://{agent}.example.com/agent",
        "capabilities": capabilities if listed else set(capabilities),
        "tags": [area, "core"] if listed else {area, "specialist"},
        "status": "active",
        "type": "core" if number == 0 else "dynamic",
        "protocol": "a2a/1.0",
        "reputationScore": reputation,
        "successRate": success,
        "location": location,
        "lastHeartbeat": milliseconds(now),
        "registeredAt": milliseconds(now - timedelta(days=30 + number)),
        "updatedAt": zulu(now),
        "verifiedAt": milliseconds(now - timedelta(days=3)),
        "pricing": json.dumps({"baseFee": f"0.0{number + 1}", "asset": "USDC", "chain": "base"}),
        "tieredPricing": json.dumps(
            {tier: {"baseFee": f"{slots / 1000:.3f}"} for tier, (slots, *_) in tiers.items()}
        ),
        "serviceAvailability": json.dumps(availability),
    }


def operational(key: str, now: datetime, step: str = EXTRACTION, number: int = 1) -> Item:
    """An agent as an operational registry of the same kind describes it."""
    capabilities, average, errors = WORKERS[step]
    return {
        key: f"{step}_agent_{number:02d}",
        "agent_name": f"{step.replace('_', ' ').capitalize()} {number}",
        "agent_type": step.upper(),
        "deployment_status": "ACTIVE",
        "capabilities": capabilities,
        "last_heartbeat": zulu(now),
        "avg_latency_ms": average,
        "throughput_per_hour": 120,
        "error_rate": errors,
        "active_tasks": number,
        "input_tokens": 1_893_220,
        "output_tokens": 402_118,
        "total_tokens": 2_295_338,
    }


def alive(key: str, now: datetime) -> list[Item]:
    """Every agent that the simulator keeps alive, fresh at ``now``."""
    return [*live(key, now), *(operational(key, now, step) for step in WORKERS)]


def build(key: str, now: datetime) -> list[Item]:
    """Every agent of the demo; those of `alive` start fresh."""
    test = {  # seed 004, step 5: what is registered there, and nothing else
        key: "persist-test-001",
        "name": "Persistence Test",
        "endpoint": "https://test.com",
        "capabilities": ["fitness_analysis"],
        "status": "active",
        "type": "dynamic",
        "lastHeartbeat": milliseconds(now - timedelta(minutes=4)),
        "registeredAt": milliseconds(now - timedelta(days=1)),
    }
    stale = []
    for agent, minutes, status in zip(FLEET[4:], (7, 4000), ("active", "inactive"), strict=True):
        name, ident, emoji, capabilities, reputation, success, location = agent
        stale.append(
            {
                key: ident,
                "name": name,
                "emoji": emoji,
                "endpoint": f"https://{ident}.example.com/agent",
                "capabilities": set(capabilities),
                "status": status,
                "type": "dynamic",
                "reputationScore": reputation,
                "successRate": success,
                "location": location,
                "lastHeartbeat": milliseconds(now - timedelta(minutes=minutes)),
                "registeredAt": milliseconds(now - timedelta(days=60)),
                "updatedAt": zulu(now - timedelta(minutes=minutes)),
            }
        )
    says_active = stale[0] | {
        key: "silent-agent",
        "name": "Silent",
        "lastHeartbeat": milliseconds(now - timedelta(days=2)),
    }
    drained = operational(key, now - timedelta(hours=3), number=2) | {
        "deployment_status": "DRAINING",
        "error_rate": 0.34,
    }
    return [*alive(key, now), test, *stale, says_active, drained]
