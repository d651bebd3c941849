"""Moto's server for the tests: ``python tests/moto_server.py PORT``. It answers what `moto.server` does, for a third
of the work.

Moto's own makes a connection and a thread for each call, lists the folder of its services and the methods of one, goes
through Flask, and looks each value of an item up under the ten types of an AttributeValue, each by six names. Here
connections are kept, the lists are remembered, DynamoDB's calls go straight to their handler, and of a value the one
type is looked at that it has. What is answered stays moto's: test_moto_server.py compares.
"""

import functools
import io
import logging
import sys
from typing import Any

from botocore.exceptions import ClientError
from moto import backends
from moto.core import responses
from moto.core.request import Request
from moto.core.serialize import JSONSerializer
from moto.dynamodb.responses import DynamoHandler
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response


class QuickSerializer(JSONSerializer):
    """Moto's, but for values of attributes."""

    def _serialize_type_structure(self, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name != "AttributeValue" or type(value) is not dict or len(value) != 1 or not key:
            super()._serialize_type_structure(serialized, value, shape, key)
            return
        ((kind, held),) = value.items()
        wrapper: dict[str, Any] = {}
        if held is not None:
            self._serialize(wrapper, held, shape.members[kind], kind)
        self._default_serialize(serialized, wrapper, shape, key)


def quicken() -> None:
    """Put the shortcuts in the place of what is moto's, in this process."""
    modules = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    responses.method_names_from_class = functools.cache(responses.method_names_from_class)
    original = responses.get_serializer_class

    def serializer_class(service_name: str, protocol: str) -> Any:
        found = original(service_name, protocol)
        return QuickSerializer if service_name == "dynamodb" and found is JSONSerializer else found

    responses.get_serializer_class = serializer_class


class Asked(Request):
    from_wsgi_server = True


def application() -> Any:
    """Moto's WSGI application, with a short way to DynamoDB."""
    every = DomainDispatcherApplication(create_backend_app)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        if not environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB_20120810."):
            return every(environ, start_response)
        request = Asked(environ)
        try:
            status, headers, body = DynamoHandler.dispatch(request, request.raw_url, dict(request.headers))
        except ClientError as error:
            status, headers, body = 400, {}, error.response["Error"]["Message"]
        return Response(body, status, headers)(environ, start_response)

    return answer


class Handler(MotoRequestHandler):
    """Answers with one packet, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def run_wsgi(self) -> None:
        # Read whole, or what is left of it would be taken for the next request.
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environ = self.make_environ() | {"wsgi.input": io.BytesIO(body)}
        try:
            chunks, status, headers = run_wsgi_app(self.server.app, environ)
            content = b"".join(chunks)
        except Exception as error:  # what moto does not know, and its own mistakes
            content, status, headers = repr(error).encode(), "500 Internal Server Error", []
        kept = [f"{name}: {value}\r\n" for name, value in headers if name.lower() != "content-length"]
        head = f"HTTP/1.1 {status}\r\n{''.join(kept)}Content-Length: {len(content)}\r\n\r\n"
        self.wfile.write(head.encode("latin-1") + content)


def main(port: int) -> None:
    quicken()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple("127.0.0.1", port, application(), threaded=True, request_handler=Handler)


if __name__ == "__main__":
    main(int(sys.argv[1]))
