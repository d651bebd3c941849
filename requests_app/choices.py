"""What the submission form offers: the projects and the types that requests have."""

import time

from django.conf import settings
from django.core.cache import caches

from opsportal.dynamo.attributes import read_text
from opsportal.dynamo.partitions import Partitions, partitions
from requests_app.queries import READS, RequestFilter, found, page, table


def projects() -> Partitions:
    """The projects that have requests: those found by skip-scan, and those of the requests that are in no index or,
    without one, of the newest requests. Raises `DynamoError`."""
    at = found("project-index")
    rows = READS.sampled()
    if at.index is None:
        rows += page(RequestFilter(), purpose="projects").items
    texts = (read_text(raw.get("project_id")) for raw in rows)
    seen = tuple(dict.fromkeys(text for text in texts if isinstance(text, str) and text))
    if at.index is None:
        return Partitions(tuple(sorted(seen)), complete=False, reason=at.why)
    return partitions(table(), at.index, seen)


# Seconds that the types of the newest requests are known, and that one seen stays known; and how many.
TYPES_FRESH, TYPES_LIFE, MAX_TYPES = 60, 3_600, 100


def request_types() -> tuple[str, ...]:
    """The types of the settings, then those of the newest requests (no index has them). One that was seen
    stays known for an hour, so that a form that offered it is not refused. Raises `DynamoError`."""
    # Of all processes: the one that takes the form is seldom the one that offered it.
    cache, key = caches["default"], f"types:{table().fingerprint}"
    read_at, seen = cache.get(key, (0.0, ()))
    if time.time() - read_at > TYPES_FRESH or not seen:
        newest = page(RequestFilter(), purpose="types").items
        texts = (read_text(raw.get("request_type")) for raw in newest)
        seen = tuple(dict.fromkeys([*(text for text in texts if isinstance(text, str)), *seen]))[:MAX_TYPES]
        cache.set(key, (time.time(), seen), TYPES_LIFE)
    return tuple(dict.fromkeys([*settings.REQUEST_TYPES, *seen]))
