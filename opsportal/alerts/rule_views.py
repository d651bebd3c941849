"""Rules: the list, one of them, making and changing them."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from opsportal.alerts import edits, watches
from opsportal.alerts.evaluation import evaluate
from opsportal.alerts.forms import RuleForm
from opsportal.alerts.pages import tabs
from opsportal.alerts.rules import FIRING, Rule
from opsportal.console.access import person, requires

FORM_METHODS = ["GET", "HEAD", "POST"]


@requires("alerts.view_alerts")
@require_safe
def rules(request: HttpRequest) -> HttpResponse:
    context = {
        "tabs": tabs("alerts:rules"),
        "rules": Rule.objects.kept().annotate(firing=Count("firings", Q(firings__state=FIRING))),
        "may_manage": request.user.has_perm("alerts.manage_alerts"),
    }
    return render(request, "alerts/rules.html", context)


def _rule(pk: int) -> Rule:
    return get_object_or_404(Rule.objects.kept(), pk=pk)


@requires("alerts.view_alerts")
@require_safe
def rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Its condition, what it found last, and its open alerts."""
    return _page(request, _rule(pk))


def _page(request: HttpRequest, found: Rule, **more: Any) -> HttpResponse:
    context = {
        "rule": found,
        "firings": found.firings.open().order_by("-first_seen_at")[:20],
        "webhooks": found.webhooks.filter(deleted_at=None),
        "may_manage": request.user.has_perm("alerts.manage_alerts"),
        **more,
    }
    return render(request, "alerts/rule.html", context)


@requires("alerts.manage_alerts")
@require_http_methods(FORM_METHODS)
def new(request: HttpRequest) -> HttpResponseBase:
    """Without `watch`, what can be watched; with it, the form of such a rule."""
    watch = watches.watch(request.GET.get("watch", ""))
    if watch is None:
        return render(request, "alerts/choose.html", {"watches": watches.watches()})
    form = RuleForm(request.POST if request.method == "POST" else None, watch=watch)
    if form.is_bound and form.is_valid():
        made = edits.make_rule(watch, form.values, form.cleaned_data["webhooks"], person(request))
        messages.success(request, f"The rule “{made.name}” is enabled.")
        return redirect(made)
    context = {"form": form, "watch": watch}
    return render(request, "alerts/rule_form.html", context, status=422 if form.is_bound else 200)


@requires("alerts.manage_alerts")
@require_http_methods(FORM_METHODS)
def edit(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = _rule(pk)
    if found.watch is None:
        messages.error(request, "This version of the console does not know its condition.")
        return redirect(found)
    form = RuleForm(request.POST if request.method == "POST" else None, watch=found.watch, rule=found)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        with transaction.atomic():
            found = get_object_or_404(Rule.objects.kept().select_for_update(), pk=pk)
            if form.is_current(found):
                edited = edits.edit_rule(found, form.values, form.cleaned_data["webhooks"], person(request))
                messages.success(
                    request, "Rule saved." if edited else "No change: it already has these values."
                )
                return redirect(found)
            status = 409
    context = {"form": form, "watch": found.watch, "rule": found}
    return render(request, "alerts/rule_form.html", context, status=status)


@requires("alerts.manage_alerts")
@require_POST
def try_now(request: HttpRequest, pk: int) -> HttpResponse:
    """What the rule would find now, of the past too. Nothing fires and no notification is sent."""
    found = _rule(pk)
    look = evaluate(found, timezone.now(), settings.DYNAMO_REQUEST_DEADLINE)
    old = sum(fact.since < found.baseline_at for fact in look.reading.facts)
    return _page(request, found, look=look, facts=look.reading.facts[:20], old=old)


@requires("alerts.manage_alerts")
@require_POST
def switch(request: HttpRequest, pk: int) -> HttpResponseBase:
    found, enabled = _rule(pk), request.POST.get("enabled") == "1"
    edits.switch_rule(found, enabled, person(request))
    said = "Enabled." if enabled else "Disabled. Its open alerts are resolved."
    messages.success(request, said)
    return redirect(found)


@requires("alerts.manage_alerts")
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponseBase:
    found = _rule(pk)
    edits.delete_rule(found, person(request))
    messages.success(request, f"Rule “{found.name}” deleted.")
    return redirect("alerts:rules")
