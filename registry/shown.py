"""What the page of an agent shows of its item; its part "Other attributes" has all else."""

from opsportal.console.other_attributes import Shown
from registry.models import Agent

ALWAYS = (
    "description", "endpoint", "capabilities", "tags", "protocol", "role", "location", "pricing",
    "tieredPricing", "reputationScore", "successRate", "registeredAt", "updatedAt", "verifiedAt", "avg_latency_ms",
    "throughput_per_hour", "error_rate", "active_tasks",
)  # fmt: skip
# Characters that the heading has of the emoji.
EMOJI = 4
TIER = {"slots", "slotsFilled", "responseSLA", "uptime"}


def shown_of(agent: Agent) -> Shown:
    """By the attribute's name. Of two that mean one thing the page shows the first that is there."""
    names = [agent.binding().key, *ALWAYS, *agent.problems]
    names.append("agent_name" if agent.name is None else "name")
    names.append("deployment_status" if agent.status is None else "status")
    names.append("agent_type" if agent.type is None else "type")
    names.append("last_heartbeat" if agent.last_heartbeat is None else "lastHeartbeat")
    if len(str(agent.emoji or "")) <= EMOJI:
        names.append("emoji")
    tiers = agent.service_availability
    # It may be JSON in a text: what has more than the table of tiers shows is here as a whole.
    if isinstance(tiers, dict) and all(
        tier.keys() <= TIER for tier in tiers.values() if isinstance(tier, dict)
    ):
        names.append("serviceAvailability")
    return dict.fromkeys(names)
