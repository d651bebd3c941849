"""The console's settings as the tests use them: nothing of the developer's environment, nothing shared."""

import os
import tempfile
from pathlib import Path

# What a developer has exported must not change what the tests see, nor lead them to real tables.
for name in list(os.environ):
    if name.startswith(("AWS_", "DYNAMODB_", "DYNAMO_", "OPSPORTAL_", "WORKFLOW_", "REQUEST_", "AGENT_")):
        del os.environ[name]
for name in (
    "COOKIE_PREFIX",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "DEBUG",
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "HTTPS",
    "SECURE_SSL_REDIRECT",
):
    os.environ.pop(name, None)
for name in ("LOG_FORMAT", "ACCESS_LOG", "SENTRY_DSN", "PROMETHEUS_MULTIPROC_DIR"):
    os.environ.pop(name, None)
for name in [name for name in os.environ if name.startswith("METRICS_")]:
    del os.environ[name]
DATA_HOME = Path(tempfile.gettempdir()) / f"opsportal-tests-{os.getuid()}"
(DATA_HOME / "static").mkdir(parents=True, exist_ok=True)  # WhiteNoise warns when it is missing
os.environ |= {
    "DATA_DIR": str(DATA_HOME),
    "LOG_LEVEL": "WARNING",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # Port 9 refuses: code that asks DynamoDB without the `tables` fixture fails at once.
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
}

from opsportal.settings import *  # noqa: E402, F403
from opsportal.settings import LOGGING, STORAGES, env  # noqa: E402

# `scripts/postgres.py` sets it; the tests make a database of their own beside the one that it names.
DATABASES = {"default": env.db("TEST_DATABASE_URL", default="sqlite://:memory:")}
CACHES = {
    name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name}
    for name in ("default", "process")
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # a login in 1 ms, not 200
ACCOUNT_RATE_LIMITS = False
DYNAMO_VALIDATES_ALL = True
API_FAILED_LIMIT = 0  # tests share an address and a cache
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1", "[::1]"]
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_AUTOREFRESH = WHITENOISE_USE_FINDERS = True
# pytest captures
LOGGING = LOGGING | {"root": {"handlers": [], "level": "WARNING"}, "loggers": {}}
