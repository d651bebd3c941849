"""Settings of the console, read from the environment through django-environ.

Every name below that is read with ``env`` can be set as an environment variable;
docs/configuration.md lists them. Outside development the console refuses to start with an insecure value (see the end).
"""

import contextlib
import hashlib
import importlib.util
import ipaddress
import os
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from opsportal.environments import COLOURS, NAME, is_strict
from opsportal.setting_values import (
    ADDRESS_OR_NAME,
    HOST,
    HOST_AND_PORT,
    HOST_OR_NETWORK,
    NETWORK,
    Environment,
    providers,
    steps,
    texts_by_name,
)
from opsportal.telemetry.logs import FORMATTERS, format_of

BASE_DIR = Path(__file__).resolve().parent.parent


env = Environment()

# --- Which deployment this is ------------------------------------------------------------------

# The prefix of the table names.
OPSPORTAL_ENV = env.matched(
    "OPSPORTAL_ENV",
    "dev",
    NAME.pattern,
    "1 to 20 of a-z, 0-9 and -, without - at its start, such as dev, qa or prod",
)
# Of the stripe and the badge on every page; "" is by the name.
ENVIRONMENT_COLOUR = env.choice("ENVIRONMENT_COLOUR", "", ("", *COLOURS))
DATA_DIR = env.folder("DATA_DIR", BASE_DIR / ".data")

DEBUG = env.bool("DEBUG", default=False)
INSECURE_SECRET_KEY = "insecure-only-for-development-on-loopback"  # noqa: S105 (refused below)
SECRET_KEY = env.str("SECRET_KEY", default=INSECURE_SECRET_KEY)
# Keys before the present one: what was signed, derived or encrypted with them still holds. The newest first.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS = env.each(
    "ALLOWED_HOSTS", LOOPBACK_HOSTS, HOST, "host names without scheme, port and path, such as ops.example.com"
)
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
# Set behind a load balancer that ends TLS and always sets this header itself.
if env.bool("TRUST_X_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Applications ------------------------------------------------------------------------------

INSTALLED_APPS = [
    "opsportal",
    "opsportal.console",
    "opsportal.telemetry",
    # In the order of the navigation.
    "opsportal.failures",
    "tracking",
    "requests_app",
    "registry",
    "opsportal.alerts",
    "opsportal.jobs",
    "opsportal.exports",
    "opsportal.operations",
    "opsportal.tables",
    "opsportal.search",
    "opsportal.accounts",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]

MIDDLEWARE = [
    # First, so that whatever answers, and every line of the log, has the request's id.
    "opsportal.console.request_ids.RequestIdMiddleware",
    "opsportal.telemetry.access_log.AccessLogMiddleware",
    "opsportal.telemetry.access_log.ProbeHostMiddleware",
    # Outside of whatever may refuse a request: a page can read why only with these headers on the refusal.
    "opsportal.api.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "opsportal.console.middleware.ContentSecurityPolicyMiddleware",
    # A list of 50 rows is 140 KB of much alike HTML, and a poll may fetch it every 2 s: 10 KB on the wire.
    # Django adds random bytes to each answer, so that its length tells nothing of a secret in it.
    "opsportal.console.middleware.GZipMiddleware",
    "opsportal.api.middleware.ProblemMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "opsportal.console.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "opsportal.accounts.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "opsportal.api.middleware.PagesOnlyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "opsportal.api.middleware.EndOfPagesOnlyMiddleware",
    "opsportal.console.middleware.StaffRequiredMiddleware",
    # Inside of what puts headers on every answer, and before anything that reads a form or a query.
    "opsportal.console.utf8.Utf8Middleware",
    "opsportal.console.middleware.DynamoMiddleware",
]

ROOT_URLCONF = "opsportal.urls"
WSGI_APPLICATION = "opsportal.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "NAME": "django",  # by which template_partials finds it
        "BACKEND": "opsportal.console.templating.Templates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "opsportal.console.context.shell",
            ],
            "builtins": [
                "django.templatetags.static",
                "opsportal.console.templatetags.console",
                "opsportal.console.templatetags.charts",
                "opsportal.console.templatetags.lists",
                "template_partials.templatetags.partials",
            ],
        },
    },
]

