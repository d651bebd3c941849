"""Preferences, saved views, API tokens, and allauth's pages of the second factor, where a secret may be unreadable."""

import logging
from collections.abc import Callable
from copy import copy
from functools import wraps
from types import SimpleNamespace
from typing import Any

from allauth.mfa import app_settings
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.generic import TemplateView
from django.views.generic.edit import FormView

from opsportal.accounts import factors
from opsportal.accounts.actors import token_id, user_id
from opsportal.accounts.forms import PreferencesForm, SavedViewForm, TokenForm
from opsportal.accounts.models import Preferences, SavedView, preferences_of
from opsportal.accounts.tokens import ApiToken
from opsportal.console.access import Refusal, local_path, person, public, staff
from opsportal.console.refusals import forbidden
from opsportal.console.text import exact


@public
@require_safe
def session(request: HttpRequest) -> JsonResponse:
    """Who is signed in, and the token of forms as of now. No page of another origin can read it."""
    return JsonResponse({"user": request.user.get_username(), "token": get_token(request)})


@staff
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponseBase:
    """GET: the page. POST: save all settings or any one; then 204 for htmx, else on to a local `next`."""
    current = preferences_of(request.user)
    if request.method != "POST":
        return render(request, "accounts/preferences.html", {"form": PreferencesForm(instance=current)})
    # A copy: a refused value must not reach the shell around the form, which reads the user's own.
    form = PreferencesForm(request.POST, instance=copy(current))
    if not form.is_valid():
        return render(request, "accounts/preferences.html", {"form": form}, status=422)
    with transaction.atomic():
        stored = Preferences.objects.select_for_update().filter(user=person(request)).first()
        if not form.is_current(stored or Preferences()):
            return render(request, "accounts/preferences.html", {"form": form}, status=409)
        form.save()
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204)
    messages.success(request, "Preferences saved.")
    return redirect(local_path(request.POST.get("next"), resolve_url("accounts:preferences")))


@staff
@require_http_methods(["GET", "HEAD", "POST"])
def saved_views(request: HttpRequest) -> HttpResponseBase:
    """GET: one's own views and the shared ones. POST: save one. 409 and a question where it would replace one."""
    if request.method != "POST":
        return _saved_views_page(request)
    try:
        return _save_view(request)
    except IntegrityError:  # made in another tab meanwhile: there is one to be asked about now
        return _save_view(request)


@transaction.atomic
def _save_view(request: HttpRequest) -> HttpResponseBase:
    form = SavedViewForm(request.POST, owner=person(request))
    if not form.is_valid():
        return _saved_views_page(request, form, status=422)
    if form.asks:
        return _saved_views_page(request, form, status=409)
    view = form.save()
    messages.success(request, f"View “{exact(view.name)}” {'replaced' if form.before else 'saved'}.")
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    return local_path(request.POST.get("next"), resolve_url("accounts:views"))


