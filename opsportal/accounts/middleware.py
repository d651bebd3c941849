"""Who makes a request."""

from typing import Any

from django.contrib.auth import middleware
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from opsportal.accounts.identity import user_of


class AuthenticationMiddleware(middleware.AuthenticationMiddleware):
    """Django's, with the user that is kept of the session."""

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        known: Any = request

        def found() -> Any:
            # Django's name, by which the access log knows who was asked for.
            known._cached_user = user_of(request)
            return known._cached_user

        known.user = SimpleLazyObject(found)
