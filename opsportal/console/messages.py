"""Messages for the next page, in a cookie of this deployment's name."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage

# A message's tag: an action was done, so the next page waits for what comes of it (static/console/js/live.js).
DONE = "done"


class OwnCookieStorage(CookieStorage):
    """Under Django's one name, consoles on one host would delete each other's, which they can't read."""

    cookie_name = settings.MESSAGES_COOKIE_NAME


class Storage(FallbackStorage):
    storage_classes = (OwnCookieStorage, SessionStorage)
