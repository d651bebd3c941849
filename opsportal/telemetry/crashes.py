"""Errors to Sentry, where SENTRY_DSN is set: what failed and where, and nothing of what it failed on.

Messages of errors, addresses and bodies may hold text of items and names of people. None of them is sent.
"""

from typing import Any

from opsportal.telemetry.logs import masked

NOT_SENT = "(not sent: it may hold text of an item)"
# Whether this process only loads the application, and those forked of it serve: no thread outlives a fork.
after_fork = False


def start_here() -> None:
    """In this process, if it is wanted."""
    from django.conf import settings

    if settings.SENTRY_DSN:
        start(settings.SENTRY_DSN, settings.OPSPORTAL_ENV)


def start(dsn: str, environment: str, **options: Any) -> None:
    """Send errors from now on. Needs the package sentry-sdk, which the settings have looked for."""
    import sentry_sdk
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=True,  # of our own files, not of data
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=scrubbed,  # type: ignore[arg-type]
        integrations=[LoggingIntegration(level=None, sentry_logs_level=None)],
        **options,
    )


# What an event keeps. What a later version of the package adds is not sent before somebody has looked at it.
KEPT = frozenset(
    {
        "event_id", "timestamp", "level", "platform", "logger", "release", "environment", "sdk", "modules",
        "transaction", "transaction_info", "exception", "logentry", "server_name", "type", "_meta",
    }
)  # fmt: skip


def scrubbed(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """Sentry's `before_send`: the event without messages, values, request, user and breadcrumbs."""
    from opsportal.console import request_ids

    kept = {name: value for name, value in event.items() if name in KEPT}
    kept["tags"] = {"request_id": request_ids.current()}
    if "logentry" in kept:
        # The sentence as it is written in the program, without what it was filled with.
        template = str((event["logentry"] or {}).get("message", ""))
        kept["logentry"] = {"message": template if _is_template(hint, template) else NOT_SENT}
    if "transaction" in kept:  # the route; of an address without one, its path
        kept["transaction"] = masked(str(kept["transaction"]))
    exceptions = (kept.get("exception") or {}).get("values") or []
    for exception in exceptions:
        exception["value"] = NOT_SENT
        exception.pop("mechanism", None)
        for frame in (exception.get("stacktrace") or {}).get("frames") or []:
            frame.pop("vars", None)
    return kept


def _is_template(hint: dict[str, Any], message: str) -> bool:
    record = hint.get("log_record")
    return record is not None and bool(record.args) and record.msg == message