# --- The relational database: accounts, sessions, preferences; none of the data ------------------

try:
    with warnings.catch_warnings(action="ignore"):  # django-environ's quotes the URL
        DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'console.sqlite3'}")}
except ValueError:  # of the port, where a password has a "/"
    DATABASES = {"default": {}}
_engine, _name = (DATABASES["default"].get(part) for part in ("ENGINE", "NAME"))
if _engine not in ("django.db.backends.postgresql", "django.db.backends.sqlite3") or _name == ":memory:":
    # Without what stands there, and without the error that quotes it: it may hold a password.
    raise ImproperlyConfigured(
        "DATABASE_URL is no URL of a database, such as postgres://user:password@host/name or "
        "sqlite:////var/lib/opsportal/console.sqlite3. A character of the "
        "password that a URL does not take is written as % and two digits."
    ) from None
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # The first command after a clone makes the file; without the directory it could not.
    with contextlib.suppress(OSError):  # SQLite's own error names it
        DATA_DIR.mkdir(parents=True, exist_ok=True)
    # Many gunicorn threads write sessions and rate limits: without all three, SQLite answers
    # "database is locked" at the first contention. Who locks it for longer than a page may take is named.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # The last connection that closes takes the shared memory beside the file away, and on a full disk the next one
    # can't make it again. So threads keep theirs, and who is signed in can read on.
    DATABASES["default"]["CONN_MAX_AGE"] = 60
else:
    # Each thread keeps a connection, and looks whether it still works before a request uses it. `?conn_max_age=0` in
    # the URL where something between pools them.
    DATABASES["default"] = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True} | DATABASES["default"]
    # A page must not wait for a database that does not answer.
    DATABASES["default"]["OPTIONS"] = {"connect_timeout": 5} | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    # Shared between processes: the limit of confirming a password, and the registry's version.
    "default": {
        "BACKEND": "opsportal.console.shared_cache.SharedCache",
        "LOCATION": "opsportal_cache",
        # Past this a third is thrown away by chance, counters of a limit that still holds among them.
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
    # Of one process: table descriptions, partitions seen, counts, the day's heartbeats that have an entry.
    "process": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "opsportal",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    },
}

# --- DynamoDB ------------------------------------------------------------------------------------

# Where every table lives that names no endpoint of its own; empty = Amazon's.
DYNAMO_ENDPOINT_URL = env.url("AWS_ENDPOINT_URL_DYNAMODB", env.url("AWS_ENDPOINT_URL"))


# DynamoDB's rule.
TABLE_NAME, A_TABLES_NAME = r"[A-Za-z0-9_.-]{3,255}", "a table's name: 3 to 255 of a-z, A-Z, 0-9, _, - and ."


def _table(logical: str, spec: str, *, name: str, region: str, key: str, ttl: str) -> dict[str, str]:
    """One table's settings: ``DYNAMODB_<LOGICAL>_TABLE``, ``_REGION``, ``_ENDPOINT_URL``, ``_KEY``,
    ``_TTL_ATTRIBUTE``. An empty region is resolved by the AWS chain, then by ``default_region``."""
    prefix = f"DYNAMODB_{logical.upper()}"
    a_name = (
        f"{A_TABLES_NAME} (no ARN: the region is {prefix}_REGION, and a table of another account is reached by a role of "
        "that account)"
    )
    return {
        "spec": spec,
        "name": env.matched(f"{prefix}_TABLE", name, TABLE_NAME, a_name),
        "region": env.region(f"{prefix}_REGION"),
        "default_region": region,
        "endpoint": env.url(f"{prefix}_ENDPOINT_URL", DYNAMO_ENDPOINT_URL),
        "key": env.matched(f"{prefix}_KEY", key, r"(?s:.{0,255})", "an attribute's name or empty"),
        "ttl_attribute": env.matched(
            f"{prefix}_TTL_ATTRIBUTE", ttl, r"(?s:.{0,255})", "an attribute's name or empty"
        ),
    }


