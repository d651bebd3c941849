"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
application = get_wsgi_application()

from django.conf import settings  # noqa: E402 (as the next)
from django.core import signals  # noqa: E402
from django.core.cache import close_caches  # noqa: E402
from django.db import reset_queries  # noqa: E402

from opsportal.console.utf8 import Utf8Request  # noqa: E402 (needs the apps, which the line above loads)
from opsportal.telemetry.calls import watch  # noqa: E402

application.request_class = Utf8Request
watch()

# The caches hold no connection of their own, and only DEBUG records queries: at each request's end and beginning, Django
# asked them all the same, for one percent of a status document.
signals.request_finished.disconnect(close_caches)
if not settings.DEBUG:
    signals.request_started.disconnect(reset_queries)
