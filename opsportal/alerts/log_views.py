"""What was delivered, and who changed what."""

import json

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from opsportal.accounts.actors import sayings
from opsportal.alerts import edits
from opsportal.alerts.changes import Change
from opsportal.alerts.deliveries import PENDING, TONES, Delivery
from opsportal.alerts.pages import page, person, tabs
from opsportal.console.access import requires
from opsportal.console.listing import Region, respond, seen_token


@requires("alerts.view_alerts")
@require_safe
def deliveries(request: HttpRequest) -> HttpResponse:
    """The delivery log, newest first; by state."""
    state = request.GET.get("state", "")
    state = state if state in TONES else ""
    rows = Delivery.objects.select_related("webhook", "firing").prefetch_related("attempts")
    shown, pager = page(request, rows.filter(state=state) if state else rows, "made_at")
    region = Region("live", seen=seen_token(state, [(one.pk, one.state, one.tries) for one in shown]))
    context = {
        "tabs": tabs("alerts:deliveries"),
        "states": [("All", "?", not state), *((one.title(), f"?state={one}", one == state) for one in TONES)],
        "deliveries": [(one, list(one.attempts.all())[-1:]) for one in shown],
        "page": pager,
    }
    return respond(request, "alerts/deliveries.html", context, region)


@requires("alerts.view_alerts")
@require_safe
def delivery(request: HttpRequest, pk: str) -> HttpResponse:
    """One delivery: what was sent, and what was answered each time."""
    found = get_object_or_404(Delivery.objects.select_related("webhook", "firing__rule"), pk=pk)
    attempts = list(found.attempts.all())
    region = Region(
        "live", seen=seen_token(found.state, len(attempts), found.next_at), finished=found.state != PENDING
    )
    context = {
        "delivery": found,
        "attempts": attempts,
        "body": json.dumps(json.loads(found.body), indent=2),
        "may_manage": request.user.has_perm("alerts.manage_alerts"),
        "may_send": found.webhook.enabled and found.webhook.deleted_at is None,
    }
    return respond(request, "alerts/delivery.html", context, region)


@requires("alerts.manage_alerts")
@require_POST
def again(request: HttpRequest, pk: str) -> HttpResponseBase:
    found = get_object_or_404(Delivery.objects.select_related("webhook"), pk=pk)
    if not found.webhook.enabled or found.webhook.deleted_at:
        messages.error(request, "The webhook is disabled or deleted: nothing is sent to it.")
        return redirect(found)
    return redirect(edits.redeliver(found, person(request)))


@requires("alerts.view_alerts")
@require_safe
def changes(request: HttpRequest) -> HttpResponse:
    """Who changed which rule or webhook, and who acknowledged what, newest first."""
    shown, pager = page(request, Change.objects.all(), "at")
    said = sayings((one.actor_id, one.actor) for one in shown)
    listed = [
        (one, since, [(name, _short(old), _short(new)) for name, (old, new) in one.changed.items()])
        for one, since in zip(shown, said, strict=True)
    ]
    return render(
        request, "alerts/changes.html", {"tabs": tabs("alerts:changes"), "changes": listed, "page": pager}
    )


def _short(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