# Seed 001 of docs/data.md spells the names of the requests' tables with underscores, seed 002 with hyphens.
REQUEST_TABLE_NAMES = {
    spelling: {
        "requests": f"{OPSPORTAL_ENV}-market{mark}intelligence{mark}requests",
        "request_logs": f"{OPSPORTAL_ENV}-request{mark}processing{mark}logs",
    }
    for spelling, mark in (("underscore", "_"), ("hyphen", "-"))
}
REQUEST_TABLES_SPELLING = env.choice("REQUEST_TABLES_SPELLING", "underscore", REQUEST_TABLE_NAMES)
_request_tables = REQUEST_TABLE_NAMES[REQUEST_TABLES_SPELLING]

# fmt: off
DYNAMO_TABLES: dict[str, dict[str, str]] = {
    "workflows": _table("workflows", "tracking.tables.WORKFLOWS", name=env.matched("DYNAMODB_PROCESSING_STATUS_TABLE", "trade-matching-system-processing-status", TABLE_NAME, A_TABLES_NAME), region="us-east-1", key="sessionId", ttl="expiresAt"),
    "requests": _table("requests", "requests_app.tables.REQUESTS", name=_request_tables["requests"], region="us-east-1", key="request_id", ttl="ttl"),
    "request_logs": _table("request_logs", "requests_app.tables.REQUEST_LOGS", name=_request_tables["request_logs"], region="us-east-1", key="log_id", ttl="ttl"),
    "agents": _table("agents", "registry.tables.AGENTS", name="AgentRegistry", region="eu-north-1", key="agentId", ttl=""),
}
# fmt: on

# The console's own tables, in every place that holds one of these.
OWN_TABLE_PREFIX = f"{OPSPORTAL_ENV}-opsportal_"

# Seconds. A page makes several calls; together they end within the deadline, or the page says so.
DYNAMO_CONNECT_TIMEOUT = env.number("DYNAMO_CONNECT_TIMEOUT", 1.0, 0.05, 60.0)
DYNAMO_READ_TIMEOUT = env.number("DYNAMO_READ_TIMEOUT", 1.5, 0.05, 60.0)
DYNAMO_MAX_ATTEMPTS = env.number("DYNAMO_MAX_ATTEMPTS", 2, 1, 10)
DYNAMO_REQUEST_DEADLINE = env.number("DYNAMO_REQUEST_DEADLINE", 5.0, 0.1, 60.0)
# At least gunicorn's threads, or requests wait for a connection.
DYNAMO_MAX_POOL_CONNECTIONS = env.number("DYNAMO_MAX_POOL_CONNECTIONS", 32, 1, 1_000)
# Whether botocore looks through every call before it sends it, also those that jobs have built: the tests do.
DYNAMO_VALIDATES_ALL = False

# Downloads that a process sends at once: each holds one of gunicorn's threads for as long as its reader takes.
STREAMS_AT_ONCE = env.number("STREAMS_AT_ONCE", 2, 1, 100)

# True on the in-process fallback of `make run`: the banner says that data ends with the process.
ENGINE_IS_VOLATILE = env.bool("OPSPORTAL_ENGINE_IS_VOLATILE", default=False)

# --- What the console knows of the domain ---------------------------------------------------------

