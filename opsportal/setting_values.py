"""How the settings are read from the environment: stripped, and refused where they can't be used.

What is refused raises ImproperlyConfigured, in one line with the variable's name and what it must be.
"""

import difflib
import json
import os
import re
from collections.abc import Callable, Iterable, MutableMapping
from typing import Annotated, Any, NotRequired, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from typing_extensions import TypedDict

from opsportal.origins import origin_of

Number = TypeVar("Number", int, float)
Value = TypeVar("Value")
Texts = list[str]

_NAME = r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?\.?"
_IPV6 = r"\[[0-9a-f:.]+\]"
HOST = re.compile(rf"\.?{_NAME}|{_IPV6}|\*|\*\.{_NAME}", re.IGNORECASE)
HOST_AND_PORT = re.compile(rf"(?:\*\.)?{_NAME}(?::\d{{1,5}})?|{_IPV6}(?::\d{{1,5}})?", re.IGNORECASE)
HOST_OR_NETWORK = re.compile(rf"{_NAME}|[0-9a-f:.]+(?:/\d{{1,3}})?", re.IGNORECASE)
REGION = r"[a-z]{2,}(?:-[a-z0-9]+)+|"
# Read by other parts than opsportal.settings (docs/configuration.md).
_ELSEWHERE = frozenset(
    {
        "WEB_BIND", "WEB_CONCURRENCY", "WEB_THREADS", "WEB_KEEPALIVE", "WEB_REQUEST_SECONDS", "WEB_STALL_SECONDS",
        "SCRIPT_NAME", "PORT", "ENGINE_PORT", "OPSPORTAL_ENGINE", "DEMO", "DEMO_PASSWORD", "SIMULATE", "PROMETHEUS_MULTIPROC_DIR",
    }
)  # fmt: skip
# Of two names as alike as this, one is a misspelling of the other.
_ALIKE = 0.88


