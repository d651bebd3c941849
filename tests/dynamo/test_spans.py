"""Bounds of an index that is ordered by text, and of the instants that its texts say."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from opsportal.dynamo.expressions import matches
from opsportal.dynamo.spans import Span

BEGIN, END = datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
FORMS = ("%Y-%m-%dT%H:%M:%S{}", "%Y-%m-%dT%H:%M:%S.%f{}", "%Y-%m-%d %H:%M:%S{}", "%Y-%m-%dT%H:%M{}")


@given(
    after=st.integers(-36 * 60, 36 * 60),
    minutes=st.integers(-12 * 60, 14 * 60),
    form=st.sampled_from(FORMS),
)
def test_what_is_in_the_span_by_its_instant_is_read_whatever_its_zone_and_form(
    after: int, minutes: int, form: str
) -> None:
    zone = timezone(timedelta(minutes=minutes))
    local = (BEGIN + timedelta(minutes=after)).astimezone(zone)
    text = local.strftime(form).format(local.isoformat()[-6:])
    written = datetime.fromisoformat(text)
    span = Span.between(BEGIN, END)
    inside = BEGIN <= written <= END.replace(microsecond=999_999)
    assert span.holds({"S": text}) == inside
    if inside:
        assert matches({"at": {"S": text}}, span.wider.clauses("at"))


def test_what_is_no_time_is_in_the_span_by_its_text() -> None:
    span = Span.between(BEGIN, END)
    assert span.holds({"S": "2026-11-20T11, about"})
    assert not span.wider.holds({"S": "2026-11-20T09, about"})
    assert not span.wider.holds({"S": "soon"})
    assert not span.holds(None)
    assert Span().holds({"S": "soon"})
    assert Span.between(BEGIN).holds({"S": "soon"})


def test_a_span_that_ends_before_it_begins_is_empty_however_wide_it_is_read() -> None:
    assert Span.between(END, BEGIN).empty
    assert Span.between(END, BEGIN).wider.empty
    assert not Span.between(BEGIN, BEGIN).empty
    assert Span("b", "a").empty


def test_no_bound_leaves_the_calendar() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert Span.between(first, last).wider.clauses("at")[0].values == (
        "0001-01-01 00:00:00",
        "9999-12-31T23:59:59~",
    )
