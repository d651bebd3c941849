"""Why a call to AWS got no answer, in words: which host was asked, by which proxy, and what failed there.

botocore has a few classes of errors for it and the cause inside them. The URL that is named is the one that was asked,
which no setting need have: with an account's number in it, or of another partition.
"""

import os
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as boto
from botocore.utils import get_environ_proxies

from opsportal.dynamo.aws_names import is_amazons


@dataclass(frozen=True)
class Unanswered:
    """`slow`: it is there, and its answer did not come, or not all of it, in time."""

    sentence: str
    fix: str
    slow: bool = False


SLOW = "Try again in a moment."
NETWORK = (
    "Check the network on the way there: a route, a security group, a firewall, or a proxy that has to be named by "
    "HTTPS_PROXY."
)
CLOCK = "If it should be valid now, check this machine's clock."
# OpenSSL's words for a file of certificates that can't be used.
_BUNDLE = re.compile(
    r"No such file|Is a directory|Permission denied|NO_CERTIFICATE_OR_CRL|NO_START_LINE|invalid path|PEM lib",
    re.I,
)
_ERRNO = re.compile(r"\[Errno -?\d+\] (?P<reason>[^'\")]+)")
_VERIFY = re.compile(r"certificate verify failed: (?P<reason>[^(]+)")
_TUNNEL = re.compile(r"Tunnel connection failed: (?P<reason>[^'\")]+)")
_URL = "opsportal_url"


