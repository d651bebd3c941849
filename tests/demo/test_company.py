"""The default demo set: a company that one would believe, not test data."""

import re
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings

from opsportal.demo import agents, requests, research, trades, traffic, workflows
from opsportal.demo.company import BRIEFS
from opsportal.demo.place import attribute_values
from opsportal.demo.simulation import run
from opsportal.demo.simulation.world import Pace
from opsportal.dynamo.partitions import COUNT_CAP
from registry.declared import step_of
from registry.models import Agent
from requests_app.findings import findings as request_findings
from requests_app.models import IntelligenceRequest
from tracking.findings import findings as workflow_findings
from tracking.models import Workflow

# The last Sunday morning: neither a day of work nor a night.
_TODAY = datetime.now(UTC)
NOW = (_TODAY - timedelta(days=(_TODAY.weekday() + 1) % 7 or 7)).replace(
    hour=9, minute=30, second=0, microsecond=0
)
# As loaded; a part of that is enough to look at.
PART = 1 / 4
WORKFLOWS_PER_HOUR, REQUESTS_PER_HOUR = workflows.PER_HOUR, requests.PER_HOUR


@pytest.fixture(scope="module")
def week() -> tuple[list[Workflow], list[requests.Made]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflows, "PER_HOUR", PART * WORKFLOWS_PER_HOUR)
        patch.setattr(requests, "PER_HOUR", PART * REQUESTS_PER_HOUR)
        built = workflows.build("sessionId", django_settings.WORKFLOW_STEPS, NOW)
        return [Workflow.from_item(attribute_values(item)) for item in built], requests.build(
            "request_id", NOW
        )


def requests_of(made: list[requests.Made]) -> list[IntelligenceRequest]:
    return [IntelligenceRequest.from_item(attribute_values(one.item)) for one in made]


def created(one: Any) -> datetime:
    assert isinstance(one.created_at, datetime)
    return one.created_at


def test_each_range_has_its_share_of_a_week_with_days_nights_and_a_weekend(week: Any) -> None:
    for items in (week[0], requests_of(week[1])):
        ages = [NOW - created(one) for one in items]
        hour, day, seven = (
            sum(age < span for age in ages)
            for span in (timedelta(hours=1), timedelta(days=1), timedelta(days=8))
        )
        assert 2 <= hour < day / 4
        assert day < seven / 6  # a Sunday is no seventh of the week
        assert seven == len(items) > 300
        by_hour = Counter((created(one).date(), created(one).hour) for one in items)
        working = [
            number for (date, at), number in by_hour.items() if date.weekday() < 5 and at in traffic.DAY_HOURS
        ]
        resting = [
            number
            for (date, at), number in by_hour.items()
            if date.weekday() < 5 and at not in traffic.DAY_HOURS
        ]
        assert statistics.mean(working) > 1.4 * statistics.mean(resting)


def test_the_simulator_goes_on_as_the_week_was_and_the_overview_reads_all_of_a_day() -> None:
    pace, monday = Pace(), [NOW.replace(hour=hour) + timedelta(days=1) for hour in range(24)]
    assert pace.rate * 60 == WORKFLOWS_PER_HOUR
    assert pace.rate * 60 * run.REQUESTS_PER_WORKFLOW == pytest.approx(REQUESTS_PER_HOUR)
    assert pace.failure_rate == workflows.FAILURE_RATE == requests.FAILURE_RATE
    assert sum(WORKFLOWS_PER_HOUR * traffic.weight(hour) for hour in monday) < COUNT_CAP


def test_three_items_hang_and_nothing_else_is_odd(week: Any) -> None:
    found = [(one.id, finding.kind) for one in week[0] for finding in workflow_findings(one, NOW)]
    found += [
        (one.id, finding.kind) for one in requests_of(week[1]) for finding in request_findings(one, NOW)
    ]
    assert Counter(code for _, code in found) == {"stuck": 3}


def test_two_failures_come_in_clusters_close_in_time(week: Any) -> None:
    throttled = [
        one
        for one in week[0]
        for step in one.steps
        if (step.key, step.error) == ("tradeExtraction", trades.THROTTLED)
    ]
    denied = [one for one in requests_of(week[1]) if research.FORBIDDEN in str(one.first_error_text)]
    for cluster, least in ((throttled, 5), (denied, 5)):
        times = sorted(created(one) for one in cluster)
        assert len(times) >= least
        assert times[-1] - times[0] < timedelta(minutes=20)
        assert NOW - times[-1] < timedelta(hours=3)
    # What else failed did so for other reasons, here and there.
    others = {str(one.first_error.error) for one in week[0] if one.first_error and one not in throttled}
    assert len(others) >= 5


