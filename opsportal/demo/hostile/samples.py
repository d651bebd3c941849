"""The items that the tables' documents show, value for value."""

from datetime import UTC, datetime, timedelta

from opsportal.demo.place import Item
from opsportal.demo.request_logs import entry
from opsportal.demo.requests import change
from opsportal.demo.stamps import milliseconds

REQUEST = "req_1757412789250_a08ac7ad"
SOURCES = (
    {"name": "FDA", "base_url": "https://www.fda.gov", "source_type": "government"},
    {"name": "NIH", "base_url": "https://www.nih.gov", "source_type": "academic"},
    {"name": "ClinicalTrials.gov", "base_url": "https://clinicaltrials.gov", "source_type": "clinical"},
)


def workflows(key: str) -> list[Item]:
    """The test items of seeds 000 and 003."""
    return [
        {
            key: "test-session-123",
            "correlationId": "test-corr-123",
            "overallStatus": "initializing",
            "createdAt": "2025-12-24T12:00:00Z",
            "expiresAt": 1735123200,
        },
        {
            key: "session-test-123",
            "correlationId": "test-corr-123",
            "overallStatus": "processing",
            "pdfAdapter": {
                "status": "success",
                "activity": "Text extraction complete",
                "tokenUsage": {"inputTokens": 1500, "outputTokens": 500, "totalTokens": 2000},
            },
            "lastUpdated": "2025-12-24T10:00:00Z",
        },
    ]


def request(key: str) -> Item:
    """Seed 002's (docs/data.md) item, value for value."""
    return {
        key: REQUEST,
        "project_id": "test-project-001",
        "user_id": "test-user-123",
        "request_type": "semaglutide_intelligence",
        "status": "pending",
        "status_message": None,
        "priority": "high",
        "processing_strategy": "table",
        "config": {
            "keywords": [
                "semaglutide",
                "tirzepatide",
                "wegovy",
                "obesity drug",
                "weight loss medication",
                "GLP-1 receptor agonist",
                "diabetes treatment",
                "clinical trials obesity",
            ],
            "sources": list(SOURCES),
            "extraction_mode": "summary",
            "quality_threshold": 0.7,
            "batch_size": 5,
            "max_retries": 2,
            "custom_params": {},
        },
        "created_at": "2024-01-09T15:43:09.250000",
        "updated_at": "2024-01-09T15:43:19.261000",
        "started_at": "2024-01-09T15:43:09.251000",
        "completed_at": None,
        "progress": {
            "current_stage": "content_extraction",
            "percentage": 65.0,
            "urls_found": 15,
            "content_extracted": 12,
            "processing_errors": 1,
            "estimated_completion": "2024-01-09T15:45:00.000000",
            "last_updated": "2024-01-09T15:43:15.000000",
        },
        "results": {
            "report_path": f"reports/semaglutide_intelligence_{REQUEST}.json",
            "summary": {
                "executive_summary": "Mock analysis completed successfully",
                "key_findings": ["Finding 1", "Finding 2"],
                "total_sources": 3,
                "total_content_items": 35,
            },
            "execution_summary": {
                "total_urls_discovered": 15,
                "total_content_extracted": 12,
                "processing_duration": 10.0,
                "api_calls_made": 18,
                "success_rate": 94.6,
            },
            "intelligence_data": {
                "regulatory_content": {"count": 12, "items": []},
                "clinical_content": {"count": 15, "items": []},
                "academic_content": {"count": 8, "items": []},
            },
            "structured_outputs": [],
            "quality_metrics": {"average_confidence": 0.85, "high_quality_items": 28},
            "processing_metadata": {},
        },
        "errors": ["2024-01-09T15:43:12.000000: Failed to extract content from URL xyz"],
        "warnings": ["2024-01-09T15:43:10.000000: Low confidence score for source ABC"],
        "processing_metadata": {
            "test_run": True,
            "timestamp": "2024-01-09T15:43:09.250000",
            "status_history": [
                change(
                    datetime.fromisoformat("2024-01-09T15:43:09.250000+00:00"),
                    "pending",
                    "processing",
                    "Started processing",
                )
            ],
        },
    }


def log(key: str) -> list[Item]:
    """Seed 002's entry, value for value, and the rest of the sample request's log."""
    start = datetime(2024, 1, 9, 15, 43, 9, 250_000, UTC)
    lines = (
        (0, "INFO", "initialization", "Request processing started"),
        (0.4, "DEBUG", "initialization", "Configuration: 8 keywords, 3 sources, batches of 5"),
        (0.75, "WARNING", "serp_discovery", "Low confidence score for source ABC"),
        (1.9, "INFO", "serp_discovery", "15 URLs found"),
        (2.75, "ERROR", "content_extraction", "Failed to extract content from URL xyz"),
        (5.75, "INFO", "content_extraction", "12 of 15 documents extracted"),
    )
    return [
        entry(
            key,
            f"log_1757412789250_{number:03d}",
            REQUEST,
            start + timedelta(seconds=after),
            level,
            stage,
            message,
            "table_processor_001",
        )
        for number, (after, level, stage, message) in enumerate(lines, 1)
    ]


def agent(key: str, now: datetime) -> Item:
    """What is registered in seed 004, step 5, and nothing else."""
    return {
        key: "persist-test-001",
        "name": "Persistence Test",
        "endpoint": "https://test.com",
        "capabilities": ["fitness_analysis"],
        "status": "active",
        "type": "dynamic",
        "lastHeartbeat": milliseconds(now - timedelta(minutes=4)),
        "registeredAt": milliseconds(now - timedelta(days=1)),
    }
