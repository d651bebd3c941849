"""Stand-in of registry C (seed 004 of docs/data.md): registration, heartbeat and discovery, and how they answer.

As the real one it keeps agents in memory and puts whole items from there: each heartbeat sets `status` back to
`active`, and an agent without capabilities is never stored though its registration is answered with success.
"""

import json
import time
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError, ParamValidationError

DEFAULT_SCORE = 50
JSON_TEXT = ("pricing", "tieredPricing", "serviceAvailability")
Agent = dict[str, Any]
_load, _dump = TypeDeserializer().deserialize, TypeSerializer().serialize


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


class RegistryC:
    """`answers` of its three endpoints are (HTTP status, body)."""

    def __init__(self, client: Any, table: str, key: str = "agentId") -> None:
        self.client, self.table, self.key = client, table, key
        self.agents: dict[str, Agent] = {}

    def register(self, profile: Agent) -> tuple[int, Agent]:
        """POST /agents/register"""
        if not profile.get("id") or not profile.get("endpoint"):
            return 400, {"error": "Missing required fields: id, endpoint"}
        now = milliseconds()
        agent: Agent = {
            "type": "dynamic",
            "name": profile["id"],
            "reputationScore": DEFAULT_SCORE,
            "successRate": 0,
            **profile,
            "status": "active",
            "registeredAt": now,
            "lastHeartbeat": now,
        }
        self.agents[agent["id"]] = agent
        self._save(agent)
        return 201, {"success": True, "message": f"Agent {agent['id']} registered", "agent": agent}

    def heartbeat(self, agent_id: str) -> tuple[int, Agent]:
        """POST /agents/heartbeat"""
        agent = self.agents.get(agent_id)
        if agent is None:
            return 404, {"error": "Agent not found"}
        agent |= {"lastHeartbeat": milliseconds(), "status": "active"}
        self._save(agent)
        return 200, {"success": True, "message": "Heartbeat received", "type": agent["type"]}

    def discover(
        self, capability: str = "", min_reputation: float | None = None, tier: str = ""
    ) -> tuple[int, Agent]:
        """GET /agents"""
        found = [
            agent
            for agent in self.agents.values()
            if (not capability or (agent.get("status") == "active" and capability in agent["capabilities"]))
            and (min_reputation is None or agent["reputationScore"] >= min_reputation)
            and (not tier or tier in agent.get("serviceAvailability", {}))
        ]
        found.sort(key=lambda agent: -agent["reputationScore"])
        filters = {"capability": capability or None, "minReputation": min_reputation, "tier": tier or None}
        body = {"success": True, "count": len(found), "agents": found, "filters": filters}
        return 200, {**body, "timestamp": milliseconds()}

    def cold_start(self) -> None:
        """Forget, and read all of the table again. A missing score is 50; an item without what a profile needs
        is not seen."""
        self.agents = {}
        for raw in self.client.scan(TableName=self.table)["Items"]:
            item = {name: _plain(_load(value)) for name, value in raw.items()}
            if not all(item.get(name) for name in (self.key, "endpoint", "capabilities", "status")):
                continue
            agent = {"reputationScore": DEFAULT_SCORE, "type": "dynamic", **item, "id": item[self.key]}
            for name in JSON_TEXT:
                if isinstance(agent.get(name), str):
                    agent[name] = json.loads(agent[name])
            self.agents[agent["id"]] = agent

    def _save(self, agent: Agent) -> None:
        item = {name: value for name, value in agent.items() if name != "id"} | {self.key: agent["id"]}
        item["capabilities"] = set(agent.get("capabilities", ()))
        for name in JSON_TEXT:
            if name in item:
                item[name] = json.dumps(item[name])
        try:
            typed = {name: _dump(value) for name, value in item.items()}
            self.client.put_item(TableName=self.table, Item=typed)
        except (ClientError, ParamValidationError, TypeError, ValueError):
            pass  # logged by the real one, and answered with success all the same: no empty set can be stored


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return sorted(value) if isinstance(value, set) else value