# The steps of the orchestrators, in order: attribute, label, what an absent step waits for.
# The default is seed 003's. Steps that are not listed are found and shown after these.
WORKFLOW_STEPS: list[dict[str, str]] = env.shaped(
    "WORKFLOW_STEPS",
    [
        {"key": "pdfAdapter", "label": "PDF adapter", "waiting": "Waiting for upload"},
        {"key": "tradeExtraction", "label": "Trade extraction", "waiting": "Waiting for PDF processing"},
        {"key": "tradeMatching", "label": "Trade matching", "waiting": "Waiting for extraction"},
        {"key": "exceptionManagement", "label": "Exception management", "waiting": "No exceptions"},
    ],
    steps,
    "a JSON list of steps, each with a key of its own: "
    '[{"key": "intake", "label": "Intake", "waiting": "Waiting for a document"}].',
)
# Statuses and priorities beside the documented ones that are known to occur; seen ones are found.
WORKFLOW_EXTRA_STATUSES = env.list("WORKFLOW_EXTRA_STATUSES", default=[])
REQUEST_EXTRA_STATUSES = env.list("REQUEST_EXTRA_STATUSES", default=[])
REQUEST_EXTRA_PRIORITIES = env.list("REQUEST_EXTRA_PRIORITIES", default=[])
# Statuses that nothing follows, beside completed, failed and cancelled; compared without case.
WORKFLOW_TERMINAL_STATUSES = env.list("WORKFLOW_TERMINAL_STATUSES", default=[])
REQUEST_TERMINAL_STATUSES = env.list("REQUEST_TERMINAL_STATUSES", default=[])
# What may be submitted, beside the types of recent requests.
REQUEST_TYPES = env.list("REQUEST_TYPES", default=["semaglutide_intelligence"])
# How new requests and agents are written: auto (as most of the table's own are), documented, or a TOML file's path.
REQUEST_DIALECT = env.str("REQUEST_DIALECT", default="auto")
AGENT_DIALECT = env.str("AGENT_DIALECT", default="auto")
# Minutes without an update after which something that is not finished is called stuck.
WORKFLOW_STUCK_MINUTES = env.number("WORKFLOW_STUCK_MINUTES", 15, 1, 525_600)
REQUEST_STUCK_MINUTES = env.number("REQUEST_STUCK_MINUTES", 15, 1, 525_600)
# Seconds since the last heartbeat: fresh = healthy, older than the first = degraded, than the
# second = offline.
AGENT_DEGRADED_SECONDS = env.number("AGENT_DEGRADED_SECONDS", 120, 1, 31_536_000)
AGENT_OFFLINE_SECONDS = env.number("AGENT_OFFLINE_SECONDS", 600, 1, 31_536_000)
# Agent's id -> the step that it works, "" for none; the others are matched by their names.
AGENT_STEPS: dict[str, str] = env.shaped(
    "AGENT_STEPS",
    {},
    texts_by_name,
    'a JSON object of agent ids and step keys: {"pdf-agent-7": "pdfAdapter"}.',
)
# Hosts whose agents' endpoints an operator may have asked whether they answer. None: the console asks nobody.
AGENT_PROBE_HOSTS = env.each(
    "AGENT_PROBE_HOSTS",
    [],
    HOST_AND_PORT,
    "hosts such as agents.example.com, *.agents.example.com or host:8443",
)
# Seconds that an endpoint has, from looking up its name to the head of its answer.
AGENT_PROBE_SECONDS = env.number("AGENT_PROBE_SECONDS", 3.0, 0.1, 60.0)

# --- What operators do -----------------------------------------------------------------------------

# SQS queues: of requests with the strategy `sqs`, and of commands to the orchestrators. Empty: what needs
# one is not offered, and says which setting is missing.
REQUESTS_QUEUE_URL = env.url("REQUESTS_QUEUE_URL")
WORKFLOW_COMMANDS_QUEUE_URL = env.url("WORKFLOW_COMMANDS_QUEUE_URL")
# Days that audit entries live, and the copies of purged or edited items: as long as an undo is possible.
AUDIT_ENTRY_DAYS = env.number("AUDIT_ENTRY_DAYS", 400, 1, 36_500)
AUDIT_IMAGE_DAYS = env.number("AUDIT_IMAGE_DAYS", 30, 1, 36_500)
# Minutes after a purge until the logs of the request are deleted too.
UNDO_LOGS_MINUTES = env.number("UNDO_LOGS_MINUTES", 10, 0, 525_600)

# --- Jobs --------------------------------------------------------------------------------------------

