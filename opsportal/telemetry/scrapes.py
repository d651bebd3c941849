"""GET /metrics, for Prometheus, behind a guard of its own: a token or a list of addresses. With neither set there
is no such page."""

import ipaddress
import os
import secrets
from http import HTTPStatus

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from opsportal.console.access import public
from opsportal.telemetry.access_log import peer_of


@public
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Every figure of all processes of this web server, in the form that the scrape accepts."""
    peer = peer_of(request.META, settings.ALLAUTH_TRUSTED_PROXY_COUNT)
    verdict = judge(request.headers.get("Authorization", ""), peer)
    if verdict == HTTPStatus.NOT_FOUND:
        raise Http404
    if verdict != HTTPStatus.OK:
        headers = {"WWW-Authenticate": 'Bearer realm="metrics"'} if verdict == HTTPStatus.UNAUTHORIZED else {}
        return HttpResponse(status=verdict, headers=headers)
    body, content_type = exposition(request.headers.get("Accept", ""))
    return HttpResponse(body, content_type=content_type)


def judge(authorization: str, peer: str) -> HTTPStatus:
    """OK for the right token or an address of METRICS_ALLOW; NOT_FOUND where neither is set."""
    token, networks = settings.METRICS_TOKEN, settings.METRICS_ALLOW
    if not token and not networks:
        return HTTPStatus.NOT_FOUND
    scheme, _, given = authorization.partition(" ")
    sent = given.strip().encode(errors="replace")
    if token and scheme.lower() == "bearer" and secrets.compare_digest(sent, token.encode()):
        return HTTPStatus.OK
    if any(_address_in(peer, network) for network in networks):
        return HTTPStatus.OK
    return HTTPStatus.UNAUTHORIZED if token else HTTPStatus.FORBIDDEN


def _address_in(peer: str, network: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    # A dual-stack socket writes an IPv4 peer so.
    return (getattr(address, "ipv4_mapped", None) or address) in ipaddress.ip_network(network)


def exposition(accept: str) -> tuple[bytes, str]:
    """The figures, and their content type. With gunicorn they are those of all its workers."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type
