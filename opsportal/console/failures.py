"""What the console says where it fails: the cause where it is known, and of an effect only that it is not known."""

import uuid
from dataclasses import dataclass
from typing import NamedTuple

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from opsportal.console import database

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


@dataclass(frozen=True)
class Failure:
    """In the shape that the problem templates read."""

    sentence: str
    fix: str = ""
    title: str = "Server error"
    kind: str = "defect"
    status: int = 500


DEFECT = Failure("This is a defect of the console.", "Its log has the error under the request id.")


def failure_of(error: BaseException | None) -> Failure:
    """What was raised, as a problem: the relational database's state, or a defect of the console."""
    cause = database.cause_of(error)
    return DEFECT if cause is None else Failure(*cause, kind="database", status=503)


class Outcome(NamedTuple):
    """What is said of the effect of a failed request, and where its entry is if there is one."""

    sentence: str
    url: str
    label: str


def outcome_of(request: HttpRequest) -> Outcome | None:
    """None where the request asks for no effect: it reads, or signs in or out."""
    match = request.resolver_match
    if request.method in SAFE or (match and match.url_name in ("account_login", "account_logout")):
        return None
    sentence = "It is not known whether it was done. Look before you do it again."
    if action_id := _action_id(request):
        sentence = (
            f"It is not known whether it was done. If it was, the audit trail has the entry {action_id}."
        )
        return Outcome(sentence, reverse("operations:entry", args=[action_id]), "Look for its entry")
    trail = reverse("operations:feed")
    # An item's address has its id alone.
    targets = [value for value in match.kwargs.values() if isinstance(value, str)] if match else []
    if len(targets) == 1:
        trail = f"{trail}?{urlencode({'target': targets[0]})}"
    return Outcome(sentence, trail, "Open the audit trail")


def _action_id(request: HttpRequest) -> str:
    """Of the form, if it can be read."""
    try:
        return str(uuid.UUID(request.POST.get("action_id", "")))
    except Exception:  # a body may be what failed
        return ""
