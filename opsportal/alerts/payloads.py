"""What a webhook is told: small, versioned, and of the data nothing but ids and the first line of an error."""

import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from opsportal.accounts.actors import user_id
from opsportal.alerts.rules import MANY, Firing, Rule

VERSION = 1
FIRED, STILL, OVER, TEST = "alert.firing", "alert.reminder", "alert.resolved", "webhook.test"
# Characters; an item's key may have 2,048 bytes, of which an id needs all.
MOST_LINE, MOST_ID = 200, 2048
MOST_FIGURES = 20


def plain_line(text: str, most: int = MOST_LINE) -> str:
    """The first line that is not blank, in at most that many characters, without control characters, surrogates and
    what reorders or hides text."""
    head = text[: most * 8].replace("\r", "\n")
    kept = "".join(
        character
        for character in head
        if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )
    line = next((line.strip() for line in kept.split("\n") if line.strip()), "")
    return line if len(line) <= most else line[: most - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def figures_of(firing: Firing) -> dict[str, Any]:
    """Numbers and short texts."""
    found: dict[str, Any] = {}
    for name, value in list(firing.figures.items())[:MOST_FIGURES]:
        found[str(name)[:40]] = value if isinstance(value, int | float) else plain_line(str(value))
    return found


def page_url(path: str) -> str | None:
    """A page of the console for people elsewhere; None where `BASE_URL` is not set."""
    return f"{settings.BASE_URL.rstrip('/')}{path}" if settings.BASE_URL and path else None


def of_firing(firing: Firing, event: str, event_id: str, at: datetime) -> str:
    """The body about a firing. Its `firing` is what its events have in common, `id` what tells them apart."""
    rule, watch = firing.rule, firing.rule.watch
    body: dict[str, Any] = {
        **_head(event, event_id, at),
        "firing": str(firing.pk),
        "rule": rule_part(rule),
        "subject": {
            "kind": watch.kind if watch else rule.condition.partition(".")[0],
            "id": "" if firing.subject == MANY else _id(firing.subject),
            "url": page_url(firing.path),
        },
        "state": firing.state,
        "title": plain_line(firing.title),
        "since": stamp(firing.since),
        "fired_at": stamp(firing.fired_at),
        "resolved_at": stamp(firing.resolved_at),
        "figures": figures_of(firing),
        "error": plain_line(firing.error) or None,
        "url": page_url(firing.get_absolute_url()),
    }
    if firing.why_resolved:
        body["why"] = plain_line(firing.why_resolved)
    return spell(body)


def of_test(webhook_name: str, event_id: str, at: datetime, by: User) -> str:
    title = f"A test of the webhook {webhook_name}, sent by {by.get_username()}."
    return spell({**_head(TEST, event_id, at), "title": title, "actor_id": user_id(by)})


def rule_part(rule: Rule) -> dict[str, Any]:
    return {"id": rule.pk, "name": plain_line(rule.name), "condition": rule.condition}


def _head(event: str, event_id: str, at: datetime) -> dict[str, Any]:
    return {
        "version": VERSION,
        "id": event_id,
        "event": event,
        "at": stamp(at),
        "environment": settings.OPSPORTAL_ENV,
    }


def _id(subject: str) -> str:
    return subject.encode(errors="replace").decode()[:MOST_ID]


def stamp(moment: datetime | None) -> str | None:
    """UTC to the second: 2026-11-20T10:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def spell(body: dict[str, Any]) -> str:
    """In ASCII, so that no receiver can take it for something else."""
    return json.dumps(body, separators=(",", ":"))
