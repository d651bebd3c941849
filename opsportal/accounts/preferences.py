"""One person's preferences, read without a write and at most once per request."""

from django.contrib.auth.models import AnonymousUser, User

from opsportal.accounts.models import Preferences


def preferences_of(user: User | AnonymousUser | None) -> Preferences:
    """The saved preferences of `user`, or the defaults (unsaved). Anonymous and None: the defaults."""
    if user is None or not user.is_authenticated:
        return Preferences()
    try:
        found: Preferences = user.preferences
    except Preferences.DoesNotExist:
        # Assigning the user caches this object on it: a second call asks the database no more.
        found = Preferences(user=user)
    return found