def note_url(events: Any, service: str) -> None:
    """Keep the URL that each call of a client with these events is sent to, for `explain`."""

    def begins(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[_URL] = params["url"]

    def failed(exception: Exception, context: dict[str, Any], **_: Any) -> None:
        setattr(exception, _URL, context.get(_URL, ""))

    events.register(f"before-call.{service}", begins)
    events.register(f"after-call-error.{service}", failed)


def url_of(error: Any) -> str:
    """The URL that was asked; "" where it is not known."""
    return str(getattr(error, _URL, "") or error.kwargs.get("endpoint_url", ""))


def proxy_hint(url: str) -> str:
    """What to do about an answer of another server to calls that go by way of a proxy; "" where they do not."""
    proxy = _proxy_for(url)
    return (
        f"They go by way of the proxy {_host(proxy)}. Check {_variable(url)}, or {_direct(url)}."
        if proxy
        else ""
    )


def explain(error: Exception) -> Unanswered | None:
    """What to say of an error of a connection, or of one that there can't be; None of any other."""
    if isinstance(error, boto.EndpointProviderError):
        return Unanswered(
            f"The AWS configuration leads to no endpoint: {error}.",
            "Check the endpoint setting, AWS_USE_FIPS_ENDPOINT, AWS_USE_DUALSTACK_ENDPOINT and "
            "AWS_ACCOUNT_ID_ENDPOINT_MODE.",
        )
    if not isinstance(error, boto.ConnectionError | boto.HTTPClientError):
        return None
    url = url_of(error)
    host, inner = _host(url), str(error.kwargs.get("error", ""))
    proxy = _proxy_for(url)
    malformed = type(error.kwargs.get("error")).__name__ in ("LocationParseError", "ProxySchemeUnknown")
    if proxy and (malformed or urlsplit(proxy).scheme not in ("", "http", "https")):
        why = f" ({inner})" if malformed else ""
        return Unanswered(
            f"{_variable(url)} is not the URL of an HTTP proxy{why}.", f"Correct {_variable(url)}."
        )
    if isinstance(error, boto.ProxyConnectionError):
        return _proxy(str(error.kwargs["proxy_url"]), url, host, inner)
    if isinstance(error, boto.SSLError):
        return _tls(url, host, inner)
    by_way = f" by way of the proxy {_host(proxy)} ({_variable(url)})" if proxy else ""
    if isinstance(error, boto.ReadTimeoutError):
        return Unanswered(f"{host}{by_way} did not answer in time.", _unless_direct(url) or SLOW, slow=True)
    if isinstance(error, boto.ConnectTimeoutError):
        return Unanswered(f"{host} did not accept a connection in time.", NETWORK)
    if isinstance(error, boto.EndpointConnectionError):
        return _connection(url, host, inner)
    if isinstance(error, boto.ConnectionClosedError):
        fails = (
            "does not speak HTTP"
            if "BadStatusLine" in inner
            else "closed the connection before it had answered"
        )
        another = (
            "Check the endpoint setting: another service may be there, or one that speaks TLS (https://)."
        )
        return Unanswered(f"{host}{by_way} {fails}.", _unless_direct(url) or another)
    return Unanswered(
        f"The answer of {host}{by_way} can't be read: {inner or error}.",
        "Check the endpoint setting and the network.",
    )


def _connection(url: str, host: str, inner: str) -> Unanswered:
    found = _ERRNO.search(inner)
    reason = found["reason"] if found else ""
    name = urlsplit(url).hostname or ""
    where = "Check the region" if is_amazons(url) else "Check the host and the port in the endpoint setting"
    if "resolve" in inner:
        account = re.match(r"\d{12}\.", name)
        return Unanswered(
            f"The name {name} is not resolved: {reason or inner}.",
            f"{where}, and the DNS of this machine."
            + (
                " AWS_ACCOUNT_ID_ENDPOINT_MODE=disabled asks the region's endpoint instead."
                if account
                else ""
            ),
        )
    if "refused" in inner:
        return Unanswered(
            f"{host} refuses connections.",
            f"{where}, and that something listens there and no firewall is between.",
        )
    return Unanswered(
        f"{host} can't be connected to{f': {reason}' if reason else ''}.", f"{where}. {NETWORK}"
    )


def _proxy(proxy_url: str, url: str, host: str, inner: str) -> Unanswered:
    proxy, variable = _host(proxy_url), _variable(url)
    if found := _TUNNEL.search(inner):
        sentence = f"The proxy {proxy} ({variable}) does not let through to {host}: {found['reason']}."
    elif "resolve" in inner:
        sentence = f"The name of the proxy {proxy} ({variable}), by which {host} is asked, is not resolved."
    elif "refused" in inner:
        sentence = f"The proxy {proxy} ({variable}), by which {host} is asked, refuses connections."
    else:
        found = _ERRNO.search(inner)
        reason = found["reason"] if found else "no connection in time" if "imed out" in inner else inner
        sentence = (
            f"The proxy {proxy} ({variable}), by which {host} is asked, can't be connected to: {reason}."
        )
    return Unanswered(sentence, f"Correct {variable}, or {_direct(url)}.")


def _tls(url: str, host: str, inner: str) -> Unanswered:
    found = _VERIFY.search(inner)
    if _BUNDLE.search(inner):
        path = os.environ.get("AWS_CA_BUNDLE", "")
        which = f"AWS_CA_BUNDLE ({path})" if path else "the setting ca_bundle"
        reason = _ERRNO.search(inner)
        return Unanswered(
            f"The certificates of {which} can't be read: {reason['reason'] if reason else 'no certificate in it'}.",
            "Set AWS_CA_BUNDLE to a readable file of certificates (PEM), or unset it.",
        )
    if (
        "match" in inner or "is not valid for" in inner
    ):  # hostname mismatch, doesn't match, IP address mismatch
        return Unanswered(
            f"The certificate of {host} is another host's: {found['reason'].strip() if found else inner}.",
            f"Use the name of the certificate in the endpoint setting{_or_direct(url)}.",
        )
    if found and "expired" in found["reason"]:
        return Unanswered(f"The certificate of {host} has expired.", f"Have it renewed. {CLOCK}")
    if found and "not yet valid" in found["reason"]:
        return Unanswered(f"The certificate of {host} is not valid yet.", CLOCK)
    if found:
        return Unanswered(
            f"The certificate of {host} is not trusted: {found['reason'].strip()}.",
            "Set AWS_CA_BUNDLE to a file with the certificate of the authority that signed it; a proxy that opens TLS "
            "has one of its own.",
        )
    if "WRONG_VERSION" in inner or "UNKNOWN_PROTOCOL" in inner or "record layer" in inner.lower():
        return Unanswered(
            f"{host} does not speak TLS.",
            f"Write http:// instead of https:// in the endpoint setting{_or_direct(url)}.",
        )
    return Unanswered(f"TLS with {host} failed: {inner}.", "Check the endpoint setting and the certificates.")


def _proxy_for(url: str) -> str:
    """The proxy that the environment names for a URL, or ""."""
    return str(get_environ_proxies(url).get(urlsplit(url).scheme, "")) if url else ""


def _variable(url: str) -> str:
    """The variable that names the proxy for a URL."""
    name = f"{urlsplit(url).scheme or 'https'}_proxy"
    return name if os.environ.get(name) else name.upper()


def _direct(url: str) -> str:
    return f"name {urlsplit(url).hostname or 'the host'} in NO_PROXY, if it is reached without a proxy"


def _or_direct(url: str) -> str:
    return f", or {_direct(url)}" if _proxy_for(url) else ""


def _unless_direct(url: str) -> str:
    return f"Check {_variable(url)}, or {_direct(url)}." if _proxy_for(url) else ""


def _host(url: str) -> str:
    """``https://dynamodb.us-east-1.amazonaws.com``: without a path, and without a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else "AWS"
