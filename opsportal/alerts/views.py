"""What fires and what fired: the list, one of them, acknowledging and snoozing."""

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from opsportal.accounts.actors import sayings
from opsportal.alerts import edits
from opsportal.alerts.forms import SNOOZES, SnoozeForm
from opsportal.alerts.pages import page, person, tabs
from opsportal.alerts.rules import FIRING, OPEN, RESOLVED, Firing, Rule
from opsportal.console.access import requires
from opsportal.console.listing import Region, respond, seen_token

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
    """One alert: what, since when, and who was told."""
    found = get_object_or_404(Firing.objects.select_related("rule"), pk=pk)
    deliveries = list(found.deliveries.select_related("webhook").order_by("made_at", "pk")[:100])
    region = Region(
        "live",
        seen=seen_token(
            found.state, found.seen_at, found.calm_since, found.acknowledged_by, found.is_snoozed,
            [(one.pk, one.state, one.tries) for one in deliveries],
        ),
        finished=found.state == RESOLVED and not any(one.state == "pending" for one in deliveries),
    )  # fmt: skip
    acknowledged, snoozed = sayings(
        [(found.acknowledged_by_id, found.acknowledged_by), (found.snoozed_by_id, found.snoozed_by)]
    )
    context = {
        "firing": found,
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
        messages.success(request, "Acknowledged: it is not said again, and its end still is.")
    else:
        messages.info(request, "It is over, or somebody acknowledged it before you.")
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
        messages.info(request, "It is over.")
    elif length:
        messages.success(request, f"Snoozed for {SNOOZES[length][0]}: then it is said again, if it goes on.")
    else:
        messages.success(request, "Not snoozed any more.")
    return redirect(found)