# Hours before its failure that an item may have been created for it to be counted (docs/worker.md); 0: none is.
FAILURES_WINDOW_HOURS = env.number("FAILURES_WINDOW_HOURS", 72, 0, 720)
# One action on many items. Items of one job at most, and open jobs of one region.
JOBS_MAX_ITEMS = env.number("JOBS_MAX_ITEMS", 100_000, 1, 1_000_000)
JOBS_MAX_OPEN = env.number("JOBS_MAX_OPEN", 5, 1, 1_000)
# Seconds that a preview can be started, that a worker has a chunk before another may take it over, and that a retried
# item may wait for a worker, and has to run, until its outcome counts.
JOBS_READY_SECONDS = env.number("JOBS_READY_SECONDS", 3_600, 1, 604_800)
JOBS_LEASE_SECONDS = env.number("JOBS_LEASE_SECONDS", 30, 1, 3_600)
JOBS_OBSERVE_SECONDS = env.number("JOBS_OBSERVE_SECONDS", 300, 1, 86_400)
# A purge of more items than this needs a second person to start it; 0: never.
JOBS_SECOND_PERSON = env.number("JOBS_SECOND_PERSON", 0, 0, 1_000_000)
# "off": nobody can change anything, jobs wait, and every page says so.
ACTIONS_OFF = env.choice("ACTIONS", "on", ("on", "off")) == "off"

# --- Alerts ------------------------------------------------------------------------------------------

# Where people reach the console, such as https://ops.example.com: what the links of alerts begin with.
BASE_URL = env.url("BASE_URL")
# Seconds between two evaluations of a rule; each reads the tables.
ALERT_SECONDS = env.number("ALERT_SECONDS", 60, 5, 86_400)
# Days that deliveries and resolved alerts are kept.
ALERT_LOG_DAYS = env.number("ALERT_LOG_DAYS", 30, 1, 36_500)
# Addresses, networks and host names that webhooks may go to although they are not of the public internet.
ALERT_WEBHOOK_ALLOW = env.each(
    "ALERT_WEBHOOK_ALLOW", [], HOST_OR_NETWORK, "addresses, networks and host names, without scheme and port"
)

# --- The API -----------------------------------------------------------------------------------------

# Days that a token lives at most, and unless its maker says otherwise.
API_TOKEN_MAX_DAYS = env.number("API_TOKEN_MAX_DAYS", 365, 1, 36_500)
API_TOKEN_DAYS = env.number("API_TOKEN_DAYS", min(90, API_TOKEN_MAX_DAYS), 1, API_TOKEN_MAX_DAYS)
# Requests per minute of one token, or of one signed-in person; 0: no limit.
API_RATE_LIMIT = env.number("API_RATE_LIMIT", 600, 0, 1_000_000)
# Requests per minute of one address that are not let in; 0: no limit.
API_FAILED_LIMIT = env.number("API_FAILED_LIMIT", 60, 0, 1_000_000)
# Bytes of a body.
API_MAX_BODY = env.number("API_MAX_BODY", 262_144, 1_024, 104_857_600)
# Bytes of the largest body that is read of anybody; the server refuses a larger one by its length (2.5 MB is
# Django's own limit for a form).
DATA_UPLOAD_MAX_MEMORY_SIZE = max(2_621_440, API_MAX_BODY)
# A list sends up to 1,000 ticked rows, and some fields more.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_100
# Origins of the web pages that may call the API with a token; none: no page of another origin may.
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
CORS_URLS_REGEX = r"/api/|/workflow/(?s:.+)/status\Z"
# No page of another origin may use the console's session: such pages send a token.
CORS_ALLOW_CREDENTIALS = False
CORS_ALLOW_METHODS = ["GET", "HEAD", "POST"]
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-none-match", "x-correlation-id",
    "x-request-id",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "Age", "Allow", "Idempotency-Replayed", "Location", "Retry-After", "WWW-Authenticate", "X-Correlation-ID",
    "X-Request-ID",
]  # fmt: skip
# Seconds; a browser asks again that much later at most once an origin is taken away.
CORS_PREFLIGHT_MAX_AGE = 600
# Seconds that an answer of the agents' discovery may be old where nothing was written through the console.
AGENTS_CACHE_SECONDS = env.number("AGENTS_CACHE_SECONDS", 5.0, 0.0, 3_600.0)

