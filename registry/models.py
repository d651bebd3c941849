"""Agents of the registry, read from DynamoDB, and the permissions of this app.

Two layouts occur (docs/data.md#registry-items): the discovery service's, and that of operational
registries, whose names differ. A property takes the one that is there.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from opsportal.console.numbers import as_number
from opsportal.console.tones import ATTENTION, RUNNING
from opsportal.dynamo.attributes import (
    DocumentAttribute,
    ListAttribute,
    Malformed,
    NumberAttribute,
    TextAttribute,
    TextsAttribute,
    TimeAttribute,
    Typed,
    read_text,
)
from opsportal.dynamo.json_values import difference
from opsportal.dynamo.models import DynamoModel

HEALTHY, DEGRADED, OFFLINE, UNKNOWN = "healthy", "degraded", "offline", "unknown"
HEALTHS = (HEALTHY, DEGRADED, OFFLINE, UNKNOWN)
URGENCY = (OFFLINE, DEGRADED, UNKNOWN, HEALTHY)
TIERS = ("basic", "pro", "premium")
# The reputation of an agent that has none yet, as discovery services write and read it.
DEFAULT_SCORE = 50


def is_operational(raw: Mapping[str, Typed]) -> bool:
    """Whether the item has the layout of an operational registry."""
    ours = ("status", "type", "lastHeartbeat")
    theirs = ("deployment_status", "agent_type", "last_heartbeat")
    return any(name in raw for name in theirs) and not any(name in raw for name in ours)


@dataclass(frozen=True)
class Tier:
    """`serviceAvailability` of one tier. Values as recorded; `response_ms` in ms, `uptime` in percent;
    `odd` is what stands in place of the map."""

    name: str
    slots: Any = None
    slots_filled: Any = None
    response_ms: Any = None
    uptime: Any = None
    price: Any = None
    odd: Any = None

    @property
    def free(self) -> Decimal | None:
        """Slots that are left, below 0 where more are filled than there are; None where either is no number."""
        slots, filled = as_number(self.slots), as_number(self.slots_filled)
        return None if slots is None or filled is None else difference(slots, filled)

    @property
    def tone(self) -> str:
        """Of the bar: a tier without a free slot turns callers away."""
        return ATTENTION if self.free is not None and self.free <= 0 else RUNNING


class Agent(DynamoModel):
    """One registered agent. Attributes may be None (missing) or `Malformed`."""

    logical: ClassVar[str] = "agents"
    documented: ClassVar[Mapping[str, Collection[str]]] = {
        "status": ("active", "inactive"),
        "type": ("core", "dynamic"),
    }
    # Without capabilities either, so that discovery never offers it.
    inert: ClassVar[Mapping[str, str]] = {"status": "inactive"}

    agent_id = TextAttribute(hash_key=True, attr_name="agentId")
    name = TextAttribute()
    agent_name = TextAttribute()
    endpoint = TextAttribute()
    capabilities = TextsAttribute()
    tools = ListAttribute()
    status = TextAttribute()
    deployment_status = TextAttribute()
    type = TextAttribute()
    agent_type = TextAttribute()
    protocol = TextAttribute()
    reputation_score = NumberAttribute(attr_name="reputationScore")
    success_rate = NumberAttribute(attr_name="successRate")
    last_heartbeat = TimeAttribute(attr_name="lastHeartbeat")
    last_heartbeat_operational = TimeAttribute(attr_name="last_heartbeat")
    registered_at = TimeAttribute(attr_name="registeredAt")
    updated_at = TimeAttribute(attr_name="updatedAt")
    verified_at = TimeAttribute(attr_name="verifiedAt")
    pricing = DocumentAttribute()
    tiered_pricing = DocumentAttribute(attr_name="tieredPricing")
    service_availability = DocumentAttribute(attr_name="serviceAvailability")
    tags = TextsAttribute()
    emoji = TextAttribute()
    description = TextAttribute()
    role = TextAttribute()
    location = TextAttribute()
    avg_latency_ms = NumberAttribute()
    throughput_per_hour = NumberAttribute()
    error_rate = NumberAttribute()
    active_tasks = NumberAttribute()

    @property
    def declared_name(self) -> str | Malformed | None:
        return self.agent_name if self.name is None else self.name

    @property
    def declared_status(self) -> str | Malformed | None:
        """What the agent or its registry says: `status`, else `deployment_status`."""
        return self.deployment_status if self.status is None else self.status

    @property
    def declared_type(self) -> str | Malformed | None:
        return self.agent_type if self.type is None else self.type

    @property
    def heartbeat(self) -> datetime | Malformed | None:
        """The last heartbeat, under either name."""
        return self.last_heartbeat_operational if self.last_heartbeat is None else self.last_heartbeat

    @cached_property
    def health(self) -> str:
        """Derived from the heartbeat's age, never trusted; `unknown` when none was ever recorded, or when it
        lies in the future by more than clocks differ."""
        if not isinstance(self.heartbeat, datetime):
            return UNKNOWN
        age = (datetime.now(UTC) - self.heartbeat).total_seconds()
        if age < -settings.AGENT_DEGRADED_SECONDS:
            return UNKNOWN
        if age > settings.AGENT_OFFLINE_SECONDS:
            return OFFLINE
        return DEGRADED if age > settings.AGENT_DEGRADED_SECONDS else HEALTHY

    def health_changes_at(self, now: datetime) -> datetime | None:
        """When the heartbeat's age alone changes its health; None where it does not."""
        if not isinstance(self.heartbeat, datetime):
            return None
        limits = (
            -settings.AGENT_DEGRADED_SECONDS,
            settings.AGENT_DEGRADED_SECONDS,
            settings.AGENT_OFFLINE_SECONDS,
        )
        age = (now - self.heartbeat).total_seconds()
        limit = min((limit for limit in limits if limit >= age), default=None)
        return None if limit is None else now + timedelta(seconds=limit - age, milliseconds=1)

    @property
    def is_active(self) -> bool:
        return str(self.declared_status or "").lower() == "active"

    @property
    def is_ready(self) -> bool:
        """Whether it can be given work: declared active, with a fresh heartbeat."""
        return self.is_active and self.health == HEALTHY

    @property
    def urgency(self) -> tuple[int, bool]:
        """The less, the sooner somebody should look at it: offline first, and of what is not healthy the declared active
        first."""
        return URGENCY.index(self.health), self.health != HEALTHY and not self.is_active

    @property
    def contradiction(self) -> str:
        """Where declared and observed state disagree, in a sentence; else ""."""
        if self.is_active and self.health == OFFLINE:
            return "Declared active, but its heartbeat stopped."
        if self.health == UNKNOWN and isinstance(self.heartbeat, datetime):
            return "Its heartbeat is in the future: its clock or its unit of time is wrong."
        if self.is_active and isinstance(self.heartbeat, Malformed):
            return "Declared active, but its heartbeat is unreadable: it is no time."
        if self.is_active and self.health == UNKNOWN:
            return "Declared active, but it never sent a heartbeat."
        if str(self.declared_status or "").lower() == "inactive" and self.health == HEALTHY:
            return "Declared inactive, but it sends heartbeats."
        return ""

    @property
    def offers(self) -> list[str]:
        """The capabilities that are texts; a text in place of the list is the one capability. Operational registries
        have `tools` instead: texts, or maps with a name."""
        if self.capabilities is None and isinstance(self.tools, list) and is_operational(self.raw):
            names = [read_text(tool["M"].get("name") if "M" in tool else tool) for tool in self.tools]
            return [name for name in names if isinstance(name, str) and name]
        if isinstance(self.capabilities, Malformed):
            alone = read_text(self.capabilities.value)
            return [alone] if isinstance(alone, str) else []
        return [capability for capability in self.capabilities or () if isinstance(capability, str)]

    @property
    def odd_capabilities(self) -> list[Malformed]:
        """The capabilities that are not texts, so that they are shown too."""
        members = self.capabilities if isinstance(self.capabilities, list) else []
        return [capability for capability in members if isinstance(capability, Malformed)]

    @property
    def problems(self) -> dict[str, Malformed]:
        """What could not be read, and what could but is no map of tiers."""
        found = super().problems
        for name, document in (
            ("serviceAvailability", self.service_availability),
            ("tieredPricing", self.tiered_pricing),
        ):
            if name not in found and document is not None and not isinstance(document, dict):
                found[name] = Malformed(self.raw[name], "expected a map of tiers")
        return found

    @property
    def declares_success(self) -> bool:
        """Registries write a `successRate` of 0 for an agent that declared none."""
        return self.success_rate is not None and self.success_rate != 0

    @property
    def success_percent(self) -> Decimal | Malformed | None:
        """`successRate` (0 to 1) in percent; else what an `error_rate` leaves."""
        if not self.declares_success:
            return (1 - self.error_rate) * 100 if isinstance(self.error_rate, Decimal) else None
        if isinstance(self.success_rate, Decimal):
            if not 0 <= self.success_rate <= 1:
                return Malformed(self.raw["successRate"], "expected a rate from 0 to 1")
            return self.success_rate * 100
        return self.success_rate

    @property
    def reputation(self) -> Decimal | Malformed:
        """`reputationScore`, the default where there is none."""
        return Decimal(DEFAULT_SCORE) if self.reputation_score is None else self.reputation_score

    @property
    def reputation_is_default(self) -> bool:
        return self.reputation == DEFAULT_SCORE

    @property
    def reputation_share(self) -> str:
        """`reputationScore` for a bar, held between 0 and 100; "" where there is no number."""
        if not isinstance(self.reputation, Decimal):
            return ""
        return f"{min(max(self.reputation, Decimal(0)), Decimal(100)):.1f}"

    @property
    def tiers(self) -> list[Tier]:
        """Availability and price per tier, documented tiers first."""
        available = self.service_availability if isinstance(self.service_availability, dict) else {}
        prices = self.tiered_pricing if isinstance(self.tiered_pricing, dict) else {}
        names = [name for name in TIERS if name in available or name in prices]
        names += sorted(str(name) for name in {*available, *prices} - set(TIERS))
        tiers = []
        for name in names:
            recorded = available.get(name)
            offer = recorded if isinstance(recorded, dict) else {}
            tiers.append(
                Tier(
                    name=name,
                    slots=offer.get("slots"),
                    slots_filled=offer.get("slotsFilled"),
                    response_ms=offer.get("responseSLA"),
                    uptime=offer.get("uptime"),
                    price=prices.get(name),
                    odd=None if isinstance(recorded, dict) else recorded,
                )
            )
        return tiers

    @property
    def operational(self) -> dict[str, Any]:
        """Figures of operational registries, where there are any."""
        figures = {
            "Average latency (ms)": self.avg_latency_ms,
            "Throughput per hour": self.throughput_per_hour,
            "Error rate": self.error_rate,
            "Active tasks": self.active_tasks,
        }
        return {label: value for label, value in figures.items() if value is not None}


class AgentPermissions(models.Model):
    """Holds the app's permissions; there is no relational table of agents."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_agents", "Can see the agent registry"),
            ("register_agents", "Can register agents"),
            ("edit_agents", "Can edit agents, and undo it"),
            ("activate_agents", "Can activate and deactivate agents"),
            ("purge_agents", "Can purge inactive agents, and undo it"),
            ("probe_agents", "Can ask agents' endpoints whether they answer"),
        ]

    def __str__(self) -> str:
        return "Permissions on agents"
