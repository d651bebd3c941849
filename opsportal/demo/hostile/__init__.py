"""Items as a careless, broken or hostile writer would leave them, for ``DEMO=hostile`` and the tests."""

from datetime import datetime

from opsportal.demo.hostile import malformed, oddities, samples
from opsportal.demo.place import Item

__all__ = ["build"]


def build(keys: dict[str, str], steps: list[dict[str, str]], now: datetime) -> dict[str, list[Item]]:
    """Logical table -> items, under ids that are the same on every run. ``keys``: of each table."""
    return {
        "workflows": [
            *samples.workflows(keys["workflows"]),
            *oddities.workflows(keys["workflows"], steps, now),
            *malformed.workflows(keys["workflows"], now),
        ],
        "requests": [samples.request(keys["requests"]), *malformed.requests(keys["requests"], now)],
        "request_logs": [
            *samples.log(keys["request_logs"]),
            *malformed.request_logs(keys["request_logs"], samples.REQUEST, now),
            *oddities.long_log(keys["request_logs"], samples.REQUEST, now),
        ],
        "agents": [
            samples.agent(keys["agents"], now),
            *oddities.agents(keys["agents"], now),
            *malformed.agents(keys["agents"], now),
        ],
    }
