"""The API's own description: the OpenAPI document, and the same for people, drawn by the server."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from ninja import Router

from opsportal.accounts.scopes import all_scopes
from opsportal.api.answers import answer
from opsportal.api.description import METHODS
from opsportal.console.access import staff

router = Router()
# Levels of a nested document that the page shows.
MAX_LEVELS = 4


@router.get("/openapi.json", include_in_schema=False)
@staff
def openapi(request: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1."""
    return answer(_document())


@router.get("/", include_in_schema=False)
@staff
def start(request: HttpRequest) -> HttpResponse:
    """To the reference, for who knows no address yet."""
    return redirect("api:reference")


@router.get("/docs", include_in_schema=False)
@staff
def reference(request: HttpRequest) -> HttpResponse:
    """The document as a page, without scripts."""
    document = _document()
    context = {
        "groups": list(groups(document)),
        "scopes": all_scopes().values(),
        "problems": [
            (status, _words(response["description"]))
            for status, response in document["components"]["responses"].items()
        ],
        "origin": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "api/reference.html", context)


def _document() -> dict[str, Any]:
    from opsportal.api.site import api  # late: the site has this router

    document: dict[str, Any] = api.get_openapi_schema()
    return document


@dataclass(frozen=True)
class Row:
    """A parameter or a member. `where`: query, path, header, or "" in a body."""

    name: str
    type: str
    required: bool
    description: str = ""
    where: str = ""


@dataclass(frozen=True)
class Shown:
    """One operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    parameters: list[Row]
    body: list[Row]
    status: str
    answer: list[Row]


def groups(document: Mapping[str, Any]) -> Iterator[tuple[str, list[Shown]]]:
    """(tag, its operations), in the order of the document."""
    found: dict[str, list[Shown]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                (tag,) = operation["tags"]
                found.setdefault(tag, []).append(_shown(document, path, method, operation))
    yield from found.items()


def _shown(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Shown:
    status, response = next(
        (status, response) for status, response in operation["responses"].items() if status.startswith("2")
    )
    answered = response.get("content", {}).get("application/json", {}).get("schema", {})
    asked = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return Shown(
        operation["operationId"],
        method.upper(),
        path,
        operation["summary"],
        _words(operation.get("description", "")),
        operation["security"][0]["token"][0],
        [
            Row(
                one["name"],
                _type(document, one["schema"]),
                one.get("required", False),
                _words(one.get("description", "")),
                one["in"],
            )
            for one in operation.get("parameters", [])
        ],
        list(_rows(document, asked)),
        status,
        list(_rows(document, answered)),
    )


def _words(markdown: str) -> str:
    """A description without the marks of code, which are all that ours have of Markdown."""
    return markdown.replace("`", "")


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while ref := schema.get("$ref"):
        schema = document["components"]["schemas"][ref.rpartition("/")[2]]
    # A value or null is shown as the value.
    others = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if len(others) == 1:
        return {**_resolved(document, others[0]), **{k: v for k, v in schema.items() if k == "description"}}
    return schema


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolved(document, schema)
    if "const" in schema:
        return str(schema["const"]).lower()
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(document, one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(str(value) or '""' for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"{_type(document, schema.get('items', {}))}[]"
    if isinstance(kind, list):
        kind = " | ".join(kind)
    bounds = [
        f"{sign} {schema[name]}"
        for sign, name in (("≥", "minimum"), ("≤", "maximum"), ("at most", "maxLength"))
        if name in schema
    ]
    return f"{kind}, {', '.join(bounds)}" if bounds else str(kind)


def _rows(
    document: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "", level: int = 0
) -> Iterator[Row]:
    schema = _resolved(document, schema)
    for name, member in schema.get("properties", {}).items():
        inner = _resolved(document, member)
        yield Row(
            f"{prefix}{name}",
            _type(document, member),
            name in schema.get("required", []),
            _words(member.get("description", "") or inner.get("description", "")),
        )
        if inner.get("type") == "array":
            inner, mark = _resolved(document, inner.get("items", {})), "[]"
        else:
            mark = ""
        if inner.get("properties") and level < MAX_LEVELS:
            yield from _rows(document, inner, f"{prefix}{name}{mark}.", level + 1)