def test_durations_fit_their_errors_and_levels_fit_their_texts(week: Any) -> None:
    looked_at = Counter[str]()
    for step in (step for one in week[0] for step in one.steps if step.failed):
        kind, seconds = str(step.error).partition(":")[0], float(step.seconds or 0)
        looked_at[kind] += 1
        if kind == "TimeoutError":
            assert 120 <= seconds < 121
        elif kind == "ParseError":
            assert seconds < 1.5
        elif kind == "ThrottlingException":
            assert 5 < seconds < 10
            assert not step.tokens.total  # no model has answered
    assert {"TimeoutError", "ParseError", "ThrottlingException"} <= set(looked_at)
    for made in week[1]:
        levels = [(line.level, line.message) for line in made.lines]
        failed = made.item["status"] == "failed"
        assert [message for level, message in levels if level == "ERROR"] == [
            made.item["status_message"]
        ] * failed
        assert all(
            "could not" in text or "again" in text or "attempt" in text
            for level, text in levels
            if level == "WARNING"
        )
        times = [line.at for line in made.lines]
        assert times == sorted(times)
        if failed and "ReadTimeout" in made.item["status_message"]:
            looked_at["ReadTimeout"] += 1
            assert timedelta(seconds=90) <= times[-1] - times[-4] < timedelta(seconds=95)
    assert looked_at["ReadTimeout"]


def test_ids_are_as_the_documents_write_them_and_hold_their_times(week: Any) -> None:
    for one in week[0]:
        assert re.fullmatch(r"session-[0-9a-f]{12}", one.id)
        assert re.fullmatch(r"corr_[0-9a-f]{12}", one.correlation_id)
        assert re.fullmatch(rf"[A-Z]{{3}}_{created(one):%Y%m%d}_\d{{6}}\.pdf", one.document_id)
    for made in requests_of(week[1]):
        found = re.fullmatch(r"req_(\d{13})_[0-9a-f]{8}", made.id)
        assert found
        assert int(found[1]) == int(created(made).timestamp() * 1000)
    lines = requests.build_logs("log_id", "request_id", week[1], NOW)
    assert all(re.fullmatch(r"log_\d{13}_\d{3}", line["log_id"]) for line in lines)
    ids = [
        *(one.id for one in week[0]),
        *(made.item["request_id"] for made in week[1]),
        *(line["log_id"] for line in lines),
    ]
    assert len(ids) == len(set(ids))


def test_figures_add_up_and_rows_do_not_repeat(week: Any) -> None:
    for one in week[0]:
        assert one.totals.total == one.step_tokens
    for made in week[1]:
        item = made.item
        at, result = item["progress"], item["results"]
        assert at["content_extracted"] <= at["urls_found"]
        if result:
            parts = result["intelligence_data"].values()
            assert (
                sum(part["count"] for part in parts)
                == at["content_extracted"]
                == result["summary"]["total_content_items"]
            )
            assert result["summary"]["total_sources"] == len(item["config"]["sources"])
        assert item["project_id"] == BRIEFS[item["request_type"]].project
    rows = Counter((one.document_id, one.overall_status, one.total_duration) for one in week[0])
    assert rows.most_common(1)[0][1] == 1


def test_agents_fit_the_steps_and_the_stages_and_one_of_each_is_not_well(settings: Any) -> None:
    built = [Agent.from_item(attribute_values(item)) for item in agents.build("agentId", datetime.now(UTC))]
    assert {step_of(one).key for one in built} >= {step["key"] for step in settings.WORKFLOW_STEPS}
    offered = {capability for one in built for capability in one.offers}
    assert {"serp_discovery", "content_extraction", "aggregation"} <= offered
    assert Counter(one.health for one in built) == {"healthy": len(built) - 2, "degraded": 1, "offline": 1}


def test_a_set_is_the_same_for_the_same_moment_and_another_for_another(settings: Any) -> None:
    def build(now: datetime) -> Any:
        made = requests.build("request_id", now)
        return workflows.build("k", settings.WORKFLOW_STEPS, now), made, agents.build("k", now)

    assert build(NOW) == build(NOW)
    assert build(NOW)[0] != build(NOW + timedelta(hours=1))[0]
    stored = attribute_values(next(item for item in agents.build("k", NOW) if item["k"] == agents.FIRST))
    assert agents.anchor(stored) == NOW


def test_addresses_are_those_that_belong_to_nobody(week: Any) -> None:
    texts = [str(made.item) + str(made.lines) for made in week[1]] + [str(agents.build("k", NOW))]
    hosts = {host for text in texts for host in re.findall(r"https://([\w.-]+)", text)}
    assert hosts
    assert all(re.search(r"(^|\.)example\.(com|org|net)$", host) for host in hosts)
