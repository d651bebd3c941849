"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")
application = get_wsgi_application()

from opsportal.console.utf8 import Utf8Request  # noqa: E402 (needs the apps, which the line above loads)
from opsportal.telemetry.calls import watch  # noqa: E402

application.request_class = Utf8Request
watch()
