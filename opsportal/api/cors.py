"""Calls of web pages of other origins (CORS, of the Fetch standard)."""

from typing import Any

from corsheaders import middleware
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed


class CorsMiddleware(middleware.CorsMiddleware):
    """django-cors-headers', and nothing at all while CORS_ALLOWED_ORIGINS is empty. It answers preflights, which
    carry neither token nor cookie, before anything is asked or counted."""

    def __init__(self, get_response: Any) -> None:
        if not settings.CORS_ALLOWED_ORIGINS:
            raise MiddlewareNotUsed
        super().__init__(get_response)
