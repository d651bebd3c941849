"""Webhooks: the list, one of them, making and changing them, their secrets and tests."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from opsportal.alerts import edits, signing
from opsportal.alerts.deliveries import Delivery
from opsportal.alerts.forms import WebhookForm
from opsportal.alerts.pages import tabs
from opsportal.alerts.webhooks import Webhook
from opsportal.console.access import person, requires

FORM_METHODS = ["GET", "HEAD", "POST"]


@requires("alerts.view_alerts")
@require_safe
def webhooks(request: HttpRequest) -> HttpResponse:
    newest = Delivery.objects.filter(webhook=OuterRef("pk")).order_by("-made_at", "-pk").values("pk")[:1]
    kept = Webhook.objects.kept()
    last = {one.webhook_id: one for one in Delivery.objects.filter(pk__in=kept.values_list(Subquery(newest)))}
    context = {
        "tabs": tabs("alerts:webhooks"),
        "webhooks": [(one, last.get(one.pk)) for one in kept],
        "may_manage": request.user.has_perm("alerts.manage_alerts"),
    }
    return render(request, "alerts/webhooks.html", context)


def _webhook(pk: str) -> Webhook:
    return get_object_or_404(Webhook.objects.kept(), pk=pk)


@requires("alerts.view_alerts")
@require_safe
def webhook(request: HttpRequest, pk: str) -> HttpResponse:
    return _page(request, _webhook(pk))


def _page(request: HttpRequest, found: Webhook, **more: Any) -> HttpResponse:
    """With the secret where it was made just now: in this answer and nowhere else, so it is no redirect."""
    lost = ""
    try:
        found.secrets(timezone.now())
    except signing.SecretLost as error:
        lost = str(error)
    context = {
        "webhook": found,
        "lost": lost,
        "rules": found.rules.filter(deleted_at=None),
        "deliveries": found.deliveries.select_related("firing").order_by("-made_at", "-pk")[:10],
        "may_manage": request.user.has_perm("alerts.manage_alerts"),
        "old_valid": found.old_until and found.old_until > timezone.now(),
        **more,
    }
    response = render(request, "alerts/webhook.html", context)
    if "secret" in more:
        response["Cache-Control"] = "no-store"
    return response


@requires("alerts.manage_alerts")
@require_http_methods(FORM_METHODS)
def new(request: HttpRequest) -> HttpResponseBase:
    form = WebhookForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        made, secret = edits.make_webhook(data["name"], data["url"], person(request), jobs=data["jobs"])
        return _page(request, made, secret=secret)
    return render(request, "alerts/webhook_form.html", {"form": form}, status=422 if form.is_bound else 200)


@requires("alerts.manage_alerts")
@require_http_methods(FORM_METHODS)
def edit(request: HttpRequest, pk: str) -> HttpResponseBase:
    found = _webhook(pk)
    form = WebhookForm(request.POST if request.method == "POST" else None, webhook=found)
    status = 422 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        with transaction.atomic():
            found = get_object_or_404(Webhook.objects.kept().select_for_update(), pk=pk)
            if form.is_current(found):
                edited = edits.edit_webhook(
                    found, data["name"], data["url"], person(request), jobs=data["jobs"]
                )
                said = "Webhook saved." if edited else "No change: it already has these values."
                messages.success(request, said)
                return redirect(found)
            status = 409
    context = {"form": form, "webhook": found}
    return render(request, "alerts/webhook_form.html", context, status=status)


@requires("alerts.manage_alerts")
@require_POST
def new_secret(request: HttpRequest, pk: str) -> HttpResponse:
    found = _webhook(pk)
    secret = edits.renew_secret(found, person(request))
    found.refresh_from_db()
    return _page(request, found, secret=secret)


@requires("alerts.manage_alerts")
@require_POST
def test(request: HttpRequest, pk: str) -> HttpResponseBase:
    """Put a test down for the worker, which is what sends alerts too."""
    found = _webhook(pk)
    if not found.enabled:
        messages.error(request, "It is disabled. Enable it first.")
        return redirect(found)
    return redirect(edits.test_webhook(found, person(request)))


@requires("alerts.manage_alerts")
@require_POST
def switch(request: HttpRequest, pk: str) -> HttpResponseBase:
    found, enabled = _webhook(pk), request.POST.get("enabled") == "1"
    edits.switch_webhook(found, enabled, person(request))
    said = "Enabled." if enabled else "Disabled. Its pending deliveries are cancelled."
    messages.success(request, said)
    return redirect(found)


@requires("alerts.manage_alerts")
@require_POST
def delete(request: HttpRequest, pk: str) -> HttpResponseBase:
    found = _webhook(pk)
    edits.delete_webhook(found, person(request))
    messages.success(request, f"Webhook “{found.name}” deleted.")
    return redirect("alerts:webhooks")
