"""How the settings are read from the environment: stripped, and refused where they can't be used.

What is refused raises ImproperlyConfigured, in one line with the variable's name and what it must be.
"""

import difflib
import json
import os
import re
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from typing_extensions import TypedDict

from opsportal.origins import origin_of

Number = TypeVar("Number", int, float)
Value = TypeVar("Value")
Texts = list[str]
Flag = bool

_NAME = r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?\.?"
_IPV6 = r"\[[0-9a-f:.]+\]"
HOST = re.compile(rf"\.?{_NAME}|{_IPV6}|\*|\*\.{_NAME}", re.IGNORECASE)
HOST_AND_PORT = re.compile(rf"(?:\*\.)?{_NAME}(?::\d{{1,5}})?|{_IPV6}(?::\d{{1,5}})?", re.IGNORECASE)
HOST_OR_NETWORK = re.compile(
    rf"{_NAME}(?::\d{{1,5}})?|{_IPV6}:\d{{1,5}}|[0-9a-f:.]+(?:/\d{{1,3}})?", re.IGNORECASE
)
# What of these can only be an address or a network.
NETWORK = re.compile(r"[0-9.]+|.*/.*|[0-9a-f.]*:[0-9a-f.]*:[0-9a-f.:]*", re.IGNORECASE)
ADDRESS_OR_NAME = rf"(?i:{_NAME}|[0-9a-f:.]+)"
_FLAGS = {
    **dict.fromkeys(("1", "true", "on", "yes", "y", "ok"), True),
    **dict.fromkeys(("0", "false", "off", "no", "n", ""), False),
}
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_FRACTION = re.compile(
    r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:e[+-]?[0-9]{1,3})?", re.IGNORECASE
)
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
        """Without django-environ's references: a password that begins with $ names no other variable."""
        self.names.add(var)
        if var not in self.ENVIRON:
            return default
        try:
            return self.parse_value(self.ENVIRON[var].strip(), cast)
        except json.JSONDecodeError as error:  # not the value: SOCIALACCOUNT_PROVIDERS holds a secret
            raise ImproperlyConfigured(f"{var} is not JSON: {error}.") from None

    def bool(self, var: str, default: Flag = False) -> Flag:
        text = self.get_value(var, default=None)
        if text is None:
            return default
        if (found := _FLAGS.get(text.lower())) is None:
            raise ImproperlyConfigured(f"{var} is {text!r}; it must be 1 (on) or 0 (off).")
        return found

    def list(self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET) -> Texts:
        """Separated by commas; parts that are empty are left out."""
        return [text for part in super().list(var, cast=cast, default=default) if (text := part.strip())]

    def number(self, name: str, default: Number, low: Number, high: Number) -> Number:
        """A number from `low` to `high`, of the kind that `default` is."""
        is_whole = isinstance(default, int)
        kind = "a whole number" if is_whole else "a number"
        text = self.get_value(name, default=None)
        if text is not None and not (_WHOLE if is_whole else _FRACTION).fullmatch(text):
            raise ImproperlyConfigured(f"{name} is {text!r}, which is not {kind}.")
        value: Number = default if text is None else type(default)(text)
        if not low <= value <= high:
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

    def folder(self, name: str, default: Path) -> Path:
        text: str = self.matched(name, str(default), r"(?s:.+)", "the path of a folder")
        try:
            path = Path(text).resolve()
            is_other = path.exists() and not path.is_dir()
        except (OSError, RuntimeError) as error:  # too long, no right on the way, links in a circle
            raise _no_path(name, error) from error
        if is_other:
            raise ImproperlyConfigured(f"{name} is {str(path)!r}, which is not a folder.")
        return path

    def file(self, name: str, default: str) -> str:
        """The path of a file, or "-"."""
        text: str = self.matched(
            name, default, r"(?s:.*[^/])", "the path of a file, or - for standard output"
        )
        try:
            is_folder = Path(text).is_dir()
        except OSError as error:
            raise _no_path(name, error) from error
        if is_folder:
            raise ImproperlyConfigured(f"{name} is {text!r}, a folder; it must be the path of a file, or -.")
        return text

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


def _no_path(name: str, error: Exception) -> ImproperlyConfigured:
    why = getattr(error, "strerror", None) or str(error)
    return ImproperlyConfigured(f"{name} is no path that can be used: {why}.")


def is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = 1 if parts.port is None else parts.port
    except ValueError:
        return False
    is_one_word = text.isprintable() and " " not in text
    return is_one_word and parts.scheme in ("http", "https") and bool(parts.hostname) and port > 0


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

    def ids_differ(found: list[Any]) -> list[Any]:
        if len({app["provider_id"] for app in found}) < len(found):
            raise ValueError("two have one provider_id")
        return found

    a_text = Annotated[str, StringConstraints(min_length=1)]

    class Settings(TypedDict):
        server_url: Annotated[str, AfterValidator(a_url)]

    class App(TypedDict):
        # A part of the addresses of its login.
        provider_id: Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_.-]+\z")]
        client_id: a_text
        # A public client with PKCE has none.
        secret: NotRequired[str]
        name: NotRequired[str]
        settings: Settings

    class OpenIdConnect(TypedDict):
        APPS: Annotated[list[App], Field(min_length=1), AfterValidator(ids_differ)]

    class Providers(TypedDict):
        openid_connect: NotRequired[OpenIdConnect]

    def is_installed(found: Any) -> Any:
        if isinstance(found, dict) and found.keys() - {"openid_connect"}:
            raise ValueError("openid_connect is the only provider that is installed")
        return found

    return Annotated[Providers, BeforeValidator(is_installed)]
