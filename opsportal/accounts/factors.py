"""Second factors that can't be read: which, and what to say about them.

A factor is allauth's `Authenticator`: an app (type `totp`) or the recovery codes. One that can't be read still asks
for a code at the login, and no code fits it: nobody gets in without it.
"""

from collections.abc import Sequence

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction

from opsportal.accounts.encryption import Undecryptable, changed, rotated

APP, CODES = Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES
NAMES = {APP: "Your authenticator app", CODES: "Your recovery codes"}
STILL_GOOD = {APP: "Your authenticator app still works.", CODES: "A recovery code still works."}
CAUSE = "can't be checked: the stored secret was encrypted with another SECRET_KEY, or changed."
REMEDY = (
    "An administrator can remove it under Accounts > Authenticators. To restore it, add the old key to "
    "SECRET_KEY_FALLBACKS on the server."
)


def is_readable(factor: Authenticator) -> bool:
    """Whether codes can be checked against it: by doing what allauth does to check one."""
    try:
        wrapped = factor.wrap()
        if factor.type == CODES:
            wrapped.get_unused_codes()
        else:
            wrapped.validate_code("")
    except (Undecryptable, LookupError, TypeError, ValueError, AttributeError):
        return False
    return True


def factors_of(user: AbstractBaseUser | AnonymousUser) -> tuple[list[Authenticator], list[Authenticator]]:
    """The user's factors: those that can be read, and those that can't."""
    readable: list[Authenticator] = []
    unreadable: list[Authenticator] = []
    for factor in Authenticator.objects.filter(user_id=user.pk).order_by("pk"):
        (readable if is_readable(factor) else unreadable).append(factor)
    return readable, unreadable


def explained(unreadable: Sequence[Authenticator], more: Sequence[str]) -> str:
    """What happened, `more` sentences that fit where it is said, and the way out; "" where all can be read."""
    if not unreadable:
        return ""
    subject = "Your second factor"
    if len(unreadable) == 1:
        subject = NAMES.get(unreadable[0].type, subject)
    return " ".join([f"{subject} {CAUSE}", *more, REMEDY])


@transaction.atomic
def reencrypt(pk: int) -> bool:
    """Encrypt that factor's secrets with SECRET_KEY; whether they were not yet. Raises `Undecryptable`, then nothing
    is changed. Locked, so that a recovery code used meanwhile stays used."""
    factor = Authenticator.objects.select_for_update().filter(pk=pk).first()
    if factor is None:
        return False
    if not is_readable(factor):
        raise Undecryptable
    data = changed(factor.data, rotated)
    if data == factor.data:
        return False
    factor.data = data
    factor.save(update_fields=["data"])
    return True
