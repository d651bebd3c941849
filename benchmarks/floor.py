"""The floor: what an answer costs without the console. A bare WSGI application under the same gunicorn, that makes the
same DynamoDB call with plain boto3 and prints the same rows with f-strings. No login, no checks, no metrics, no log.

    /status/ID        GetItem, consistent, and the status document as JSON
    /workflows        one status, the newest 50, whole items, as the console reads them
    /requests         the same of requests, the console's projection
    /workflows-all    the newest 50 of all statuses: first some of each, then more of those that run out
    /requests-all

FLOOR_ENGINE is the engine's endpoint, FLOOR_WORKFLOWS and FLOOR_REQUESTS the statuses that the items have.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.config import Config

Item = dict[str, Any]
Page = tuple[list[Item], Item | None]
Query = Callable[[str, int, Item | None], Page]

WORKFLOWS, REQUESTS = "trade-matching-system-processing-status", "dev-market_intelligence_requests"
STEPS = ("pdfAdapter", "tradeExtraction", "tradeMatching", "exceptionManagement")
WORKFLOW_STATUSES = os.environ.get("FLOOR_WORKFLOWS", "completed").split(",")
REQUEST_STATUSES = os.environ.get("FLOOR_REQUESTS", "completed").split(",")
ROWS = 50
COLUMNS = (
    "request_id", "status", "status_message", "priority", "created_at", "updated_at", "started_at", "completed_at",
    "user_id", "project_id", "request_type", "processing_strategy", "progress", "errors[0]",
)  # fmt: skip
HEAD, TAIL = "<!doctype html><html><head><title>Floor</title></head><body><table>", "</table></body></html>"

client = boto3.client(
    "dynamodb",
    endpoint_url=os.environ.get("FLOOR_ENGINE", "http://127.0.0.1:1"),
    region_name="us-east-1",
    aws_access_key_id="local",
    aws_secret_access_key="local",  # noqa: S106 (of an engine on loopback)
    config=Config(retries={"mode": "standard", "total_max_attempts": 2}, max_pool_connections=32),
)


def plain(value: Any) -> Any:
    """A value in DynamoDB's form as Python's."""
    ((kind, inner),) = value.items()
    if kind == "N":
        return float(inner) if "." in inner else int(inner)
    if kind == "M":
        return {name: plain(member) for name, member in inner.items()}
    if kind == "L":
        return [plain(member) for member in inner]
    return None if kind == "NULL" else inner


def text(item: Item, name: str) -> str:
    value = item.get(name, {})
    return escape(str(value.get("S", value.get("N", ""))))


# --- The status document --------------------------------------------------------------------------


def status(ident: str) -> bytes:
    answer = client.get_item(
        TableName=WORKFLOWS,
        Key={"sessionId": {"S": ident}},
        ConsistentRead=True,
        ReturnConsumedCapacity="TOTAL",
    )
    item = {name: plain(value) for name, value in answer["Item"].items()}
    document = {
        "sessionId": ident,
        "agents": {name: step(item.get(name) or {}) for name in STEPS},
        "overallStatus": item.get("overallStatus"),
        "lastUpdated": item.get("lastUpdated"),
    }
    return json.dumps(document).encode()


def step(found: Item) -> Item:
    activity, tokens = found.get("activity"), (found.get("tokenUsage") or {}).get("totalTokens")
    return {
        "status": found.get("status", "pending"),
        "activity": f"{activity} (Tokens: {int(tokens):,})" if activity and tokens else activity,
        "startedAt": found.get("startedAt"),
        "completedAt": found.get("completedAt"),
        "duration": int(found["duration"]) if found.get("duration") else None,
        "error": found.get("error"),
        "subSteps": [],
    }


# --- Lists ----------------------------------------------------------------------------------------


def workflows_of(value: str, limit: int, start: Item | None = None) -> Page:
    return query(WORKFLOWS, "overallStatus-createdAt-index", "overallStatus", value, limit, start)


def requests_of(value: str, limit: int, start: Item | None = None) -> Page:
    names = {f"#{number}": column.partition("[")[0] for number, column in enumerate(COLUMNS)}
    paths = (
        f"#{number}[0]" if column.endswith("[0]") else f"#{number}" for number, column in enumerate(COLUMNS)
    )
    return query(REQUESTS, "status-index", "status", value, limit, start, names, ",".join(paths))


def query(
    table: str,
    index: str,
    key: str,
    value: str,
    limit: int,
    start: Item | None,
    names: dict[str, str] | None = None,
    projection: str = "",
) -> Page:
    more: dict[str, Any] = {"ProjectionExpression": projection} if projection else {}
    if start:
        more["ExclusiveStartKey"] = start
    answer = client.query(
        TableName=table,
        IndexName=index,
        KeyConditionExpression="#key = :value",
        ExpressionAttributeNames={"#key": key, **(names or {})},
        ExpressionAttributeValues={":value": {"S": value}},
        ScanIndexForward=False,
        Limit=limit,
        ReturnConsumedCapacity="TOTAL",
        **more,
    )
    return answer["Items"], answer.get("LastEvaluatedKey")


def merged(ask: Query, values: Sequence[str], stamp: str) -> list[Item]:
    """The newest `ROWS` of all these values."""
    first = max(5, -(-ROWS // len(values)) + 2)
    pages = {value: ask(value, first, None) for value in values}
    out: list[Item] = []
    while len(out) < ROWS:
        # What a page that has run out could still hold is at most as new as its last item.
        tops = {
            value: items[0][stamp]["S"] if items else (start or {})[stamp]["S"]
            for value, (items, start) in pages.items()
            if items or start
        }
        if not tops:
            break
        newest = max(tops, key=lambda value: tops[value])
        items, start = pages[newest]
        if items:
            out.append(items.pop(0))
        else:
            pages[newest] = ask(newest, ROWS - len(out) + 2, start)
    return out


def workflow_row(item: Item) -> str:
    ident = text(item, "sessionId")
    dots = "".join(f'<i class="{text(item.get(name, {}).get("M", {}), "status")}"></i>' for name in STEPS)
    cells = ("createdAt", "lastUpdated", "totalTokens", "error", "sourceType", "documentId")
    rest = "".join(f"<td>{text(item, name)}</td>" for name in cells)
    return f'<tr><td>{text(item, "overallStatus")}</td><td><a href="/workflows/{ident}/">{ident}</a></td><td>{dots}</td>{rest}</tr>'


def request_row(item: Item) -> str:
    ident = text(item, "request_id")
    cells = (
        "priority", "created_at", "completed_at", "user_id", "project_id", "request_type", "status_message",
    )  # fmt: skip
    rest = "".join(f"<td>{text(item, name)}</td>" for name in cells)
    return f'<tr><td>{text(item, "status")}</td><td><a href="/requests/{ident}/">{ident}</a></td>{rest}</tr>'


def page(rows: Iterable[str]) -> bytes:
    return "".join((HEAD, *rows, TAIL)).encode()


PAGES: dict[str, Callable[[], bytes]] = {
    "/workflows": lambda: page(map(workflow_row, workflows_of("completed", ROWS)[0])),
    "/requests": lambda: page(map(request_row, requests_of("completed", ROWS)[0])),
    "/workflows-all": lambda: page(map(workflow_row, merged(workflows_of, WORKFLOW_STATUSES, "createdAt"))),
    "/requests-all": lambda: page(map(request_row, merged(requests_of, REQUEST_STATUSES, "created_at"))),
}


def app(environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
    path, kind = environ["PATH_INFO"], "text/html; charset=utf-8"
    if path.startswith("/status/"):
        body, kind = status(unquote(path.removeprefix("/status/"))), "application/json"
    elif path in PAGES:
        body = PAGES[path]()
    else:
        start("404 Not Found", [("Content-Length", "0")])
        return [b""]
    start("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]
