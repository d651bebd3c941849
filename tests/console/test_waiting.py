"""The one sentence that says why an item waits: which of what is known it is."""

from typing import Any

from opsportal.console.waiting import Facts, shown, why
from opsportal.dynamo.partitions import Count
from tests.cases import each

ALL: dict[str, Any] = {
    "undelivered": "The setting X is missing.",
    "throttled": "dev-requests",
    "work": "ocr",
    "not_ready": "a is offline and b is degraded",
    "idle": 6,
    "nothing": "No worker has taken a request",
    "overtaken": "3 newer requests were taken since.",
    "ahead": Count(14),
}
# From the likeliest cause on: each case lacks what the ones before it say.
REASONS = [
    ("undelivered", "Its message has not reached the queue: The setting X is missing."),
    ("throttled", "DynamoDB throttled calls to the table dev-requests within the last minute."),
    ("no_ready_agent", "No ready agent offers ocr: a is offline and b is degraded."),
    ("idle", "No worker has taken a request for 6 min; 14 are ahead of it by priority and age."),
    ("overtaken", "3 newer requests were taken since."),
    ("ahead", "14 are ahead of it by priority and age."),
]
NAMES = {"no_ready_agent": "not_ready"}


def test_the_likeliest_cause_is_said_and_of_nothing_known_nothing() -> None:
    facts = dict(ALL)
    for kind, sentence in REASONS:
        reason = why(Facts(**facts))
        assert reason
        assert (reason.kind, reason.sentence) == (kind, sentence)
        assert [one.sentence for one in shown(reason)] == [sentence]
        assert shown(reason, kind) == []
        del facts[NAMES.get(kind, kind)]
    assert why(Facts(**facts)) is None
    assert shown(None) == []


@each(
    ("facts", "sentence"),
    [
        ({"idle": 0}, ""),
        ({"idle": 1}, ""),  # the reading may be a minute old
        ({"idle": 2}, "Nothing for 2 min."),
        ({"idle": 150, "ahead": Count(0)}, "Nothing for 2 h 30 min."),
        ({"idle": 1, "ahead": Count(1)}, "1 is ahead of it by priority and age."),
        ({"ahead": Count(1, more=True)}, "At least 1 are ahead of it by priority and age."),
        ({"ahead": Count(50, more=True)}, "At least 50 are ahead of it by priority and age."),
        ({"ahead": Count(0)}, ""),
    ],
)
def test_numbers_are_said_as_far_as_they_are_known(facts: dict[str, Any], sentence: str) -> None:
    reason = why(Facts(nothing="Nothing", **facts))
    assert (reason.sentence if reason else "") == sentence
