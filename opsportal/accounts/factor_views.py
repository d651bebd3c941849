"""allauth's pages of the second factor that read its secrets, where one may be unreadable."""

from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any

from allauth.mfa import app_settings
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.views.generic import TemplateView
from django.views.generic.edit import FormView

from opsportal.accounts import factors
from opsportal.console.access import staff

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


index = staff(IndexView.as_view())


class GenerateView(codes.GenerateRecoveryCodesView):  # type: ignore[misc]
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """New codes may take the place of those that can't be read, which nobody counts."""
        if _codes_are_unreadable(self.request):
            return FormView.get_context_data(self, **kwargs) | {"unused_code_count": 0}
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context


generate = staff(GenerateView.as_view())


def _codes_are_unreadable(request: HttpRequest) -> bool:
    return any(one.type == factors.CODES for one in factors.factors_of(request.user)[1])


def _or_index(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The view of the codes, or where they can't be read the page that says so and makes new ones."""

    @staff
    @wraps(view)
    def page(request: HttpRequest) -> HttpResponseBase:
        return redirect("mfa_index") if _codes_are_unreadable(request) else view(request)

    return page


shown = _or_index(codes.view_recovery_codes)
download = _or_index(codes.download_recovery_codes)
