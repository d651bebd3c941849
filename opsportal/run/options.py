"""What the environment asks of `make run`, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent.parent


class RefusalError(Exception):
    """The console cannot start; the text is one sentence with the fix."""


@dataclass(frozen=True)
class Options:
    """What the environment asks for. ``engine``: "", "dynoxide", "moto" or "aws"; ``demo``: "0", "1" or "hostile"."""

    port: int
    engine_port: int | None
    data_dir: Path
    demo: str
    simulate: bool
    engine: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Options":
        """Raises RefusalError."""
        engine = environ.get("OPSPORTAL_ENGINE", "")
        if engine not in ("", "dynoxide", "moto", "aws"):
            raise RefusalError(f"OPSPORTAL_ENGINE is {engine!r}; use dynoxide, moto or aws.")
        if environ.get("AWS_ENDPOINT_URL_DYNAMODB"):
            engine = "aws"
        return cls(
            port=_port(environ, "PORT") or 8000,
            engine_port=_port(environ, "ENGINE_PORT"),
            data_dir=Path(environ.get("DATA_DIR") or BASE_DIR / ".data").resolve(),
            demo=_one_of(environ, "DEMO", ("1", "0", "hostile")),
            simulate=_one_of(environ, "SIMULATE", ("1", "0")) == "1",
            engine=engine,
        )


def _port(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise RefusalError(f"{name} is {text!r}; use a number from 1 to 65535.")
    return int(text)


def _one_of(environ: Mapping[str, str], name: str, values: tuple[str, ...]) -> str:
    """The first of the values where nothing is set."""
    text = environ.get(name, "") or values[0]
    if text not in values:
        raise RefusalError(f"{name} is {text!r}; use {', '.join(values[:-1])} or {values[-1]}.")
    return text