# --- Retention: the worker gives what is finished and old an expiry, where its table has TTL ------------

# Days after which finished requests, and logs, are stamped; 0 = never.
RETENTION_REQUEST_DAYS = env.number("RETENTION_REQUEST_DAYS", 0, 0, 36_500)
RETENTION_LOG_DAYS = env.number("RETENTION_LOG_DAYS", 0, 0, 36_500)
# Days from the stamp to the expiry: time to see it on the item's page, and to stop it.
RETENTION_GRACE_DAYS = env.number("RETENTION_GRACE_DAYS", 7, 2, 36_500)
# Capacity units that it may read and write each minute, of each table, all workers together.
RETENTION_UNITS_PER_MINUTE = env.number("RETENTION_UNITS_PER_MINUTE", 600, 1, 10_000_000)

# A price file of one's own, in place of opsportal/tables/prices.toml.
DYNAMO_PRICES_FILE = env.str("DYNAMO_PRICES_FILE", default="")
# Whether the worker puts the age of the oldest unfinished item of a table into CloudWatch, and the age, in
# minutes, that `manage.py dynamo alarms` then sets an alarm at.
PUBLISH_AGES = env.bool("PUBLISH_AGES", default=False)
AGE_ALARM_MINUTES = env.number("AGE_ALARM_MINUTES", 60, 1, 525_600)

# --- Accounts: staff only, no sign-up ---------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "opsportal.accounts.adapter.StaffAccountAdapter"
SOCIALACCOUNT_ADAPTER = "opsportal.accounts.adapter.StaffSocialAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
# allauth's own limits of failed logins are off: those of opsportal.accounts.sign_in count before a password is checked.
ACCOUNT_RATE_LIMITS: Any = {
    "login": "",
    "login_failed": "",
    "reauthenticate": "10/m/user",
    "change_password": "",
}
ACCOUNT_FORMS = {"change_password": "opsportal.accounts.forms.PasswordForm"}
# Proxies in front that append to X-Forwarded-For. At 0, a load balancer's clients count as one address.
ALLAUTH_TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXY_COUNT", 0, 0, 20)
SOCIALACCOUNT_ONLY = False
# allauth's setting as JSON, for single sign-on with OpenID Connect; without it there are no routes for it.
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = env.shaped(
    "SOCIALACCOUNT_PROVIDERS",
    {},
    providers,
    "a JSON object of OpenID Connect providers, each with provider_id, client_id and settings.server_url "
    "(docs/sign-in.md).",
)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Ops Portal"
MFA_ADAPTER = "opsportal.accounts.adapter.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "opsportal.accounts.factor_forms.SignInForm",
    "reauthenticate": "opsportal.accounts.factor_forms.ConfirmForm",
    "activate_totp": "opsportal.accounts.factor_forms.EnrolForm",
}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Browser security -------------------------------------------------------------------------------

