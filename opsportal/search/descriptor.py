"""What the search brings to the console: its operation of the API. What it searches, the other apps bring."""

from opsportal.descriptors import AppDescriptor
from opsportal.search import api

DESCRIPTOR = AppDescriptor(routers=(api.router,))
