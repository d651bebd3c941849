"""Problems of the API (RFC 9457), all of one shape, whoever finds them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse

from opsportal.console.problems import RETRY_AFTER_SECONDS, problem_json

PROBLEM_TYPE = "application/problem+json"
# Agents that were written for the discovery service look for the sentence under `error`.
SPOKEN_TO_BY_AGENTS = "/api/agents"


class ApiProblem(Exception):
    """Ends an operation with this answer. `more`: extension members of the problem."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.headers, self.more = dict(headers or {}), dict(more or {})


@dataclass(frozen=True)
class Wrong:
    """What is wrong with one value. `place`: body, query, path or header; `path` leads to it."""

    place: str
    path: Sequence[str | int]
    sentence: str

    def document(self) -> dict[str, str]:
        """A JSON Pointer (RFC 6901) into a body, a name elsewhere."""
        if self.place == "body":
            parts = (str(part).replace("~", "~0").replace("/", "~1") for part in self.path)
            return {"in": "body", "pointer": "".join(f"/{part}" for part in parts), "detail": self.sentence}
        return {"in": self.place, "name": ".".join(map(str, self.path)), "detail": self.sentence}


class Invalid(ApiProblem):
    """422 with the path of each field that is wrong."""

    def __init__(
        self, wrong: Iterable[Wrong], *, status: int = 422, more: Mapping[str, Any] | None = None
    ) -> None:
        listed = [one.document() for one in wrong]
        first = listed[0]
        where = first.get("pointer") or first.get("name") or "the body"
        super().__init__(
            status,
            "The request is not valid",
            f"{where}: {first['detail']}" + (f" (and {len(listed) - 1} more)" if len(listed) > 1 else ""),
            more={"errors": listed, **(more or {})},
        )


@dataclass(frozen=True)
class Away:
    """503 for trouble that passes."""

    title: str
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def problem(self) -> ApiProblem:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return ApiProblem(503, self.title, self.detail, headers=headers, more=self.more)


def answered(problem: ApiProblem) -> HttpResponse:
    """The problem as an answer."""
    return problem_json(problem.title, problem.status, problem.detail, problem.headers, problem.more)


def is_of_agents(request: HttpRequest) -> bool:
    path = request.path
    return path == SPOKEN_TO_BY_AGENTS or path.startswith(f"{SPOKEN_TO_BY_AGENTS}/")
