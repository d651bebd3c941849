"""What fires and what fired, acknowledging and snoozing; what was delivered, and who changed what."""

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from opsportal.accounts.actors import sayings
from opsportal.accounts.change_rows import rows
from opsportal.alerts import edits
from opsportal.alerts.changes import Change
from opsportal.alerts.deliveries import PENDING, TONES, Delivery
from opsportal.alerts.forms import SNOOZES, SnoozeForm
from opsportal.alerts.pages import page, tabs
from opsportal.alerts.rules import FIRING, OPEN, RESOLVED, Firing, Rule
from opsportal.console.access import person, requires
from opsportal.console.labels import label_of
from opsportal.console.listing import Region, respond, seen_token
from opsportal.dynamo.json_values import as_json, parse_foreign

STATES = {
    "open": ("Open", Q(state__in=OPEN)),
    "resolved": ("Resolved", Q(state=RESOLVED)),
    "all": ("All", Q()),
}


@requires("alerts.view_alerts")
@require_safe
def firings(request: HttpRequest) -> HttpResponse:
    """What is open, newest first; or what was."""
    state = request.GET.get("state", "open")
    state = state if state in STATES else "open"
    rows = Firing.objects.filter(STATES[state][1]).select_related("rule")
    rule = request.GET.get("rule", "")
    if rule.isascii() and rule.isdecimal() and len(rule) < 18:
        rows = rows.filter(rule=int(rule))
    shown, pager = page(request, rows, "first_seen_at")
    region = Region("live", seen=seen_token(state, [(one.pk, one.state, one.calm_since, one.acknowledged_by,
                                                     one.is_snoozed, one.title) for one in shown]))  # fmt: skip
    context = {
        "tabs": tabs("alerts:list"),
        "states": [
            (label, f"?state={key}" + (f"&rule={rule}" if rule.isdecimal() else ""), key == state)
            for key, (label, _) in STATES.items()
        ],
        "state": state,
        "firings": shown,
        "page": pager,
        "rules": Rule.objects.kept().filter(enabled=True).count(),
    }
    return respond(request, "alerts/list.html", context, region)


@requires("alerts.view_alerts")
@require_safe
def firing(request: HttpRequest, pk: str) -> HttpResponse:
    """One alert: what, since when, and its notifications."""
    found = get_object_or_404(Firing.objects.select_related("rule"), pk=pk)
    deliveries = list(found.deliveries.select_related("webhook").order_by("made_at", "pk")[:100])
    region = Region(
        "live",
        seen=seen_token(
            found.state, found.seen_at, found.calm_since, found.acknowledged_by, found.is_snoozed,
            [(one.pk, one.state, one.tries) for one in deliveries],
        ),
        finished=found.state == RESOLVED and not any(one.state == PENDING for one in deliveries),
    )  # fmt: skip
    acknowledged, snoozed = sayings(
        [(found.acknowledged_by_id, found.acknowledged_by), (found.snoozed_by_id, found.snoozed_by)]
    )
    context = {
        "firing": found,
        "figures": [(label_of(name), value) for name, value in found.figures.items()],
        "acknowledged_since": acknowledged,
        "snoozed_since": snoozed,
        "deliveries": deliveries,
        "may_acknowledge": request.user.has_perm("alerts.acknowledge_alerts"),
        "snoozes": [(key, label) for key, (label, _) in SNOOZES.items()],
        "is_firing": found.state == FIRING,
    }
    return respond(request, "alerts/firing.html", context, region)


@requires("alerts.acknowledge_alerts")
@require_POST
def acknowledge(request: HttpRequest, pk: str) -> HttpResponseBase:
    found = get_object_or_404(Firing, pk=pk)
    if edits.acknowledge(found, person(request), timezone.now()):
        messages.success(
            request, "Acknowledged. It is not repeated. A notification is still sent when it is resolved."
        )
    else:
        messages.info(request, "It is resolved, or already acknowledged.")
    return redirect(found)


@requires("alerts.acknowledge_alerts")
@require_POST
def snooze(request: HttpRequest, pk: str) -> HttpResponseBase:
    found = get_object_or_404(Firing, pk=pk)
    form = SnoozeForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the lengths.")
        return redirect(found)
    length = form.cleaned_data["length"]
    if not edits.snooze(found, SNOOZES[length][1] if length else 0, person(request), timezone.now()):
        messages.info(request, "It is resolved.")
    elif length:
        messages.success(request, f"Snoozed for {SNOOZES[length][0]}. Notifications go on after that.")
    else:
        messages.success(request, "The snooze is ended.")
    return redirect(found)


# --- The logs ------------------------------------------------------------------------------------------


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
        "body": as_json(parse_foreign(found.body), indent="  ", ascii_only=True),
        "may_manage": request.user.has_perm("alerts.manage_alerts"),
        "may_send": found.webhook.enabled and found.webhook.deleted_at is None,
    }
    return respond(request, "alerts/delivery.html", context, region)


@requires("alerts.manage_alerts")
@require_POST
def redeliver(request: HttpRequest, pk: str) -> HttpResponseBase:
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
    context = {"tabs": tabs("alerts:changes"), "changes": rows(shown), "page": pager}
    return render(request, "alerts/changes.html", context)
