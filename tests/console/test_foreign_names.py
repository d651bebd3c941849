"""Names that other programs gave: no template takes a member of a map for an attribute or a method of its own."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from opsportal.console.listing import Listing
from opsportal.console.text import exact
from opsportal.dynamo.attributes import Malformed
from tests.factories import Typed, agent, log, put, request, step, workflow
from tests.pages import visit

# Lookups of these names that are attributes of our own objects, which are no maps.
OURS = {
    "found.items",
    "row.index.items",
    "listing.values",
    "answer.reason",
    "deletion.entry.reason",
    "entry.reason",
    "job.reason",
    "one.job.reason",
    "row.member.reason",
    "chosen.keys",
    "one.keys",
    "job.keys",
    "listing.choice.keys",
    "case.reason",
    "part.form.reason",
}
EXPRESSION = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
TAKEN = {*dir(dict), *dir(list), *dir(str), "reason", "raw"}
# What templates ask of their own objects: a map that held these would answer in their place.
ASKED = (
    "malformed", "status", "label", "name", "title", "text", "url", "key", "kind", "tone", "forloop", "error", "failed",
    "steps", "tokens", "results", "settings", "metadata", "problems", "progress", "stage", "percentage", "input", "0",
)  # fmt: skip
NAMES = sorted(TAKEN | set(ASKED))


def test_no_template_asks_a_map_for_its_methods() -> None:
    """Django looks a name up in a map before it looks for an attribute; the filter `pairs` does not."""
    found = {
        f"{path.name}: {lookup}"
        for path in Path(settings.BASE_DIR, "templates").rglob("*.html")
        for expression in EXPRESSION.findall(path.read_text())
        for lookup in re.findall(r"[a-z_][\w.]*\.\w+", re.sub(r'"[^"]*"', "", expression))
        if any(part in dir({}) or part == "reason" for part in lookup.split(".")[1:])
        and not any(lookup == ours or lookup.startswith(f"{ours}.") for ours in OURS)
    }
    assert not found
    assert not issubclass(Listing, dict)
    assert not issubclass(Malformed, dict)


def members(prefix: str, value: Any = None) -> Typed:
    """A map with a member of each name, a text of its own; or of those that an item is likely to have, `value`."""
    if value:
        return Typed(
            M=dict.fromkeys(("items", "keys", "values", "get", "count", "index", "reason", *ASKED), value)
        )
    return Typed(M={name: {"S": f"{prefix}-{name}-end"} for name in NAMES})


VALUES: list[dict[str, Any]] = [
    {"N": "7"},
    {"L": [{"L": [{"S": "a"}, {"S": "b"}]}]},
    {"M": {"items": {"N": "1"}, "reason": {"S": "r"}, "values": {"L": []}}},
    {"NULL": True},
    {"BOOL": True},
    {"SS": ["items"]},
]


@pytest.mark.no_moto  # of pages: see tests/engines.py
def test_a_member_of_any_name_is_shown_as_itself(tables: Any, client_for: Any) -> None:
    client = client_for("viewer")
    for number, value in enumerate([None, *VALUES]):
        key = f"case-{number}"
        inner = members("inner", value)
        put(tables["workflows"], workflow(key, pdfAdapter=Typed(M={**step()["M"], **_but(inner, "status", "error")}),
            odd=Typed(M={**inner["M"], "status": {"S": "success"}}), extra=inner, totalTokenUsage=inner))  # fmt: skip
        put(tables["requests"], request(key, config=inner, processing_metadata=inner, results=inner, progress=inner,
            errors=[inner], extra=inner))  # fmt: skip
        put(tables["request_logs"], log(key, metadata=inner, extra=inner, stage=inner, log_level=inner))
        put(tables["agents"], agent(key, pricing=inner, tieredPricing=inner, serviceAvailability=inner, tags=inner,
            capabilities=[inner], successRate=inner, extra=inner))  # fmt: skip
        urls = [f"/workflows/{key}/", f"/requests/{key}/", f"/requests/{key}/logs/", f"/agents/{key}/"]
        urls += [f"/requests/{key}/?tab={tab}" for tab in ("config", "results", "history")]
        if value is None:
            urls += ["/workflows/", "/requests/", "/agents/", "/agents/fleet/"]
            urls += [f"/api/{kind}/{key}" for kind in ("workflows", "requests", "agents")]
        pages = {url: visit(client, url) for url in urls}
        if value is None:
            for url in (
                f"/requests/{key}/?tab=config",
                f"/requests/{key}/?tab=history",
                f"/requests/{key}/?tab=results",
            ):
                page = pages[url]
                shown = {node.text for node in [*page.root.all("dt"), *page.root.all("h2")]}
                assert shown >= set(NAMES), url
                assert all(f"inner-{name}-end" in page.root.text for name in NAMES), url
            step_page = pages[f"/workflows/{key}/"].root.text
            assert all(f"inner-{name}-end" in step_page for name in NAMES if name not in ("status", "error"))
        # Nothing of Python's own way to write things.
        for url, page in pages.items():
            assert "Decimal(" not in page.html, url
            assert "&#x27;: " not in page.html, url


def _but(inner: Typed, *names: str) -> dict[str, Any]:
    return {name: value for name, value in inner["M"].items() if name not in names}


ALIKE = {
    "host": "1",
    "host ": "2",
    "host\u200b": "3",
    "host\u00a0": "4",
    "ho  st": "5",
    "ho st": "6",
    "Host": "7",
}


def test_no_two_names_look_alike(tables: Any, client_for: Any) -> None:
    texts: Any = Typed(M={name: {"S": value} for name, value in ALIKE.items()})
    steps: Any = step("success", **ALIKE)
    put(
        tables["workflows"],
        workflow("w", pdfAdapter=steps, **{f"step {name}": step(**ALIKE) for name in ALIKE}),
    )
    put(tables["requests"], request("r", config=texts, results=texts, processing_metadata=texts, **ALIKE))
    put(tables["request_logs"], log("r", metadata=texts, host="top"))
    put(
        tables["agents"],
        agent("a", serviceAvailability=Typed(M=dict.fromkeys(ALIKE, texts)), tags=[*ALIKE], **ALIKE),
    )
    client = client_for("viewer")
    for url, between in {
        "/workflows/w/": ": ", "/requests/r/": " ", "/requests/r/?tab=config": " ", "/requests/r/?tab=results": " ",
        "/requests/r/?tab=history": " ", "/requests/r/logs/": "=", "/agents/a/": " ",
    }.items():  # fmt: skip
        words = visit(client, url).words
        for name in ALIKE:
            if url == "/requests/r/logs/" and name == "host":
                # A line's own attribute and a member of its metadata hide neither the other.
                assert "host=top" in words
                name = "metadata.host"
            shown = exact(name)
            assert f" {shown}{between}" in f" {words}", (url, name)
    tags = visit(client, "/agents/a/").fact("Tags")
    assert sorted(tags.split(", ")) == sorted(map(exact, ALIKE))


def test_a_name_that_occurs_twice_is_said_wherever_one_value_of_it_is_shown(
    tables: Any, client_for: Any
) -> None:
    text, fine, listed = (
        '{"n": 1, "m": {"a ": 1, "a ": 2}, "n": 2}',
        '{"n": 1, "m": {"n": 2}}',
        '[{"n": 1, "n": 2}]',
    )
    put(tables["requests"], request("r", results=text), request("fine", results=fine), request("listed"))
    put(
        tables["request_logs"],
        log("r", metadata=text),
        log("fine", metadata=fine),
        log("listed", metadata=listed),
    )
    put(tables["agents"], agent("r", pricing=text), agent("fine", pricing=fine))
    client, operator = client_for("viewer"), client_for("operator")
    said = "a name occurs twice in one object: n, a⟦U+0020⟧."
    for url in ("/requests/{}/?tab=results", "/requests/{}/logs/", "/agents/{}/", "/agents/{}/edit/"):
        by = operator if url.endswith("edit/") else client
        assert said in visit(by, url.format("r")).words, url
        assert "occurs twice" not in visit(by, url.format("fine")).words, url
    # It is shown as it is stored, with both.
    lines = visit(client, "/requests/listed/logs/").words
    assert f"metadata={listed}" in lines
    assert "occurs twice" not in lines
