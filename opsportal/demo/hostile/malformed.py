"""Items as a broken, careless or hostile writer would leave them: all of it is data, and must show as such.

An attribute that is the key of an index is never of a wrong type here: DynamoDB refuses such a write once
the index exists. It is missing instead.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from opsportal.demo.place import Item
from opsportal.demo.stamps import naive, zulu

SCRIPT = "<script>alert('from the item')</script><img src=x onerror=alert(1)>"
RIGHT_TO_LEFT = "invoice\u202egpj.exe\u202c \u200f\u05e9\u05dc\u05d5\u05dd\u200e"
CONTROL = "bell\x07 escape\x1b[31mred\x1b[0m null\x00 tab\t line\r\nnext\u2028separator"
HARD_KEYS = (
    "a/b?c=d#e%2F%",
    "with spaces and \u00fcml\u00e4uts",
    "\U0001f680 rocket \U0001f469\u200d\U0001f680",
    "../../etc/passwd",
    "x/healthz",
    SCRIPT,
    "k" * 600,
)


def workflows(key: str, now: datetime) -> list[Item]:
    stamp = zulu(now - timedelta(hours=2))
    whole = {"createdAt": stamp, "lastUpdated": stamp, "overallStatus": "processing"}
    items = [
        {key: ident, **whole, "pdfAdapter": {"status": "success", "activity": ident}} for ident in HARD_KEYS
    ]
    return [
        *items,
        {
            key: "bad-types",
            **whole,
            "correlationId": 17,
            "documentId": ["a", "list"],
            "sourceType": {"a": "map"},
            "totalTokenUsage": "twelve",
            "totalDuration": "long",
            "expiresAt": "tomorrow",
            "lastUpdated": True,
            "pdfAdapter": "done",
            "tradeExtraction": {
                "status": 5,
                "activity": None,
                "startedAt": 12,
                "duration": "3 s",
                "tokenUsage": [],
            },
            "tradeMatching": {"status": None, "tokenUsage": {"totalTokens": "many"}, "error": {"code": 1}},
            "exceptionManagement": [{"status": "success"}],
        },
        {
            key: "bad-numbers",
            **whole,
            "totalDuration": Decimal("-17.5"),
            "totalTokenUsage": {
                "inputTokens": -1,
                "outputTokens": Decimal("1E+30"),
                "totalTokens": Decimal("0.5"),
            },
            "expiresAt": Decimal("99999999999999999999"),
            "pdfAdapter": {
                "status": "success",
                "duration": Decimal("1E-20"),
                "startedAt": "2025-13-45T99:99:99Z",
            },
        },
        {
            key: "bad-text",
            **whole,
            "documentId": SCRIPT,
            "correlationId": RIGHT_TO_LEFT,
            "sourceType": CONTROL,
            "tradeExtraction": {
                "status": "error",
                "activity": SCRIPT,
                "error": f"{SCRIPT}\n{CONTROL}\n{RIGHT_TO_LEFT}",
            },
            SCRIPT: {"status": "success", "activity": "a step with a hostile name"},
        },
        {
            key: "error-of-300-kb",
            **whole,
            "overallStatus": "failed",
            "pdfAdapter": {"status": "error", "error": "Traceback: line of model output\n" * 9_600},
        },
        {key: "nothing-but-a-key"},
        {key: "nothing-but-nulls", "overallStatus": "failed", "pdfAdapter": None, "totalTokenUsage": None},
        {
            key: "binary",
            "overallStatus": "loading",
            "createdAt": "not a time",
            "blob": b"\x00\xff\xfe",
            "tags": {"a", "b"},
        },
    ]


def requests(key: str, now: datetime) -> list[Item]:
    stamp = naive(now - timedelta(hours=3))
    whole = {
        "user_id": "test-user-123",
        "project_id": "test-project-001",
        "status": "failed",
        "priority": "low",
        "processing_strategy": "table",
        "created_at": stamp,
    }
    items = [{key: ident, **whole, "request_type": ident} for ident in HARD_KEYS]
    return [
        *items,
        {
            key: "bad-types",
            **whole,
            "request_type": 4,
            "config": "none",
            "progress": [],
            "results": "see the report",
            "errors": "one text, not a list",
            "warnings": {"a": "map"},
            "processing_metadata": 7,
            "updated_at": 1757412789250,
            "started_at": "yesterday",
        },
        {
            key: "bad-config",
            **whole,
            "config": {
                "keywords": "semaglutide",
                "sources": [
                    {"name": "Other form", "type": "web", "url": "javascript:alert(1)"},
                    "https://example.com",
                    None,
                ],
                "quality_threshold": "high",
                "batch_size": None,
                "max_retries": -3,
            },
        },
        *(
            {
                key: f"percentage-{name}",
                **whole,
                "progress": {"current_stage": "aggregation", "percentage": value},
            }
            for name, value in (("above-100", 140), ("null", None), ("text", "about half"), ("below-0", -5))
        ),
        {key: "percentage-missing", **whole, "progress": {"current_stage": 3}},
        {
            key: "bad-history",
            **whole,
            "processing_metadata": {"status_history": ["failed", None, {"timestamp": 1}]},
        },
        {
            key: "bad-text",
            **whole,
            "status_message": SCRIPT,
            "errors": [CONTROL, RIGHT_TO_LEFT, SCRIPT, 5, None],
            "results": {"summary": {"executive_summary": SCRIPT, "key_findings": [RIGHT_TO_LEFT]}},
        },
        {key: "error-of-300-kb", **whole, "errors": ["Traceback: line of model output\n" * 9_600]},
        {key: "outside-the-index", "status": "processing", "request_type": "no created_at"},
        {key: "nothing-but-a-key"},
    ]


def request_logs(key: str, request: str, now: datetime) -> list[Item]:
    """Lines of ``request``'s log, and one of no request's."""
    stamp = naive(now - timedelta(hours=3))
    whole = {"request_id": request, "timestamp": stamp}
    return [
        {
            key: "bad-types",
            **whole,
            "log_level": 40,
            "message": {"text": "a map"},
            "stage": [],
            "metadata": "none",
        },
        {
            key: "bad-text",
            **whole,
            "log_level": SCRIPT,
            "message": f"{SCRIPT} {CONTROL}",
            "stage": RIGHT_TO_LEFT,
        },
        {
            key: "bad-formula",
            **whole,
            "log_level": "INFO",
            "message": '=HYPERLINK("http://example.com")',
            "stage": "x",
        },
        {key: "long-line", **whole, "log_level": "ERROR", "message": "no line ends here " * 16_000},
        {
            key: "bad-stamp",
            "request_id": request,
            "timestamp": "not a time",
            "log_level": "info",
            "message": "when?",
        },
        {key: "of-no-request", "message": "neither request nor time"},
    ]


def agents(key: str, now: datetime) -> list[Item]:
    items = [{key: ident, "name": ident, "status": "active"} for ident in HARD_KEYS]
    return [
        *items,
        {
            key: "bad-types",
            "name": 12,
            "endpoint": ["https://example.com"],
            "capabilities": "fitness_analysis",
            "status": 1,
            "type": None,
            "reputationScore": "excellent",
            "successRate": 17,
            "lastHeartbeat": "a moment ago",
            "registeredAt": {"at": 1},
            "pricing": "{not json",
            "tieredPricing": 5,
            "serviceAvailability": "[1, 2",
            "tags": 3,
        },
        {
            key: "bad-text",
            "name": SCRIPT,
            "description": f"{CONTROL} {RIGHT_TO_LEFT}",
            "endpoint": "javascript:alert(1)",
            "emoji": SCRIPT,
            "capabilities": [SCRIPT, 5, None],
            "status": SCRIPT,
            "lastHeartbeat": int(now.timestamp() * 1000),
        },
        {
            key: "heartbeat-in-the-future",
            "name": "Fast clock",
            "status": "active",
            "lastHeartbeat": 4_102_444_800_000,
        },
        {key: "nothing-but-a-key"},
    ]
