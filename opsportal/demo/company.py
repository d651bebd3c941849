"""Who works here, and on what. Names and addresses are made up; the addresses are those that RFC 2606 reserves."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Account, role: who acts in the console, and asks for briefs by day.
PEOPLE = {"maria.lindqvist": "operator", "j.okafor": "operator", "chen.wei": "administrator"}
# Who asks for briefs only.
ANALYSTS = ("priya.raman", "t.novak", "s.abdi")
# What asks for them at night and at weekends.
SCHEDULE = "svc-scheduler"

_TEXTS: dict[str, Any] = json.loads(Path(__file__).with_name("company.json").read_text(encoding="utf-8"))
SOURCES: dict[str, dict[str, str]] = _TEXTS["sources"]


@dataclass(frozen=True)
class Brief:
    """A kind of request: the project that asks for it, its keywords, its sources, and what comes of it."""

    project: str
    keywords: list[str]
    sources: list[dict[str, str]]
    summaries: list[str]
    findings: list[str]


BRIEFS = {
    kind: Brief(**texts | {"sources": [SOURCES[name] for name in texts["sources"]]})
    for kind, texts in _TEXTS["briefs"].items()
}
