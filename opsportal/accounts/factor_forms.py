"""allauth's forms of the second factor, where a stored secret may be unreadable."""

import logging
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, BaseAuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import SECRET_SESSION_KEY, get_totp_secret
from django import forms

from opsportal.accounts import factors, sign_in
from opsportal.accounts.encryption import Undecryptable, decrypt, encrypt
from opsportal.accounts.throttle import give_back, take

logger = logging.getLogger(__name__)


class CodeForm(BaseAuthenticateForm):  # type: ignore[misc]
    """A code of one of the factors that can be read. `unreadable`: what the page says of the others, or "".
    `possible`: whether any code can fit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._readable, self._unreadable = factors.factors_of(self.user)
        self.possible = bool(self._readable)
        self.unreadable = factors.explained(
            self._unreadable, [factors.STILL_GOOD[one.type] for one in self._readable]
        )

    def clean_code(self) -> str:
        """As allauth's, without the factors that can't be read, and counted before a code is checked."""
        for factor in self._unreadable:
            logger.warning(
                "second factor %s (%s) of account %s can't be decrypted",
                factor.pk,
                factor.type,
                factor.user_id,
            )
        taken = sign_in.limits(context.request, "code", {sign_in.account(self.user)})
        if exceeded := take(taken):
            context.request.throttled_for = exceeded.wait
            raise forms.ValidationError(sign_in.sentence(exceeded))
        code = str(self.cleaned_data["code"])
        for factor in self._readable:
            if factor.wrap().validate_code(code):
                factor.user = self.user
                self.authenticator = factor
                give_back(taken)
                return code
        for factor in [*self._readable, *self._unreadable][:1]:
            self._emit_authentication_failed(factor)
        raise (
            get_adapter().validation_error("incorrect_code")
            if self.possible
            else forms.ValidationError(self.unreadable)
        )


class SignInForm(CodeForm, AuthenticateForm):  # type: ignore[misc]
    pass


class ConfirmForm(CodeForm, ReauthenticateForm):  # type: ignore[misc]
    pass


class EnrolForm(ActivateTOTPForm):  # type: ignore[misc]
    """Setting up an app. Its secret is in the session meanwhile, which is a row of the database: encrypted there."""

    secret: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.is_bound:
            try:
                self.secret = decrypt(self.secret)
            except Undecryptable:  # no enrolment is under way any more: begin another
                self.secret = get_totp_secret(regenerate=True)
        context.request.session[SECRET_SESSION_KEY] = encrypt(self.secret)