class Environment(environ.Env):  # type: ignore[misc]
    """The environment's variables. Each text, and each part of a list, is without white space at its ends."""

    def __init__(self, variables: MutableMapping[str, str] = os.environ) -> None:
        super().__init__()
        self.ENVIRON = variables
        self.names = set(_ELSEWHERE)

    def get_value(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, **more: Any) -> Any:
        self.names.add(var)
        try:
            value = super().get_value(var, cast=cast, default=default, **more)
        except ValueError as error:
            kind = {int: "a whole number", float: "a number", json.loads: "JSON"}.get(cast, "as it should be")
            if kind == "JSON":  # which may hold a secret, as SOCIALACCOUNT_PROVIDERS does
                raise ImproperlyConfigured(f"{var} is not JSON: {error}.") from None
            raise ImproperlyConfigured(f"{var} is {self.ENVIRON.get(var)!r}, which is not {kind}.") from error
        return value.strip() if isinstance(value, str) else value

    def list(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET) -> Texts:
        """Separated by commas; parts that are empty are left out."""
        return [text for part in super().list(var, cast=cast, default=default) if (text := part.strip())]

    def number(self, name: str, default: Number, low: Number, high: Number) -> Number:
        """A number from `low` to `high`, of the kind that `default` is."""
        value: Number = (self.int if isinstance(default, int) else self.float)(name, default=default)
        if not low <= value <= high:  # nan is neither
            kind = "a whole number" if isinstance(default, int) else "a number"
            raise ImproperlyConfigured(f"{name} is {value}; it must be {kind} from {low} to {high}.")
        return value

    def choice(self, name: str, default: str, choices: Iterable[str]) -> str:
        value: str = self.str(name, default=default)
        if value not in choices:
            *before, last = filter(None, choices)
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be {', '.join(before)} or {last}.")
        return value

    def matched(self, name: str, default: str, pattern: str, what: str) -> str:
        """A text that `pattern` matches whole; `what` goes on after "it must be"."""
        value: str = self.str(name, default=default)
        if not re.fullmatch(pattern, value):
            raise ImproperlyConfigured(f"{name} is {value!r}; it must be {what}.")
        return value

    def region(self, name: str) -> str:
        return self.matched(name, "", REGION, "the name of a region, such as us-east-1, or empty")

    def url(self, name: str, default: str = "") -> str:
        """An http or https URL; "" where there is none."""
        value: str = self.str(name, default=default)
        if value and not is_url(value):
            # Not the value: a URL may hold a password.
            raise ImproperlyConfigured(
                f"{name} is no URL: write it with its scheme and host, such as https://ops.example.com."
            )
        return value

    def each(self, name: str, default: Texts, pattern: re.Pattern[str], what: str) -> Texts:
        """A list whose parts `pattern` matches whole; `what` goes on after "write"."""
        found = self.list(name, default=default)
        for part in found:
            if not pattern.fullmatch(part):
                raise ImproperlyConfigured(f"{name} has {part!r}: write {what}, separated by commas.")
        return found

    def origins(self, name: str) -> Texts:
        """Origins of web pages, in the spelling of browsers."""
        found = []
        for text in self.list(name, default=[]):
            try:
                found.append(origin_of(text))
            except ValueError:
                raise ImproperlyConfigured(
                    f"{name} has {text!r}, which is no origin: write scheme://host[:port] of each, such as "
                    "https://app.example.com, separated by commas, without path or wildcard."
                ) from None
        return found

    def shaped(self, name: str, default: Value, shape: Callable[[], Any], what: str) -> Value:
        """JSON that pydantic reads as what `shape` makes; `what` goes on after "must be". No value is ever shown."""
        value: Value = self.json(name, default=default)
        if name not in self.ENVIRON:
            return value
        from pydantic import TypeAdapter, ValidationError

        try:
            TypeAdapter(shape()).validate_python(value, strict=True)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            at, problem = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
            raise ImproperlyConfigured(
                f"{name} must be {what} {f'At {at}: ' if at else ''}{problem}."
            ) from None
        return value

    def misspelt(self) -> dict[str, str]:
        """Variables that no part reads -> the one with nearly the same name that is read."""
        unknown = [name for name in self.ENVIRON if name not in self.names and not name.startswith("AWS_")]
        near = {name: difflib.get_close_matches(name, self.names, 1, _ALIKE) for name in sorted(unknown)}
        return {name: found[0] for name, found in near.items() if found}


def is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


# --- Shapes of JSON: made when one is set, since pydantic takes a tenth of a second to import ------------------


def steps() -> Any:
    """WORKFLOW_STEPS."""
    from pydantic import AfterValidator, StringConstraints

    class Step(TypedDict):
        key: Annotated[str, StringConstraints(min_length=1)]
        label: str
        waiting: str

    def keys_differ(found: list[Step]) -> list[Step]:
        if len({step["key"] for step in found}) < len(found):
            raise ValueError("two steps have one key")
        return found

    return Annotated[list[Step], AfterValidator(keys_differ)]


def texts_by_name() -> Any:
    return dict[str, str]


def providers() -> Any:
    """SOCIALACCOUNT_PROVIDERS, as far as a login by it can't work without."""
    from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

    def a_url(text: str) -> str:
        if not is_url(text):
            raise ValueError("this is no URL")
        return text

    a_text = Annotated[str, StringConstraints(min_length=1)]

    class Settings(TypedDict):
        server_url: Annotated[str, AfterValidator(a_url)]

    class App(TypedDict):
        provider_id: a_text
        client_id: a_text
        # A public client with PKCE has none.
        secret: NotRequired[str]
        name: NotRequired[str]
        settings: Settings

    class OpenIdConnect(TypedDict):
        APPS: Annotated[list[App], Field(min_length=1)]

    class Providers(TypedDict):
        openid_connect: NotRequired[OpenIdConnect]

    def is_installed(found: Any) -> Any:
        if isinstance(found, dict) and found.keys() - {"openid_connect"}:
            raise ValueError("openid_connect is the only provider that is installed")
        return found

    return Annotated[Providers, BeforeValidator(is_installed)]
