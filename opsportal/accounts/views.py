"""Preferences, saved views, and the few account pages that lead to allauth's."""

from copy import copy

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.http import require_http_methods, require_POST

from opsportal.accounts.forms import PreferencesForm, SavedViewForm
from opsportal.accounts.models import SavedView
from opsportal.accounts.preferences import preferences_of
from opsportal.console.access import Refusal, local_path, staff
from opsportal.console.refusals import forbidden


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
    form.save()
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204)
    messages.success(request, "Preferences saved.")
    return redirect(local_path(request.POST.get("next"), resolve_url("accounts:preferences")))


@staff
@require_http_methods(["GET", "HEAD", "POST"])
def saved_views(request: HttpRequest) -> HttpResponseBase:
    """GET: one's own views and the shared ones. POST: save one, replacing one's own of the same name."""
    if request.method != "POST":
        return _saved_views_page(request)
    form = SavedViewForm(request.POST, owner=_user(request))
    if not form.is_valid():
        return _saved_views_page(request, form, status=422)
    replaced = form.instance.pk is not None
    view = form.save()
    messages.success(request, f"View “{view.name}” {'replaced' if replaced else 'saved'}.")
    return redirect(local_path(request.POST.get("next"), resolve_url("accounts:views")))


@staff
@require_POST
def delete_view(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Delete a saved view: one's own, or with `accounts.delete_savedview` any shared one."""
    user = _user(request)
    view = SavedView.objects.visible_to(user.pk).filter(pk=pk).first()
    if view is None:
        raise Http404("There is no such view.")
    if view.owner_id != user.pk and not user.has_perm("accounts.delete_savedview"):
        return forbidden(
            request,
            Refusal(
                f"The view “{view.name}” belongs to {view.owner}.", "They or an administrator can delete it."
            ),
        )
    view.delete()
    messages.success(request, f"View “{view.name}” deleted.")
    return redirect(local_path(request.POST.get("next"), resolve_url("accounts:views")))


def _saved_views_page(
    request: HttpRequest, form: SavedViewForm | None = None, status: int = 200
) -> HttpResponse:
    user = _user(request)
    context = {
        "views": SavedView.objects.visible_to(user.pk),
        "may_delete_any": user.has_perm("accounts.delete_savedview"),
        "form": form,
    }
    return render(request, "accounts/saved_views.html", context, status=status)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the mark `staff` lets nobody else in
    return request.user


@staff
def no_password(request: HttpRequest) -> HttpResponse:
    """Where allauth sends an account that has no password and wants to change it."""
    messages.info(request, "This account signs in without a password; an administrator can give it one.")
    return redirect("accounts:preferences")