@staff
@require_POST
def delete_view(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Delete a saved view: one's own, or with `accounts.delete_savedview` any shared one."""
    user = person(request)
    view = SavedView.objects.visible_to(user.pk).filter(pk=pk).first()
    if view is None:
        raise Http404("There is no such view.")
    if view.owner_id != user.pk and not user.has_perm("accounts.delete_savedview"):
        return forbidden(
            request,
            Refusal(
                f"The view “{exact(view.name)}” belongs to {view.owner}.",
                "They or an administrator can delete it.",
            ),
        )
    view.delete()
    messages.success(request, f"View “{exact(view.name)}” deleted.")
    return redirect(_back(request))


def _saved_views_page(
    request: HttpRequest, form: SavedViewForm | None = None, status: int = 200
) -> HttpResponse:
    user = person(request)
    context = {
        "views": SavedView.objects.visible_to(user.pk),
        "may_delete_any": user.has_perm("accounts.delete_savedview"),
        "form": form,
        "next": _back(request),
    }
    return render(request, "accounts/saved_views.html", context, status=status)


@staff
def no_password(request: HttpRequest) -> HttpResponse:
    """Where allauth sends an account that has no password and wants to change it."""
    messages.info(request, "This account signs in without a password; an administrator can give it one.")
    return redirect("accounts:preferences")


logger = logging.getLogger(__name__)


@staff
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponseBase:
    """GET: one's own tokens, for administrators all. POST: make one; its text is in this answer and nowhere
    else, so it is no redirect."""
    maker = person(request)
    if request.method != "POST":
        return _page(request, TokenForm(maker=maker))
    form = TokenForm(request.POST, maker=maker)
    made = form.save() if form.is_valid() else None
    if made is None:
        return _page(request, form, status=422)
    token, text = made
    logger.info(
        "token %r (%s) made by %r (%s): %s, until %s",
        token.actor_name, token_id(token), maker.get_username(), user_id(maker),
        " ".join(token.scope_names), token.expires_at,
    )  # fmt: skip
    return _page(request, TokenForm(maker=maker), made=token, text=text)


@staff
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for it, and revoke a token: one's own, or as an administrator any."""
    user = person(request)
    token = ApiToken.objects.visible_to(user).filter(pk=pk).first()
    if token is None:
        raise Http404("There is no such token.")
    if request.method != "POST":
        if token.state != "live":
            return redirect("accounts:tokens")
        return _page(request, TokenForm(maker=user), revoking=token)
    token.revoke(user)
    logger.info(
        "token %r (%s) revoked by %r (%s)",
        token.actor_name, token_id(token), user.get_username(), user_id(user),
    )  # fmt: skip
    messages.success(request, f"Token “{token.name}” revoked.")
    return redirect("accounts:tokens")


def _page(
    request: HttpRequest,
    form: TokenForm,
    *,
    made: ApiToken | None = None,
    text: str = "",
    revoking: ApiToken | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "tokens": ApiToken.objects.visible_to(person(request)),
        "form": form,
        "made": made,
        "text": text,
        "revoking": revoking,
        "origin": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "accounts/tokens.html", context, status=status)


def throttled(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """allauth's page; 429 where its form says that there were too many failed attempts."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if wait := getattr(request, "throttled_for", 0):
            response.status_code = 429
            response["Retry-After"] = str(wait)
        return response

    return page


NEW_APP = "You can deactivate it below and set it up again."  # with new codes
NEW_CODES = "You can generate new ones below."
UNREADABLE_CODES = SimpleNamespace(generate_codes=(), get_unused_codes=())


class IndexView(TemplateView):
    """allauth's page, which would count codes that can't be read."""

    template_name = "mfa/index.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        readable, unreadable = factors.factors_of(self.request.user)
        remedies = []
        if any(one.type == factors.APP for one in unreadable):
            remedies = [NEW_APP]
        elif unreadable and readable:  # new codes are for who has an app
            remedies = [NEW_CODES]
        return super().get_context_data(**kwargs) | {
            "authenticators": {one.type: one.wrap() for one in readable}
            | {one.type: UNREADABLE_CODES for one in unreadable},
            "is_mfa_enabled": is_mfa_enabled(self.request.user),
            "MFA_SUPPORTED_TYPES": app_settings.SUPPORTED_TYPES,
            "unreadable": factors.explained(unreadable, remedies),
        }


factors_index = staff(IndexView.as_view())


class GenerateView(codes.GenerateRecoveryCodesView):  # type: ignore[misc]
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """New codes may take the place of those that can't be read, which nobody counts."""
        if _codes_are_unreadable(self.request):
            return FormView.get_context_data(self, **kwargs) | {"unused_code_count": 0}
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context


new_codes = staff(GenerateView.as_view())


def _codes_are_unreadable(request: HttpRequest) -> bool:
    return any(one.type == factors.CODES for one in factors.factors_of(request.user)[1])


def _or_index(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The view of the codes, or where they can't be read the page that says so and makes new ones."""

    @staff
    @wraps(view)
    def page(request: HttpRequest) -> HttpResponseBase:
        return redirect("mfa_index") if _codes_are_unreadable(request) else view(request)

    return page


shown_codes = _or_index(codes.view_recovery_codes)
downloaded_codes = _or_index(codes.download_recovery_codes)
