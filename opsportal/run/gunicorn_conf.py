"""gunicorn's settings under `make run`: those of a deployment, and its first process prepares what is to be served.

A process of its own would load Django a second time, which is most of a start. A deployment prepares nothing as it
starts: many hosts would do it at once.
"""

import sys

import django
from django.core.exceptions import ImproperlyConfigured

from opsportal.gunicorn_conf import *  # noqa: F403
from opsportal.run.prepare import prepare
from opsportal.run.program import SAID

try:
    django.setup()
except ImproperlyConfigured as error:
    print(f"The settings refuse to start: {error}", flush=True)
    sys.exit(SAID)
# Before the application is loaded, which is right after this file: it looks for the static files then.
if problem := prepare():
    print(problem, flush=True)
    sys.exit(SAID)
