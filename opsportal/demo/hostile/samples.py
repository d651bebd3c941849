"""The items that the tables' documents show, value for value (`samples.json`)."""

import json
from datetime import datetime, timedelta
from pathlib import Path

from opsportal.demo.place import Item
from opsportal.demo.stamps import milliseconds

_ITEMS = json.loads(Path(__file__).with_name("samples.json").read_text(encoding="utf-8"))
REQUEST: str = _ITEMS["request"]["id"]


def _keyed(item: Item, key: str) -> Item:
    return {key if name == "id" else name: value for name, value in item.items()}


def workflows(key: str) -> list[Item]:
    """The test items of seeds 000 and 003."""
    return [_keyed(item, key) for item in _ITEMS["workflows"]]


def request(key: str) -> Item:
    """Seed 002's (docs/data.md) item."""
    return _keyed(_ITEMS["request"], key)


def log(key: str) -> list[Item]:
    """Seed 002's entry, value for value, and the rest of the sample request's log."""
    return [_keyed(item, key) for item in _ITEMS["log"]]


def agent(key: str, now: datetime) -> Item:
    """What is registered in seed 004, step 5, and nothing else."""
    return {
        key: "persist-test-001",
        "name": "Persistence Test",
        "endpoint": "https://test.com",
        "capabilities": ["fitness_analysis"],
        "status": "active",
        "type": "dynamic",
        "lastHeartbeat": milliseconds(now - timedelta(minutes=4)),
        "registeredAt": milliseconds(now - timedelta(days=1)),
    }
