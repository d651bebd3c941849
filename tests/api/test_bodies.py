"""Bodies: what has no one meaning is answered before anything looks at it."""

from typing import Any

import pytest


@pytest.mark.no_moto
def test_the_refusal_of_a_body_is_an_answer(tables: Any, program: Any) -> None:
    caller = program()
    for body in (b"{", b'{"a": 1, "a": 2}', b"[" * 100_000 + b"]" * 100_000, b'{"a": NaN}'):
        for path in ("/api/requests", "/api/agents/register", "/api/requests/x/cancel"):
            answer = caller.post(path, body)
            assert answer.status_code == 400, (path, body[:20])
            assert answer.json()["title"] == "The request body can't be read"
    for wrong in ([], "text", 7, None, True):
        assert caller.post("/api/requests", wrong if wrong is not None else b"null").status_code == 422