# The names of Django 6, so that the middleware can go when Django 6 comes.
SECURE_CSP: dict[str, list[str]] = {
    "default-src": ["'self'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],  # data: is the QR code of the second factor
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    # An OpenID Connect login posts here and is redirected to the provider: its origin must be listed.
    "form-action": ["'self'", *env.origins("OIDC_FORM_ORIGINS")],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
}
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "opsportal.console.refusals.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
# Seed ids and cursors travel in URLs; the session must not travel without TLS outside development.
HTTPS = is_strict(OPSPORTAL_ENV) or env.bool("HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=HTTPS)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_HTTPONLY = True
# Cookies know no port. Consoles with one database share their sessions, so they share the names; others on the same
# host would sign each other out.
_database = [str(DATABASES["default"].get(name, "")) for name in ("ENGINE", "HOST", "PORT", "NAME")]
COOKIE_PREFIX = env.matched(
    "COOKIE_PREFIX",
    f"opsportal_{OPSPORTAL_ENV}_{hashlib.sha256('|'.join(_database).encode()).hexdigest()[:8]}",
    r"[A-Za-z0-9_-]{1,60}",
    "1 to 60 of a-z, A-Z, 0-9, _ and -",
)
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}_session"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}_csrf"
MESSAGES_COOKIE_NAME = f"{COOKIE_PREFIX}_messages"
# Of a browser that has signed in (opsportal.accounts.sign_in).
DEVICE_COOKIE_NAME = f"{COOKIE_PREFIX}_device"
MESSAGE_STORAGE = "opsportal.console.messages.Storage"
SESSION_ENGINE = "opsportal.accounts.sessions"
SESSION_COOKIE_AGE = env.number("SESSION_COOKIE_AGE", 60 * 60 * 12, 60, 31_536_000)

# --- Static files, language, time --------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = env.folder("STATIC_ROOT", DATA_DIR / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "opsportal.console.bundles.BundleFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# No page asks for the others, and to compress them takes seconds.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- What it tells of itself ----------------------------------------------------------------------------

LOG_FORMAT = env.choice("LOG_FORMAT", format_of({"OPSPORTAL_ENV": OPSPORTAL_ENV}), FORMATTERS)
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
# A path, to which every process appends; "-" is standard output.
ACCESS_LOG = env.file("ACCESS_LOG", "-")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"chosen": {"()": FORMATTERS[LOG_FORMAT]}},
    "filters": {
        "request_id": {"()": "opsportal.console.request_ids.RequestIdFilter"},
        "no_trace": {"()": "opsportal.console.database.NoTrace"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "chosen", "filters": ["request_id"]},
        "access": {"formatter": "chosen", "filters": ["request_id"]}
        | (
            {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
            if ACCESS_LOG == "-"
            else {"class": "logging.handlers.WatchedFileHandler", "filename": ACCESS_LOG, "delay": True}
        ),
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "opsportal.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
        # Without Django's own handlers, which have another formatter, and write each line a second time.
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # What logs the failures of requests.
        "django.request": {"filters": ["no_trace"]},
        "opsportal.api.site": {"filters": ["no_trace"]},
        # At lower levels these write down what they send and receive.
        "botocore": {"level": "WARNING"},
        "pynamodb": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
        "werkzeug": {"level": "WARNING"},
        "django.db.backends": {"level": "WARNING"},
    },
}
# Seconds; a call to AWS that took longer is logged with its request id, as is one that failed.
SLOW_CALL_SECONDS = env.number("SLOW_CALL_SECONDS", 1.0, 0.0, 3_600.0)

# Who may read /metrics: whoever sends this as a bearer token, or comes from one of these networks. Neither:
# there is no such page.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_ALLOW = env.list("METRICS_ALLOW", default=[])
# Where the worker serves /healthz and /metrics; port 0: nowhere.
METRICS_WORKER_PORT = env.number("METRICS_WORKER_PORT", 0, 0, 65_535)
METRICS_WORKER_HOST = env.matched(
    "METRICS_WORKER_HOST",
    "127.0.0.1",
    ADDRESS_OR_NAME,
    "an address or a host name, such as 127.0.0.1, or 0.0.0.0 for every address",
)

# Errors go to this Sentry, without text of items or of people.
SENTRY_DSN = env.str("SENTRY_DSN", default="")

# --- Refusals ------------------------------------------------------------------------------------------

