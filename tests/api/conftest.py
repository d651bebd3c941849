"""A caller of the API with a token, as a program has it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from opsportal.accounts import tokens
from opsportal.accounts.scopes import all_scopes


@dataclass
class Program:
    """Calls the API with one token."""

    client: Client
    text: str
    token: tokens.ApiToken

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """`body`: data that are sent as JSON, or bytes as they are."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.generic(
            method,
            path,
            content,
            content_type="application/json" if content else "",
            headers={"Authorization": f"Bearer {self.text}"} | sent,
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)


@pytest.fixture
def program(user_of: Callable[[str], Any]) -> Callable[..., Program]:
    """``program(role, *scopes)``: of that persona; without scopes it has all. ``service=True``: a service's."""

    def make(role: str = "operator", *scopes: str, name: str = "ci", service: bool = False) -> Program:
        owner = None if service else user_of(role)
        token, text = tokens.make(
            name,
            list(scopes or all_scopes()),
            made_by=owner,
            days=30,
            owner=owner,
            role=role if service else "",
        )
        return Program(Client(), text, token)

    return make
