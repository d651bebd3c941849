"""What the orchestrators of trade matching do to one document: the steps, how long each takes, and what goes wrong."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

PRODUCTS = ("IRS", "FXO", "EQS", "CDX", "BND")
THROTTLED = "ThrottlingException: Too many tokens, please wait before trying again."
TIMEOUT = "TimeoutError: the model did not answer within 120 s"


@dataclass(frozen=True)
class Failure:
    """An error's text and how many seconds the step had taken; `tokens`: whether a model had answered."""

    text: str
    seconds: tuple[float, float]
    tokens: bool = False


THROTTLING = Failure(THROTTLED, (6.5, 9.5))  # after three repeated calls
TIMING_OUT = Failure(TIMEOUT, (120.0, 120.6))


@dataclass(frozen=True)
class Kind:
    """A step of the catalogue: what it says of itself, its seconds, its tokens (in, out), how it fails."""

    doing: str
    done: str
    seconds: tuple[float, float]
    tokens: tuple[tuple[int, int], tuple[int, int]]
    failures: tuple[Failure, ...]


KINDS = {
    "pdfAdapter": Kind(
        "Extracting text from the document",
        "Text extraction complete: {pages} pages",
        (6, 22),
        ((1_100, 6_400), (380, 1_900)),
        (
            Failure("TextractError: page {page} could not be read (unsupported encoding)", (3, 9)),
            Failure("ParseError: no trailer found; the file is not a complete PDF", (0.2, 1.1)),
        ),
    ),
    "tradeExtraction": Kind(
        "Reading trades from the text",
        "{trades} trades extracted",
        (14, 38),
        ((2_900, 14_000), (700, 3_400)),
        (
            TIMING_OUT,
            Failure(
                "ValidationError: field 'notional' is missing in trade {trade} of {trades}", (12, 30), True
            ),
        ),
    ),
    "tradeMatching": Kind(
        "Comparing with the counterparty's trades",
        "{matched} of {trades} trades matched",
        (8, 26),
        ((1_800, 8_200), (300, 1_600)),
        (Failure("LookupError: no counterparty confirmation for this trade date", (1.1, 3.2)), TIMING_OUT),
    ),
    "exceptionManagement": Kind(
        "Routing what did not match",
        "{exceptions} sent to the exceptions desk",
        (3, 11),
        ((600, 2_400), (90, 700)),
        (Failure("HTTPError: the exceptions desk answered 503 (3 attempts)", (21, 24)),),
    ),
}
OTHER = Kind(
    "Working",
    "Done",
    (4, 25),
    ((900, 6_000), (80, 1_500)),
    (
        TIMING_OUT,
        Failure("ValidationError: the answer of the model is not as its schema says", (4, 15), True),
    ),
)


def kind_of(key: str) -> Kind:
    return KINDS.get(key, OTHER)


@dataclass(frozen=True)
class Work:
    """One step of one workflow. `error` "": it succeeds. `pause`: seconds until the next step."""

    key: str
    doing: str
    done: str
    seconds: float
    tokens: dict[str, int] = field(default_factory=dict)
    error: str = ""
    pause: float = 0.5


def course(
    steps: Sequence[str], rng: random.Random, *, fails_at: int | None = None, failure: Failure | None = None
) -> list[Work]:
    """The steps as they will go, up to the one that fails."""
    trades = rng.randint(2, 14)
    exceptions = rng.choices((0, 1, 2, 3), (60, 25, 10, 5))[0]
    matched = max(trades - exceptions, 0)
    facts = {
        "pages": rng.randint(2, 18),
        "page": rng.randint(2, 6),
        "trades": trades,
        "trade": rng.randint(1, trades),
        "matched": matched,
        "exceptions": {0: "Nothing", 1: "1 trade"}.get(trades - matched, f"{trades - matched} trades"),
    }
    made = []
    for number, key in enumerate(steps):
        kind = kind_of(key)
        low, high = kind.seconds
        seconds, error, spends = rng.triangular(low, high, low + (high - low) / 3), "", True
        if number == fails_at:
            failing = failure or rng.choice(kind.failures)
            seconds, spends = rng.uniform(*failing.seconds), failing.tokens
            error = failing.text.format(**facts)
        (in_low, in_high), (out_low, out_high) = kind.tokens
        tokens = {
            "inputTokens": rng.randrange(in_low, in_high),
            "outputTokens": rng.randrange(out_low, out_high),
        }
        made.append(
            Work(
                key,
                kind.doing,
                kind.done.format(**facts),
                round(seconds, 3),
                tokens if spends else {},
                error,
                round(rng.uniform(0.2, 1.0), 3),
            )
        )
        if error:
            break
    return made


def facts(moment: datetime, rng: random.Random) -> dict[str, str]:
    """What an orchestrator is started with, by the names that `StatusWriter.initialize` takes."""
    return {
        "correlation_id": f"corr_{rng.getrandbits(48):012x}",
        "document_id": f"{rng.choice(PRODUCTS)}_{moment:%Y%m%d}_{rng.randrange(10**6):06d}.pdf",
        "source_type": rng.choice(("BANK", "COUNTERPARTY")),
    }


def session_id(rng: random.Random) -> str:
    return f"session-{rng.getrandbits(48):012x}"
