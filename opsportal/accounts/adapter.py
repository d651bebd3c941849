"""django-allauth's adapters: nobody signs up, only staff sign in, nobody is led elsewhere, and the secrets of second
factors are encrypted."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from opsportal.accounts import encryption, sign_in
from opsportal.accounts.throttle import give_back, take
from opsportal.console.access import is_local_path

WRONG = "The user name or the password is wrong."
NOT_STAFF = (
    "This account is not a staff account, so it can't use the console. An administrator can make it one."
)


class StaffAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = DefaultAccountAdapter.error_messages | {
        "not_staff": NOT_STAFF,
        "username_password_mismatch": WRONG,
        "email_password_mismatch": WRONG,
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str) -> bool:
        return is_local_path(url)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Before the password is checked: count the attempt, or refuse it."""
        names = {str(credentials[name]) for name in ("username", "email") if credentials.get(name)}
        self._taken = sign_in.limits(
            request, "password", {one for name in names for one in sign_in.who_is(name)}
        )
        if exceeded := take(self._taken):
            request.throttled_for = exceeded.wait  # type: ignore[attr-defined]
            raise ValidationError(sign_in.sentence(exceeded), code="too_many_login_attempts")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Only after the right password does anyone learn that the account is not staff."""
        user: AbstractBaseUser | None = super().authenticate(request, **credentials)
        if user is not None:
            give_back(self._taken)
        if user is not None and user.is_active and not user.is_staff:  # type: ignore[attr-defined]
            raise self.validation_error("not_staff")
        return user

    def pre_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> HttpResponse | None:
        """The gate of every way in; single sign-on comes without `authenticate`."""
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response is None and not user.is_staff:  # type: ignore[attr-defined]
            messages.error(request, NOT_STAFF)
            raise ImmediateHttpResponse(redirect("account_login"))
        return response

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        sign_in.remember(request, response, user)
        return response


class StaffSocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Single sign-on is for accounts that exist: connected in the account's own pages, or found by the
    provider's verified e-mail address where the provider's settings say EMAIL_AUTHENTICATION."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Raises `Undecryptable`: ask `factors.is_readable` first."""
        return encryption.decrypt(encrypted_text)
