"""Hypothesis strategies for items as nobody documented them: any attribute missing, any type, any key."""

from typing import Any

from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.factories import MISSING, Raw, Typed, raw


def examples(number: int) -> int:
    """That many, and five times as many in `make test-long`, which has a profile of its own (tests/conftest.py)."""
    return number * hypothesis_settings.default.max_examples // 100


# Pages of a real engine are visited for each example, so there are few of several items; what is derived
# from an item without them takes many.
# A failing example is shown as it was drawn: to shrink one takes minutes.
few = hypothesis_settings(
    max_examples=examples(4),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.target),
)
derived = hypothesis_settings(max_examples=examples(40), deadline=None)

SCRIPT = "<script>alert(1)</script>"
ATTACKS = (
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "{{ settings.SECRET_KEY }}{% now 'Y' %}",
    "invoice\u202egpj.exe\u202c \u200f\u05e9\u05dc\u05d5\u05dd",
    "bell\x07 null\x00 escape\x1b[31m next\u2028line\ttab\r\n",
    "=HYPERLINK(1)",
    "javascript:alert(1)",
)
# Texts that look like what a reader expects, and break those who trust it.
ODD_TEXTS = (
    "",
    " ",
    "2025-12-24T10:00:00.000Z",
    "2025-12-24T10:00:00+00:00Z",
    "2024-01-09T15:43:09.250000",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999Z",
    "2025-02-30T25:61:61Z",
    "1735123200",
    "99999999999999999999999",
    "NaN",
    "-Infinity",
    "1E+999999999",
    "9" * 5000,
    "in-progress",
    "error",
    "FAILED",
    "[" * 900 + "]" * 900,
    '{"basic": {"slots": 1E+999999999}}',
    '{"basic": [1, NaN, -0.0], "": null}',
    "null",
    *ATTACKS,
)
NUMBERS = ("0", "-1", "17.095", "140", "1E+30", "1E-130", "-9.9999999999999999999999999999999999999E+125",
           "253402300799", "-62135596800", "1735123200", "1735123200000", "99999999999999999999")  # fmt: skip

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
texts = st.one_of(st.sampled_from(ODD_TEXTS), any_text)
scalars = st.one_of(
    texts.map(lambda text: Typed(S=text)),
    st.sampled_from(NUMBERS).map(lambda number: Typed(N=number)),
    st.booleans().map(lambda truth: Typed(BOOL=truth)),
    st.just(Typed(NULL=True)),
    st.binary(max_size=12).map(lambda data: Typed(B=data)),
    st.sets(any_text.filter(bool), min_size=1, max_size=3).map(lambda members: Typed(SS=sorted(members))),
    st.just(Typed(NS=["1", "2.5"])),
    st.just(Typed(BS=[b"\x00", b"\xff"])),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda members: Typed(L=members)),
        st.dictionaries(
            st.one_of(any_text.filter(bool), st.sampled_from(("status", "error", "name"))), inner, max_size=3
        ).map(lambda members: Typed(M=members)),
    ),
    max_leaves=6,
)

HARD_KEYS = (
    "a/b?c=d#e%2F%", "..", ".", "../../etc/passwd", "x/healthz", "with spaces", " ", " lead and trail ", "\t",
    "\n", "line\nbreak", "~", "~41", "%41", "+", "\u202e", "\x00", "\x00\x01", "\u00fcml\u00e4ut",
    "\U0001f680 \U0001f469\u200d\U0001f680", SCRIPT, "{{ key }}", "k" * 2048, "\u00fc" * 1024,
    "\U0001f680" * 512, "logs", "status",
)  # fmt: skip
keys = st.one_of(
    st.sampled_from(HARD_KEYS),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
)


def members(documented: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A map of documented members, each as documented, missing, or anything."""

    @st.composite
    def drawn_members(draw: st.DrawFn) -> Typed:
        return Typed(M=raw({name: _odd(draw, value, values) for name, value in documented.items()}))

    return drawn_members()


def items(
    whole: Raw, key: str, *, indexed: tuple[str, ...] = (), nested: dict[str, Any] | None = None
) -> st.SearchStrategy[Raw]:
    """Items like `whole`, with any attribute as it is, missing, or anything; `key` is any legal key.

    `indexed` attributes are text or missing, since DynamoDB refuses others. `nested`: strategies of maps.
    """

    @st.composite
    def drawn_item(draw: st.DrawFn) -> Raw:
        drawn = draw(st.dictionaries(any_text.filter(bool), values, max_size=2))
        for name, value in whole.items():
            odd = index_keys if name in indexed else values
            if nested and name in nested:
                odd = st.one_of(nested[name], values)
            drawn[name] = _odd(draw, Typed(value), odd)
        return raw({**drawn, key: draw(keys)})

    return drawn_item()


def _odd(draw: st.DrawFn, usual: Any, odd: st.SearchStrategy[Any]) -> Any:
    """The usual value, nothing, or something odd; mostly odd."""
    match draw(st.integers(0, 3)):
        case 0:
            return usual
        case 1:
            return MISSING
    return draw(odd)


index_keys = (
    st.one_of(st.sampled_from(ODD_TEXTS), any_text)
    .filter(lambda text: 0 < len(text.encode()) <= 1024)
    .map(lambda text: Typed(S=text))
)
