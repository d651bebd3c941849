"""API tokens: the list, making one, revoking one."""

import logging

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from opsportal.accounts.actors import token_id, user_id
from opsportal.accounts.token_forms import TokenForm
from opsportal.accounts.tokens import ApiToken
from opsportal.console.access import staff

logger = logging.getLogger(__name__)


@staff
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponseBase:
    """GET: one's own tokens, for administrators all. POST: make one; its text is in this answer and nowhere
    else, so it is no redirect."""
    maker = _user(request)
    if request.method != "POST":
        return _page(request, TokenForm(maker=maker))
    form = TokenForm(request.POST, maker=maker)
    made = form.save() if form.is_valid() else None
    if made is None:
        return _page(request, form, status=422)
    token, text = made
    logger.info(
        "token %r (%s, %s) made by %r (%s): %s, until %s",
        token.actor_name, token_id(token), token.prefix, maker.get_username(), user_id(maker),
        " ".join(token.scope_names), token.expires_at,
    )  # fmt: skip
    return _page(request, TokenForm(maker=maker), made=token, text=text)


@staff
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for it, and revoke a token: one's own, or as an administrator any."""
    user = _user(request)
    token = ApiToken.objects.visible_to(user).filter(pk=pk).first()
    if token is None:
        raise Http404("There is no such token.")
    if request.method != "POST":
        if token.state != "live":
            return redirect("accounts:tokens")
        return _page(request, TokenForm(maker=user), revoking=token)
    token.revoke(user)
    logger.info(
        "token %r (%s, %s) revoked by %r (%s)",
        token.actor_name, token_id(token), token.prefix, user.get_username(), user_id(user),
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
        "tokens": ApiToken.objects.visible_to(_user(request)),
        "form": form,
        "made": made,
        "text": text,
        "revoking": revoking,
        "origin": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "accounts/tokens.html", context, status=status)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # the mark `staff` lets nobody else in
    return request.user