# Nothing on the console's path may wait for the instance metadata service of a machine without one.
os.environ.setdefault("AWS_METADATA_SERVICE_TIMEOUT", "1")
os.environ.setdefault("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "1")


def _refuse_unusable() -> None:
    """Raise ImproperlyConfigured for what would fail later, and then be found less easily."""
    paths = {
        "SCRIPT_NAME": os.environ.get("SCRIPT_NAME", ""),
        "BASE_URL": BASE_URL.partition("://")[2].partition("/")[2],
    }
    for name, path in paths.items():
        if path.strip("/"):
            raise ImproperlyConfigured(
                f"{name} has the path {path!r}: the console needs a host name of its own, such as ops.example.com, and "
                "can't be under a path of another site (docs/proxy.md)."
            )
    base = urlsplit(BASE_URL)
    if base.query or base.fragment or "@" in base.netloc:
        # Not the value: it may hold a password, and everyone who gets an alert would.
        raise ImproperlyConfigured(
            "BASE_URL has a user, a query or a fragment: write scheme and host alone, such as https://ops.example.com."
        )
    networks = [("METRICS_ALLOW", text, True) for text in METRICS_ALLOW]
    networks += [
        ("ALERT_WEBHOOK_ALLOW", text, False) for text in ALERT_WEBHOOK_ALLOW if NETWORK.fullmatch(text)
    ]
    for name, network, is_strictly_one in networks:
        try:
            ipaddress.ip_network(network, strict=is_strictly_one)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name}: {error}. Write networks as in 10.0.0.0/8,192.0.2.7, separated by commas."
            ) from error
    if AGENT_OFFLINE_SECONDS <= AGENT_DEGRADED_SECONDS:
        raise ImproperlyConfigured(
            f"AGENT_OFFLINE_SECONDS is {AGENT_OFFLINE_SECONDS}; it must be more than AGENT_DEGRADED_SECONDS, which is "
            f"{AGENT_DEGRADED_SECONDS}."
        )
    if 0 < len(METRICS_TOKEN) < 20:
        raise ImproperlyConfigured("METRICS_TOKEN is too short: use at least 20 random characters.")
    if SENTRY_DSN and importlib.util.find_spec("sentry_sdk") is None:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set, and the package sentry-sdk is not installed: install "
            "requirements/production.txt, or unset it."
        )
    if SENTRY_DSN:
        from sentry_sdk.utils import BadDsn, Dsn

        try:
            Dsn(SENTRY_DSN)
        except BadDsn as error:
            raise ImproperlyConfigured(
                f"SENTRY_DSN is no DSN: {error}. Copy it from Sentry's project."
            ) from error


def _is_weak(key: str) -> bool:
    return len(key) < 50 or len(set(key)) < 5


def _refuse_insecure() -> None:
    """Raise ImproperlyConfigured, with the fix, rather than start open to strangers."""
    only_loopback = set(ALLOWED_HOSTS) <= set(LOOPBACK_HOSTS)
    if is_strict(OPSPORTAL_ENV) or not only_loopback:
        if SECRET_KEY == INSECURE_SECRET_KEY:
            raise ImproperlyConfigured(
                "SECRET_KEY is the built-in one, which anyone can read. Set SECRET_KEY to the output of: "
                "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
            )
        if INSECURE_SECRET_KEY in SECRET_KEY_FALLBACKS:
            raise ImproperlyConfigured(
                "SECRET_KEY_FALLBACKS has the built-in key, which anyone can read: take it out."
            )
    if not is_strict(OPSPORTAL_ENV):
        return
    if _is_weak(SECRET_KEY):
        raise ImproperlyConfigured("SECRET_KEY is too short: use at least 50 random characters.")
    if any(map(_is_weak, SECRET_KEY_FALLBACKS)):
        # Without the key: it may be a piece of a good one that has a comma in it.
        raise ImproperlyConfigured(
            "SECRET_KEY_FALLBACKS has a key that is too short: each is one that SECRET_KEY had, of at least 50 "
            "random characters, and commas separate them."
        )
    if DEBUG:
        raise ImproperlyConfigured(
            f"DEBUG is on in {OPSPORTAL_ENV}: it shows settings to anyone. Unset DEBUG."
        )
    if not ALLOWED_HOSTS or any("*" in host or host.startswith(".") for host in ALLOWED_HOSTS):
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS has a wildcard: name the console's host names, separated by commas."
        )


_refuse_unusable()
_refuse_insecure()
