"""The tags of every page: what is shown, and that no text of others becomes markup."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from opsportal.console import clock, figures, text, tones
from opsportal.console.listing import Region
from opsportal.console.templatetags import charts, lists
from opsportal.console.templatetags import console as tags
from opsportal.dynamo.attributes import Malformed

NOON = datetime(2026, 11, 20, 14, 2, 11, 250_000, tzinfo=UTC)
BERLIN = SimpleNamespace(zone=ZoneInfo("Europe/Berlin"), refresh_seconds=5)
BAD = Malformed({"N": "7"}, 'expected text, found "a number"')


def rendered(source: str, **context: Any) -> str:
    return Template(source).render(Context(context))


# --- Times ---------------------------------------------------------------------------------------


def test_a_time_is_relative_with_both_zones_on_hover(time_machine: Any) -> None:
    time_machine.move_to(NOON + timedelta(minutes=3), tick=False)
    html = rendered("{% when at %}", at=NOON, shell=BERLIN)
    assert ">3 min ago</time>" in html
    assert 'datetime="2026-11-20T14:02:11.250Z"' in html
    assert 'title="2026-11-20 14:02:11.250 UTC · 15:02:11 Europe/Berlin"' in html
    assert "data-when" in html


def test_what_still_runs_shows_a_duration_that_ticks(time_machine: Any) -> None:
    time_machine.move_to(NOON + timedelta(minutes=3, seconds=7.4), tick=False)
    html = rendered("{% elapsed at %}", at=NOON, shell=BERLIN)
    assert ">3 m 7 s</time>" in html
    assert 'data-when="duration"' in html
    time_machine.move_to(NOON - timedelta(seconds=2), tick=False)
    assert ">0 s</time>" in rendered("{% elapsed at %}", at=NOON, shell=BERLIN)


def test_a_title_of_allauth_is_in_sentence_case() -> None:
    for title, shown in (
        ("\n  Two-Factor Authentication\n", "\n  Two-factor authentication\n"),
        ("Deactivate Authenticator App", "Deactivate authenticator app"),
        ("Sign In Via Keycloak", "Sign in via Keycloak"),
        ("New Password (again)", "New password (again)"),
    ):
        assert rendered("{{ title|sentence_case }}", title=title) == shown


def test_the_local_date_is_given_where_it_differs() -> None:
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert clock.both(late, BERLIN.zone).endswith("· 2026-11-21 00:30:00 Europe/Berlin")


def test_in_utc_the_hover_text_does_not_repeat_itself() -> None:
    assert clock.both(NOON, ZoneInfo("UTC")) == "2026-11-20 14:02:11.250 UTC"


def test_clock_is_absolute_in_the_readers_zone_and_does_not_tick() -> None:
    html = rendered("{% clock at %}", at=NOON, shell=BERLIN)
    assert ">2026-11-20 15:02:11 CET</time>" in html
    assert "data-when" not in html


def test_without_a_shell_times_are_utc() -> None:
    assert "14:02:11 UTC" in rendered("{% clock at %}", at=NOON)
    assert ">14:02:11 UTC</time>" in rendered("{% asof at %}", at=NOON)


def test_asof_without_a_value_is_now(time_machine: Any) -> None:
    time_machine.move_to(NOON, tick=False)
    assert ">14:02:11 UTC</time>" in rendered("{% asof %}")


@pytest.mark.parametrize("tag", ["when", "clock"])
def test_a_missing_time_is_a_dash_and_a_malformed_one_is_shown_raw(tag: str) -> None:
    assert "—" in rendered(f"{{% {tag} at %}}", at=None)
    html = rendered(f"{{% {tag} at %}}", at=BAD)
    assert "{&quot;N&quot;: &quot;7&quot;}" in html
    assert "malformed" in html


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "now"), (1, "now"), (2, "2 s ago"), (59, "59 s ago"), (60, "1 min ago"), (3599, "59 min ago"),
        (3600, "1 h ago"), (86_400 * 2 - 1, "47 h ago"), (86_400 * 2, "2 d ago"), (86_400 * 800, "2 y ago"),
        (-90, "in 1 min"), (-1, "now"),
    ],
)  # fmt: skip
def test_relative_times(seconds: int, expected: str) -> None:
    assert clock.relative(NOON - timedelta(seconds=seconds), NOON) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("17.095"), "17.1 s"), (0, "0 s"), (5, "5 s"), (Decimal("0.25"), "250 ms"), (Decimal("0.0001"), "<1 ms"),
        (Decimal("59.96"), "59.9 s"), (252, "4 m 12 s"), (7380, "2 h 3 m"), (273_600, "3 d 4 h"),
        (timedelta(minutes=1), "1 m 0 s"), (-90, "−1 m 30 s"), (10, "10 s"), (float("1e3"), "16 m 40 s"),
    ],
)  # fmt: skip
def test_durations(value: Any, expected: str) -> None:
    assert re.sub("<[^>]+>", "", tags.duration(value)).replace("&lt;", "<") == expected


@pytest.mark.parametrize("value", [None, "", BAD, "abc", float("nan"), Decimal("Infinity"), True])
def test_a_duration_that_is_none_does_not_raise(value: Any) -> None:
    assert "<script" not in tags.duration(value)


# --- Texts ---------------------------------------------------------------------------------------


def test_controls_and_bidirectional_marks_become_visible() -> None:
    assert text.visible("a\x00b\u202ec\x9bd\u200be") == "a⟦U+0000⟧b⟦U+202E⟧c⟦U+009B⟧d⟦U+200B⟧e"
    assert text.visible("line\n\ttab 👩‍💻 ünï") == "line\n\ttab 👩‍💻 ünï"


@given(st.text())
def test_no_text_becomes_markup_or_keeps_an_invisible_character(value: str) -> None:
    for html in (tags.shown(value), tags.excerpt(value), tags.status(value), tags.copy(value)):
        inner = re.sub(r"</?(?:bdi|span|svg|use|button)(?:\s[^<>]*)?/?>", "", html)
        assert "<" not in inner
        assert ">" not in inner
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", tags.shown(value))


def test_an_excerpt_is_the_first_line_cut() -> None:
    assert text.excerpt("\n  first line  \nsecond") == "first line…"
    assert text.excerpt("short") == "short"
    assert text.excerpt("x" * 300, 10) == "x" * 9 + "…"
    assert len(text.excerpt("y" * 300_000)) == text.EXCERPT_LENGTH


def test_text_is_isolated_from_the_direction_of_what_stands_around_it() -> None:
    assert tags.shown("שלום") == "<bdi>שלום</bdi>"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "—"), ("", "—"), (True, "yes"), (False, "no"), (Decimal("1.50"), "1.5"), (Decimal("1E+3"), "1000"),
        (7, "7"), (["a", None, 2], "a, —, 2"), ([], "—"), (Decimal("1E+99"), "1E+99"),
    ],
)  # fmt: skip
def test_any_value_is_shown(value: Any, expected: str) -> None:
    assert re.sub("<[^>]+>", "", tags.shown(value)) == expected


def test_a_cell_filters_its_list_by_its_value() -> None:
    listing = SimpleNamespace(filter_url=lambda name, value: f"?{name}={value}")
    cell = lists.filter_cell(listing, "user", "<b>", 2)
    assert cell == '<a class="cell-filter" href="?user=&lt;b&gt;" title="Only this user"><bdi>&lt;…</bdi></a>'
    assert 'title="Only this person"' in lists.filter_cell(listing, "user", "olga", what="person")
    for nothing in (None, "", 0):
        assert lists.filter_cell(listing, "user", nothing) == tags.shown(nothing)


def test_a_time_in_a_list_of_values_is_utc() -> None:
    assert "2026-11-20 14:02:11 UTC" in tags.shown(NOON)


def test_a_malformed_value_says_why_and_not_by_colour_alone() -> None:
    html = tags.shown(BAD)
    assert "#alert-triangle" in html
    assert "malformed: </span>" in html
    assert "expected text, found &quot;a number&quot;" in html


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (14169, "14,169"), (Decimal("1234.50"), "1,234.5"), (Decimal("-0.5"), "-0.5"), (-1234, "-1,234"),
        (0, "0"), (Decimal("1E+40"), "1E+40"), (Decimal("2.000E+125"), "2E+125"),
        (Decimal("1.5E+4"), "15,000"), (Decimal("-1.20E-100"), "-1.2E-100"),
        (Decimal("1" + "0" * 37), f"10{',000' * 12}"), (None, "—"), ("text", "text"),
    ],
)  # fmt: skip
def test_thousands(value: Any, expected: str) -> None:
    assert re.sub("<[^>]+>", "", tags.thousands(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KB"),
        (400 * 1024, "400 KB"),
        (5 * 1024**3, "5.0 GB"),
        (None, "—"),
    ],
)
def test_file_sizes(value: Any, expected: str) -> None:
    assert re.sub("<[^>]+>", "", tags.filesize(value)) == expected


def test_units_and_percent_are_plain_text() -> None:
    assert (tags.units(Decimal("6.50")), tags.units(Decimal(12)), tags.units(None)) == ("6.5", "12", "0")
    assert (tags.percent(12.3456), tags.percent(-5), tags.percent(500), tags.percent(None)) == (
        "12.346%", "0.000%", "100.000%", "0.000%",
    )  # fmt: skip


# --- Status --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "tone"),
    [
        ("completed", tones.SUCCESS), ("SUCCESS", tones.SUCCESS), ("failed", tones.FAILED), ("error", tones.FAILED),
        ("in-progress", tones.RUNNING), ("loading", tones.RUNNING), ("PENDING", tones.WAITING),
        ("cancelled", tones.ATTENTION), ("stopped", tones.ATTENTION), ("degraded", tones.ATTENTION),
        ("info", tones.UNKNOWN), ("brand-new", tones.UNKNOWN), ("", tones.UNKNOWN), (None, tones.UNKNOWN), (BAD, tones.UNKNOWN),
    ],
)  # fmt: skip
def test_the_tone_of_a_status(status: Any, tone: str) -> None:
    assert tags.tone_of(status) == tone


@given(st.text())
def test_a_status_nobody_knows_never_looks_like_success(status: str) -> None:
    if status.strip().lower() not in tones._TONE_OF:
        assert "tone-success" not in tags.status(status)


def test_the_word_is_shown_as_stored_with_an_icon() -> None:
    html = tags.status("PENDING")
    assert "<bdi>PENDING</bdi>" in html
    assert "#clock" in html


def test_a_long_status_is_cut_and_whole_on_hover() -> None:
    html = tags.status("a status that is far too long for a cell")
    assert "…</bdi>" in html
    assert 'title="a status that is far too long for a cell"' in html


def test_a_cancelled_status_has_an_icon_of_its_own() -> None:
    assert "#ban" in tags.status("Cancelled")


def test_the_tone_of_a_status_serves_as_a_class_name() -> None:
    assert rendered("{{ status|tone }}", status="FAILED") == "failed"


def test_a_raw_text_keeps_its_lines_and_shows_what_is_invisible() -> None:
    assert tags.visible("{\n  \u202e}") == "{\n  ⟦U+202E⟧}"


def test_no_status_and_a_malformed_one_say_so() -> None:
    assert "no status" in tags.status(None)
    assert "malformed" in tags.status(BAD)


# --- Pictures ------------------------------------------------------------------------------------


def test_dots_have_a_shape_and_a_name_each() -> None:
    steps = [SimpleNamespace(label=f"Step <{tone}>", tone=tone, status_text=tone) for tone in figures.SHAPES]
    html = charts.dots(steps)
    assert html.count("<title>") == len(figures.SHAPES)
    assert len(set(figures.SHAPES.values())) == len(figures.SHAPES)
    assert 'aria-label="Step &lt;success&gt;: success, ' in html
    assert "—" in charts.dots([])


def test_an_unheard_of_tone_draws_the_unknown_shape() -> None:
    assert "tone-unknown" in charts.dots([SimpleNamespace(label="a", tone="x'y", status_text="b")])


def test_a_meter_stops_at_its_end_and_tells_the_figure() -> None:
    html = charts.meter(Decimal(140))
    assert 'value="100.0"' in html
    assert "140 %" in html
    assert "is-over" in html
    assert "—" in charts.meter(None)
    assert "malformed" in charts.meter(BAD)
    assert "tone-success" in charts.meter(5, 5)


def test_a_histogram_names_every_bar_and_survives_nothing() -> None:
    html = charts.histogram([("10:00", 4, tones.SUCCESS), ("11:00", None, "odd")], "Per hour")
    assert "Per hour: 10:00 4, 11:00 0" in html
    assert "—" in charts.histogram([])
    assert "tone-unknown" in html


def test_icons_are_decoration_unless_named() -> None:
    assert 'aria-hidden="true"' in tags.icon("x")
    assert 'role="img" aria-label="Close"' in tags.icon("x", "Close")


def test_there_is_nothing_to_copy_of_nothing() -> None:
    assert tags.copy(None) == ""
    assert 'data-copy="a&quot;b"' in tags.copy('a"b')
    assert 'data-copy-json="&quot;a\\u0000&quot;"' in tags.copy("a\x00")
    assert 'data-copy-json="&quot;\\ud800&quot;"' in tags.copy("\ud800")
    assert "data-copy-json" not in tags.copy("a\r\u200b")


def test_nothing_that_is_drawn_needs_inline_style_or_script() -> None:
    steps = [SimpleNamespace(label="a", tone="success", status_text="b")]
    for html in (
        charts.dots(steps),
        charts.meter(5),
        charts.histogram([("a", 1, "failed")]),
        tags.status("x"),
        tags.copy("x"),
    ):
        assert " style=" not in html
        assert " on" not in re.sub(r'"[^"]*"', "", html)


# --- Live regions ----------------------------------------------------------------------------------


def live(finished: bool, seconds: int, at_least: int = 0) -> str:
    region = Region(id="rows", seen="tok'en\"", anchor="", finished=finished, at_least_every=at_least)
    shell = SimpleNamespace(refresh_seconds=seconds)
    request = RequestFactory().get("/workflows/?q=a&status=b")
    return rendered("<div {% live region %}></div>", region=region, shell=shell, request=request)


def test_a_live_region_polls_its_own_page_with_what_it_has_seen() -> None:
    html = live(finished=False, seconds=5)
    assert 'hx-get="/workflows/?q=a&amp;status=b"' in html
    assert 'hx-trigger="every 5s, console:refresh from:body"' in html
    assert 'hx-swap="morph:outerHTML"' in html
    assert "&quot;X-Seen&quot;: &quot;tok&#x27;en\\&quot;&quot;" in html
    assert 'data-live="on"' in html


def test_what_somebody_waits_for_is_polled_more_often_than_they_chose_and_off_stays_off() -> None:
    for chosen, polled in ((30, "every 2s"), (1, "every 1s"), (0, "")):
        assert live(finished=False, seconds=chosen, at_least=2).count("every") == bool(polled)
        assert polled in live(finished=False, seconds=chosen, at_least=2)


@pytest.mark.parametrize(("finished", "seconds", "word"), [(True, 5, "finished"), (False, 0, "off")])
def test_a_finished_or_switched_off_region_has_no_timer(finished: bool, seconds: int, word: str) -> None:
    html = live(finished, seconds)
    assert "every" not in html
    assert f'data-live="{word}"' in html


def test_a_nested_value_is_shown_with_every_digit() -> None:
    value = {"big": Decimal(2**53 + 1), "fine": [Decimal("0.12345678901234567890123")]}
    shown = rendered("{% load lists %}{% document value %}", value=value)
    for digits in ("9007199254740993,", "0.12345678901234567890123"):
        assert digits in shown
