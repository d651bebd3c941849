"""Demo agents: seed 004's, a fleet with every heartbeat age, and an operational registry's items."""

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
TIERS = {"basic": (50, 2_000, 99.0), "pro": (20, 800, 99.5), "premium": (5, 300, 99.9)}


def live(key: str, now: datetime) -> list[Item]:
    """The agents that the simulator keeps alive, fresh at ``now``."""
    agents = []
    for number, (name, agent, emoji, capabilities, reputation, success, location) in enumerate(FLEET[:4]):
        listed = number % 2 == 0  # one writer stores lists, the other string sets
        availability = {
            tier: {"slots": slots, "slotsFilled": slots * number // 5, "responseSLA": sla, "uptime": uptime}
            for tier, (slots, sla, uptime) in TIERS.items()
        }
        agents.append(
            {
                key: agent,
                "name": name,
                "emoji": emoji,
                "description": f"{name}: answers within its tier's time, for people and other agents.",
                "role": "coach" if number == 0 else "specialist",
                "endpoint": f"https://{agent}.example.com/agent",
                "capabilities": capabilities if listed else set(capabilities),
                "tags": ["health", "core"] if listed else {"health", "specialist"},
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
                    {tier: {"baseFee": f"{slots / 1000:.3f}"} for tier, (slots, *_) in TIERS.items()}
                ),
                "serviceAvailability": json.dumps(availability),
            }
        )
    return agents


def operational(key: str, now: datetime, number: int = 1) -> Item:
    """An agent as an operational registry of the same kind describes it."""
    return {
        key: f"trade_extraction_agent_{number:02d}",
        "agent_name": f"Trade extraction {number}",
        "agent_type": "TRADE_EXTRACTION",
        "deployment_status": "ACTIVE",
        "capabilities": ["pdf_parsing", "trade_extraction"],
        "last_heartbeat": zulu(now),
        "avg_latency_ms": 1240.5,
        "throughput_per_hour": 120,
        "error_rate": 0.021,
        "active_tasks": number,
        "input_tokens": 1_893_220,
        "output_tokens": 402_118,
        "total_tokens": 2_295_338,
    }


def build(key: str, now: datetime) -> list[Item]:
    """Every agent of the demo; those of `live` and `operational` 1 start fresh."""
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
    drained = operational(key, now - timedelta(hours=3), 2) | {
        "deployment_status": "DRAINING",
        "error_rate": 0.34,
    }
    return [*live(key, now), operational(key, now), test, *stale, says_active, drained]
