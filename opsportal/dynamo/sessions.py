"""Sessions of botocore whose credentials ask nobody, come in bounded time, and fail by errors of botocore's kind.

botocore asks at the standard input for a code of MFA, waits without end for a profile's ``credential_process``, and lets
whatever Python raises there through: to callers that call a ValueError one of the endpoint, or know no OSError at all.
"""

import json
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache, partial, wraps
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore import credentials
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, RefreshWithMFAUnsupportedError
from botocore.loaders import create_loader

from opsportal.dynamo import spending, unanswered

# Seconds that a tool may take; a page waits no longer than it has.
TOOL_SECONDS = 30.0

# By the names of their endpoints: those that the console calls, and by which botocore gets credentials. Of another one
# botocore takes the address that services have by default.
CALLED = ("dynamodb", "sqs", "sts", "monitoring", "kms", "portal.sso", "oidc")

# What AWS answers to credentials that it does not take.
CREDENTIALS = {
    "ExpiredToken": "The session token has expired.",
    "ExpiredTokenException": "The session token has expired.",
    "UnrecognizedClientException": "The access key is not known.",
    "InvalidClientTokenId": "The access key is not known.",
    "InvalidSignatureException": "The signature does not match: a wrong secret key, or this machine's clock is off.",
    "SignatureDoesNotMatch": "The signature does not match: a wrong secret key, or this machine's clock is off.",
    "MissingAuthenticationToken": "The request was not signed.",
    "MissingAuthenticationTokenException": "The request was not signed.",
    "IncompleteSignature": "The request was not signed as AWS expects.",
}
MFA = (
    "The profile (mfa_serial) wants a code of MFA, which the console can't type. Use a role or a profile without one, or the keys of a session "
    "that was begun with the code (aws sts assume-role)."
)


class UnusableError(BotoCoreError):
    """What is configured can't be used; the text says why, in a sentence."""

    fmt = "{reason}"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


class UnusableConfiguration(UnusableError):
    """botocore can't make a client of what the variables and the configuration file say."""


class UnusableCredentials(UnusableError):
    """No credentials come from where the configuration says."""


class UnusableEndpoint(UnusableError):
    """An endpoint is no URL that can be asked."""


class Session(botocore.session.Session):
    _found: Any = None

    def __init__(self) -> None:
        super().__init__()
        credentials.AssumeRoleProvider = _AssumeRoleProvider  # type: ignore[misc]
        credentials.ProcessProvider = _ProcessProvider  # type: ignore[misc]

    def get_credentials(self) -> Any:
        """The credentials, or None. Raises BotoCoreError, and where they are a role's ClientError; so do they later."""
        found: Any = _guarded(super().get_credentials)()
        if found is not None and found is not self._found:
            self._found = found
            if hasattr(found, "_refresh"):  # what all that is read of them goes through
                found._refresh = _guarded(found._refresh)
        return found

    def create_client(self, *args: Any, **kwargs: Any) -> Any:
        """Raises BotoCoreError and nothing else for what is configured."""
        try:
            self.register_component("data_loader", _descriptions(self.get_config_variable("data_path")))
            made = super().create_client(*args, **kwargs)
        except BotoCoreError:
            raise
        except ValueError as error:
            _, endpoint, url = str(error).partition("Invalid endpoint: ")
            if endpoint:
                raise _no_url(url) from error
            raise UnusableConfiguration(str(error)) from error
        except Exception as error:  # of any kind, by what botocore takes for granted in a configuration file
            raise UnusableConfiguration(f"{type(error).__name__}: {error}") from error
        _check(made.meta.endpoint_url)
        return made


