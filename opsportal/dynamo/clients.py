"""Shared DynamoDB clients: one per region, endpoint, patience and trust, each with a bounded time budget.

A client costs about 10 ms to make and is safe to share between threads. Pages use an impatient one
(two attempts, 1.5 s for an answer, and the deadline of `spending.request_budget`), since a person
waits; workers and commands one that waits longer. `deadlines` makes of the times that they are over the whole.
"""

import os
import threading
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError
from django.conf import settings

from opsportal.dynamo import answers, calls, deadlines, sessions, spending, unanswered
from opsportal.dynamo.answers import REPORTS_CAPACITY
from opsportal.dynamo.exceptions import DeadlineExceeded, unusable
from opsportal.dynamo.parsing import ParserFactory
from opsportal.dynamo.serializing import PlainSerializer

_clients: dict[tuple[Any, ...], Any] = {}
_lock = threading.Lock()


def client(region: str, endpoint: str = "", *, background: bool = False, trusted: bool = False) -> Any:
    """The shared boto3-compatible DynamoDB client for that place. `trusted`: botocore does not look through what it is
    given, which takes it as long as all else of a large transaction; for what the console has built itself, as all
    of `opsportal.dynamo.reads`.

    Credentials and profile come from the usual AWS chain. Raises `DynamoError` when none can be made. The
    errors of its calls are botocore's: wrap them in `errors.translated`.
    """
    validation = not trusted or settings.DYNAMO_VALIDATES_ALL
    key = (
        region,
        endpoint,
        background,
        validation,
        settings.DYNAMO_CONNECT_TIMEOUT,
        read_timeout(),
        settings.DYNAMO_MAX_ATTEMPTS,
    )
    with _lock:
        if key not in _clients:
            try:
                _clients[key] = _make(region, endpoint, background=background, validation=validation)
            except BotoCoreError as error:
                raise unusable(error) from error
        return _clients[key]


def read_timeout() -> float:
    """Seconds that one attempt of a page may take: at most half of the deadline, or none would be left of
    it for the call that follows, nor for the first once the request has begun."""
    return min(settings.DYNAMO_READ_TIMEOUT, settings.DYNAMO_REQUEST_DEADLINE / 2)


def make(service: str, region: str, config: Config, endpoint: str = "") -> Any:
    """A client of any AWS service whose time is bounded, whose answers are checked, and whose calls are watched.
    Raises BotoCoreError."""
    deadlines.install()
    session = sessions.Session()
    session.register_component("response_parser_factory", ParserFactory())
    # botocore would put the same text together twice for each call: a tenth of a GetItem's CPU.
    config = config.merge(Config(user_agent=f"{session.user_agent()} opsportal"))
    # For the clients too by which the session gets credentials (STS, SSO).
    session.set_default_client_config(config)
    made = session.create_client(service, region_name=region, endpoint_url=endpoint or None)
    if endpoint:
        made._ruleset_resolver = _OneEndpoint(made._ruleset_resolver)
    unanswered.note_url(made.meta.events, service)
    calls.register(made.meta.events, service)
    # Its classes of errors are made on first use, and threads that are first at once would make two sets: what one
    # thread catches is then not what another was raised.
    _ = made.exceptions
    return made


class _OneEndpoint:
    """In place of a client's resolver where its endpoint is given. botocore would ask its rules at each call, which give
    the same each time: they look at the account and the table only for Amazon's own endpoints. A fortieth of the CPU
    of a status document."""

    def __init__(self, resolver: Any) -> None:
        self._resolver, self._found = resolver, None

    def construct_endpoint(self, *args: Any, **kwargs: Any) -> Any:
        if self._found is None:
            self._found = self._resolver.construct_endpoint(*args, **kwargs)
        return self._found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resolver, name)


def _make(region: str, endpoint: str, *, background: bool, validation: bool) -> Any:
    config = Config(
        parameter_validation=validation,
        connect_timeout=5 if background else settings.DYNAMO_CONNECT_TIMEOUT,
        read_timeout=20 if background else read_timeout(),
        retries={"mode": "standard", "total_max_attempts": 8 if background else settings.DYNAMO_MAX_ATTEMPTS},
        max_pool_connections=settings.DYNAMO_MAX_POOL_CONNECTIONS,
    )
    made = make("dynamodb", region, config, endpoint)
    if not validation:
        made._serializer = PlainSerializer()
    events = made.meta.events
    events.register("provide-client-params.dynamodb", _ask)
    events.register("before-send.dynamodb", _keep_the_deadline)
    events.register_first("needs-retry.dynamodb", _do_not_oversleep)
    # Before it is counted as an answer.
    events.register_first("after-call.dynamodb", _book)
    return made


_WANTED = "opsportal_wanted"


def _ask(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    if model.name in REPORTS_CAPACITY:
        params.setdefault("ReturnConsumedCapacity", "TOTAL")
        context[_WANTED] = answers.wanted(model.name, params)


def _keep_the_deadline(request: Any, **_: Any) -> None:
    """Refuse an attempt that could not be answered in time. Called for retries too."""
    if account := spending.current():
        account.attempt()
        if account.seconds_left < read_timeout():
            raise DeadlineExceeded(account.seconds, account.calls)


def _do_not_oversleep(response: Any, attempts: int, **_: Any) -> Any:
    """False, which is no retry, where botocore's pause before it could end too late for an attempt.

    The pause is up to 1 s, doubled with each attempt, and up to 5 s more when the answer asks for it.
    """
    account = spending.current()
    if account is None or response is None:
        return None  # after a lost connection it is 25 ms, and the next attempt is refused if need be
    asked = response[0].headers.get("x-amz-retry-after", "")
    pause = 2 ** (attempts - 1) + min(int(asked) / 1000 if asked.isdecimal() else 0, 5)
    return False if account.seconds_left - pause < read_timeout() else None


def _book(parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    answers.check_last(model.name, parsed, context.get(_WANTED, ""))
    if account := spending.current():
        account.book(model.name, parsed)


def forget() -> None:
    """Drop every client, so that changed credentials are read again."""
    with _lock:
        for made in _clients.values():
            made.close()
        _clients.clear()


def _begin_anew() -> None:
    """A fork has its parent's connections: what one of the two asks, the other may be answered."""
    global _lock
    _lock = threading.Lock()
    _clients.clear()


os.register_at_fork(after_in_child=_begin_anew)