@cache
def _descriptions(data_path: str | None) -> Any:
    """botocore's descriptions of the services, which it would read from disk for each session: 40 ms, and 10 MB that
    each client keeps. Seven of them are the endpoints of all services, of which the console calls a few."""
    loader = create_loader(data_path)
    for partition in loader.load_data("endpoints")["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in CALLED if name in services}
    return loader


def load_data() -> None:
    """Read them before the first client is made: by one that has nobody's credentials and calls nobody."""
    with suppress(BotoCoreError):  # of the configuration: the pages say it
        Session().create_client(
            "dynamodb",
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106
            config=Config(defaults_mode="legacy"),  # type: ignore[arg-type]  # by name; "auto" would ask
        )


def _check(url: str) -> None:
    """Raise UnusableEndpoint for what botocore would fail at with each call."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port
        usable = False
    if not usable:
        raise _no_url(url)


def _no_url(url: str) -> UnusableEndpoint:
    return UnusableEndpoint(f"The endpoint {url} is not a URL.")


def _guarded(call: Callable[[], Any]) -> Callable[[], Any]:
    """`call` with every failure as one of the credentials, but for what AWS itself answers."""

    @wraps(call)
    def get() -> Any:
        try:
            return call()
        except UnusableCredentials:
            raise
        except ClientError as error:
            details = error.response.get("Error", {})
            code = details.get("Code", "")
            if code in CREDENTIALS or code.startswith("AccessDenied"):
                raise  # who catches it knows these
            said = f"{error.operation_name} was answered with {code}: {details.get('Message', '')}"
            raise UnusableCredentials(said) from error
        except RefreshWithMFAUnsupportedError as error:  # botocore asks once
            raise UnusableCredentials(MFA) from error
        except Exception as error:
            found = unanswered.explain(error)
            reason = f"{found.sentence} {found.fix}" if found else str(error) or type(error).__name__
            raise UnusableCredentials(reason) from error

    return get


# --- What asks and waits ---------------------------------------------------------------------------------


def _refuse(_prompt: str) -> str:
    raise UnusableCredentials(MFA)


class _AssumeRoleProvider(credentials.AssumeRoleProvider):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"prompter": _refuse, **kwargs})


class _ProcessProvider(credentials.ProcessProvider):
    """Its tool runs once at a time, and goes on where a page can't wait for it: the next one has what it said."""

    _running: dict[str, Future[Any]] = {}
    _lock = threading.Lock()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"popen": _Tool, **kwargs})

    def _retrieve_credentials_using(self, credential_process: str) -> Any:
        account = spending.current()
        with self._lock:
            future = self._running.get(credential_process)
            if future is None:
                future = self._running[credential_process] = Future()
                run = super()._retrieve_credentials_using  # type: ignore[misc]
                work = partial(_finish, future, run, credential_process)
                threading.Thread(target=work, name="credentials", daemon=True).start()
        tool = f"The profile's credential_process ({credential_process.split(' ')[0]})"
        try:
            found = future.result(None if account is None else max(account.seconds_left, 0))
        except TimeoutError as error:
            if not future.done():
                raise UnusableCredentials(f"{tool} has not answered yet.") from error
            raise UnusableCredentials(f"{tool} did not answer within {TOOL_SECONDS:g} s.") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise UnusableCredentials(f"{tool} printed no JSON: {error}.") from error
        except (OSError, ValueError) as error:
            raise UnusableCredentials(f"{tool} can't be run: {getattr(error, 'strerror', error)}.") from error
        except (AttributeError, TypeError) as error:
            raise UnusableCredentials(f"{tool} printed no credentials.") from error
        finally:
            if future.done():
                self._running.pop(credential_process, None)
        return found


def _finish(future: "Future[Any]", run: Callable[[str], Any], command: str) -> None:
    try:
        future.set_result(run(command))
    except Exception as error:  # handed to who waits
        future.set_exception(error)


class _Tool(subprocess.Popen[bytes]):
    def __init__(self, command: list[str], stdout: int, stderr: int) -> None:
        super().__init__(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        try:
            return super().communicate(input, timeout or TOOL_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill()
            with self:  # its pipes may be held by what it started
                raise TimeoutError from error
