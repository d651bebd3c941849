"""The shell around every page, its partials, and the files that it ships."""

import gzip
import re
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone

from opsportal.accounts.models import Preferences
from opsportal.console import bundles, context
from opsportal.console.context import Shell, shell
from opsportal.console.middleware import MIN_ZIPPED, GZipMiddleware, StaffRequiredMiddleware
from opsportal.console.refusals import broken
from opsportal.dynamo.attributes import Malformed
from opsportal.dynamo.spending import Spending
from opsportal.environments import COLOURS
from scripts.stylesheet import rules, subset
from tests.cases import each

pytestmark = pytest.mark.urls("tests.browser.gallery")

TEMPLATES = sorted((settings.BASE_DIR / "templates").rglob("*.html"))
FIRST_PAGE_BYTES = 110_000
KINDS = (
    "table_missing", "index_missing", "access_denied", "throttled", "unreachable", "credentials",
    "malformed_cursor", "deadline", "key_mismatch", "rejected", "server_fault", "refused",
)  # fmt: skip


def request_of(user: Any, path: str = "/") -> Any:
    request = RequestFactory().get(path)
    request.user = user
    request.spending = Spending(calls=3, read_units=Decimal("6.50"))
    return request


def partial(name: str, user: Any = None, **context: Any) -> str:
    return render_to_string(f"partials/{name}.html", context, request=request_of(user or AnonymousUser()))


# --- Who, where, how ---------------------------------------------------------------------------------


def test_an_anonymous_page_costs_the_shell_no_query(django_assert_num_queries: Any, db: None) -> None:
    found = shell(request_of(AnonymousUser()))["shell"]
    with django_assert_num_queries(0):
        values = (
            found.user,
            found.role,
            found.theme,
            found.refresh_seconds,
            found.zone.key,
            found.preferences,
        )
    assert values == (None, "", "system", 30, "UTC", None)


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["viewer", "operator", "administrator"])
def test_the_shell_names_the_role(role: str, user_of: Any) -> None:
    assert Shell(request_of(user_of(role))).role == role


@pytest.mark.django_db
def test_a_superuser_and_an_account_without_a_role_are_called_so(django_user_model: Any) -> None:
    lone = django_user_model.objects.create_user("lone")
    root = django_user_model.objects.create_superuser("root")
    assert Shell(request_of(lone)).role == "no role"
    assert Shell(request_of(root)).role == "superuser"


@pytest.mark.django_db
def test_the_navigation_has_only_pages_that_exist_and_may_be_opened(viewer: Any, administrator: Any) -> None:
    # The gallery routes no lists of data.
    assert [link.label for link in Shell(request_of(viewer)).nav] == ["Overview"]
    links = Shell(request_of(administrator, "/admin/auth/user/")).nav
    assert [(link.label, link.current) for link in links] == [("Overview", False), ("Accounts", True)]


@pytest.mark.django_db
def test_a_time_zone_that_is_gone_falls_back_to_utc(viewer: Any) -> None:
    found = Shell(request_of(viewer))
    found.preferences = Preferences(time_zone="Mars/Olympus", theme="dark", refresh_seconds=0)
    assert found.zone == ZoneInfo("UTC")
    assert (found.theme, found.refresh_seconds) == ("dark", 0)


@pytest.mark.django_db
def test_every_page_says_in_which_environment_it_is(settings: Any, client_for: Any) -> None:
    person, stranger, administrator = (client_for(who) for who in ("viewer", "anonymous", "administrator"))
    for env, chosen, colour in (
        ("dev", "", "grey"), ("local", "", "grey"), ("qa", "", "amber"), ("prod", "", "red"), ("qa", "red", "red"),
    ):  # fmt: skip
        settings.OPSPORTAL_ENV, settings.ENVIRONMENT_COLOUR = env, chosen
        for html in (
            person.get("/").content.decode(),
            person.get("/nothing/here/").content.decode(),
            stranger.get("/accounts/login/").content.decode(),
            broken(request_of(AnonymousUser())).content.decode(),
        ):
            assert f'data-env="{colour}"' in html
            assert f" · {env} · Ops Portal</title>" in html
        assert f"Environment: </span>{env}</span>" in person.get("/").content.decode()
        html = administrator.get("/admin/auth/user/").content.decode()
        assert re.search(rf'<body class="[^"]*\benv-{colour}\b', html)
        assert f'<span class="env-badge">{env}</span>' in html
        assert f" · {env} · Ops Portal</title>" in html
    styles = [(settings.BASE_DIR / f"static/console/{name}.css").read_text() for name in ("console", "admin")]
    for colour in COLOURS:
        assert f'[data-env="{colour}"] {{ --env: ' in styles[0]
        assert f".env-{colour} {{ --env: " in styles[1]


@pytest.mark.django_db
def test_the_page_has_one_heading_a_skip_link_and_what_it_cost(client_for: Any) -> None:
    html = client_for("operator").get("/").content.decode()
    assert html.count("<h1>") == 1
    assert 'href="#main"' in html
    assert 'id="main"' in html
    assert re.search(
        r'<footer.*<span class="num">0</span> calls · <span class="num">0</span> RCU', html, re.DOTALL
    )
    assert "operator" in html


@pytest.mark.django_db
def test_volatile_data_is_announced(settings: Any, client_for: Any) -> None:
    client = client_for("viewer")
    assert "data is lost when it stops" not in client.get("/").content.decode()
    settings.ENGINE_IS_VOLATILE = True
    assert "data is lost when it stops" in client.get("/").content.decode()


@pytest.mark.django_db
def test_login_offers_no_sign_up(client_for: Any) -> None:
    html = client_for("anonymous").get("/accounts/login/").content.decode()
    assert "sign up" not in html.lower()
    assert "<h1>Sign in</h1>" in html


@pytest.mark.django_db
def test_an_unknown_address_has_the_shell_too(client_for: Any) -> None:
    answer = client_for("viewer").get("/nothing/here/")
    assert answer.status_code == 404
    assert "/nothing/here/" in answer.content.decode()


# --- Partials ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_trouble_has_a_page_state(kind: str) -> None:
    problem = {"kind": kind, "title": "T", "sentence": "S <b>", "fix": "M", "statement": "{}", "retry": kind == "throttled"}  # fmt: skip
    html = partial("problem", problem=problem)
    assert f'data-problem="{kind}"' in html
    assert "S &lt;b&gt;" in html
    assert ("Try again" in html) == (kind == "throttled")
    assert ("first page" in html) == (kind == "malformed_cursor")
    assert 'data-copy="{}"' in html


def test_an_empty_list_says_why_and_what_to_do() -> None:
    html = partial("empty", empty={"kind": "nothing_yet", "title": "None", "command": "make it", "link_url": "?x", "link_text": "Go"})  # fmt: skip
    assert "<code>make it</code>" in html
    assert 'href="?x"' in html


def test_a_list_says_what_it_read_and_what_not() -> None:
    reading = SimpleNamespace(shown=50, how="Query status-index", partitions=["FAILED", "<x>"], searched_to=timezone.now(), complete=False)  # fmt: skip
    html = partial("reading", reading=reading)
    for words in (
        "50</span> shown",
        "Query status-index",
        "6.5</span> RCU",
        "3</span> calls",
        "2 partitions",
        "&lt;x&gt;",
    ):
        assert words in html
    assert "not everything was searched" in html


def test_a_complete_list_claims_no_gap() -> None:
    reading = SimpleNamespace(shown=1, how="", partitions=[], searched_to=None, complete=True)
    assert "not everything" not in partial("reading", reading=reading)


def test_a_timeline_with_nothing_but_trouble_is_drawn() -> None:
    bad = Malformed({"S": "<b>"}, "no time")
    row = SimpleNamespace(label="<Step>", key="a b/c", listed=False, status=bad, tone="unknown", activity=bad, bar=None,
        started=bad, completed=None, duration=bad, derived=True, tokens=bad, error="<script>", retries=1, problems=["p"])  # fmt: skip
    html = partial("timeline", timeline=SimpleNamespace(rows=[row], ticks=[]))
    assert "<script>" not in html
    assert "&lt;Step&gt;" in html
    assert "1 retry" in html
    assert "unlisted" in html


def test_a_derived_bar_is_hatched_and_a_recorded_one_is_not() -> None:
    def drawn(kind: str) -> str:
        row = SimpleNamespace(label="s", key="s", listed=True, status="success", tone="success", activity=None,
            bar=SimpleNamespace(x=10, width=30, kind=kind), started=None, completed=None, duration=None, derived=False,
            tokens=None, error=None, retries=0, problems=[])  # fmt: skip
        return partial(
            "timeline", timeline=SimpleNamespace(rows=[row], ticks=[SimpleNamespace(x=0, label="0 s")])
        ).split("<figcaption")[0]

    assert "tl-hatching" in drawn("derived")
    assert 'x="10.000%"' in drawn("recorded")
    assert "tl-hatching" not in drawn("recorded")
    assert "is-waiting" in drawn("waiting")


def test_pages_of_a_list_lead_on_and_back_to_the_first() -> None:
    html = partial("pager", page={"next_url": "?cursor=b", "first_url": "?"})
    assert "Older" in html
    assert "Newest" in html
    assert partial("pager", page={}).strip() == ""


# --- What is shipped -------------------------------------------------------------------------------------


@each("path", TEMPLATES)
def test_no_template_has_inline_style_or_script(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"\sstyle\s*=", source)
    assert not re.search(r"<script(?![^>]*\ssrc=)", source)
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", source)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", source)


def test_every_icon_that_is_used_is_in_the_sprite() -> None:
    sprite = Path(str(finders.find("console/icons.svg"))).read_text()
    there = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    sources = [path.read_text() for path in TEMPLATES]
    sources += [path.read_text() for path in (settings.BASE_DIR / "opsportal/console").rglob("*.py")]
    used = {name for source in sources for name in re.findall(r'icon\(?\s?"([a-z0-9-]+)"', source)}
    assert len(used) > 20
    assert used <= there


@pytest.mark.django_db
def test_the_first_page_is_light(client_for: Any) -> None:
    page = client_for("operator").get("/", headers={"Accept-Encoding": "gzip"})
    assert page["Content-Encoding"] == "gzip"
    html = gzip.decompress(page.content).decode()
    assets = set(re.findall(r'(?:href|src)="/static/([^"#]+)', html))
    assert any(name.endswith(".woff2") for name in assets)
    assert len(assets) <= 5, "with it and three more it is nine requests"
    files = [Path(str(finders.find(name))).read_bytes() for name in assets]
    # Fonts are compressed already.
    total = len(page.content) + sum(min(len(data), len(gzip.compress(data, 6))) for data in files)
    assert total < FIRST_PAGE_BYTES, f"{total:,} bytes compressed"


@pytest.mark.parametrize("length", [MIN_ZIPPED - 1, MIN_ZIPPED])
def test_an_answer_of_a_packet_or_two_is_not_compressed(rf: RequestFactory, length: int) -> None:
    zipping = GZipMiddleware(lambda request: HttpResponse(b"a" * length))
    answer = zipping(rf.get("/", headers={"Accept-Encoding": "gzip"}))
    assert answer.has_header("Content-Encoding") == (length == MIN_ZIPPED)


def test_what_an_answer_varies_by_already_is_kept(rf: RequestFactory) -> None:
    answering = StaffRequiredMiddleware(lambda request: HttpResponse(headers={"Vary": "Accept"}))
    assert answering(rf.get("/"))["Vary"] == "Accept, HX-Request, Cookie"


def test_vendored_stylesheets_name_no_file_that_is_not_there() -> None:
    for path in (settings.BASE_DIR / "static").rglob("*.css"):
        source = path.read_text()
        assert "sourceMappingURL" not in source
        for url in re.findall(r"url\([\"']?(?!data:)([^\"')]+)", source):
            assert (path.parent / url).exists(), f"{path}: {url}"


def test_every_vendored_file_is_listed_with_its_licence() -> None:
    folder = settings.BASE_DIR / "static/vendor"
    listing = (folder / "VENDORED.md").read_text()
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "VENDORED.md":
            assert str(path.relative_to(settings.BASE_DIR)) in listing
    assert all((package / "LICENSE").exists() for package in folder.iterdir() if package.is_dir())


def test_the_subset_keeps_what_is_used_and_repeats_the_dark_theme() -> None:
    css = (
        '.a{content:"};"}.modal,.b{x:y}.modal .c{x:y}.btn-github{x:y}[data-bs-theme=dark] .b{x:z}'
        "@media (min-width:768px){.toast{x:y}.d{x:y}}@media (min-width:1400px){.e{x:y}}/*# sourceMappingURL=a.map */"
        ':root{--one:calc(1px * (2 + 1));--two:var(--one);--three:url("data:;(");--four:var(--two)}'
        "@keyframes spin{to{x:y}}@keyframes pulse{to{x:y}}.c{animation:spin 1s}"
    )
    assert len(list(rules(css))) == 11
    assert subset(css, ".own{x:var(--four)}", kept=("a", "b", "c", "d")) == (
        '.a{content:"};"}.b{x:y}[data-bs-theme=dark] .b{x:z}'
        "@media (prefers-color-scheme:dark){[data-bs-theme=system] .b{x:z}}@media (min-width:768px){.d{x:y}}"
        ":root{--one:calc(1px * (2 + 1));--two:var(--one);--four:var(--two)}"
        "@keyframes spin{to{x:y}}.c{animation:spin 1s}"
    )
    assert "--one" not in subset(css, kept=("a", "b", "c", "d"))


# Classes by which scripts and tests find elements, or whose looks come from another.
HOOKS = frozenset(
    """
    account-form api-operations attention code failed fleet is- is-start item list list-news messages partitions
    reading-partial running saved-views searched select-count send-again spent success tl-activity
    tl-hatching tl-tokens unknown waiting
    """.split()  # noqa: SIM905
)


def test_every_class_of_a_template_and_every_property_has_its_rule() -> None:
    """One of the framework that is not in KEPT of scripts/stylesheet.py has none."""
    styles = "".join(path.read_text() for path in (settings.BASE_DIR / "static").rglob("*.css"))
    ruled = set(re.findall(r"\.([a-zA-Z][\w-]*)", styles))
    for path in TEMPLATES:
        source = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", " ", path.read_text(), flags=re.DOTALL)
        named = " ".join(re.findall(r"\bclass=\"([^\"]*)\"", source)).split()
        assert not set(named) - ruled - HOOKS, (
            f"{path}: add them to KEPT and run scripts/vendor.py, or to HOOKS"
        )
    made = [
        settings.BASE_DIR / f"opsportal/console/{name}.py"
        for name in ("cells", "columns", "figures", "frame")
    ]
    for path in (*made, *settings.BASE_DIR.glob("*/columns.py")):
        named = " ".join(re.findall(r"(?:class|css)=\"([^\"{]+)[\"{]", path.read_text())).split()
        assert named
        assert not {name for name in named if not name.endswith("-")} - ruled - HOOKS, path
    used, defined = set(re.findall(r"var\((--[\w-]+)\)", styles)), set(re.findall(r"(--[\w-]+):", styles))
    assert used <= defined


def test_a_bundle_is_made_of_its_sources_and_anew_when_one_changes(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    finder = bundles.BundleFinder()
    for name, sources in bundles.BUNDLES.items():
        found = Path(str(finder.find(name)))
        before = found.stat()
        text = found.read_text()
        at = [text.index(Path(str(finders.find(source))).read_text()) for source in sources]
        assert at == sorted(at)
        assert finder.find(name, find_all=True) == [str(found)]
        assert found.stat().st_mtime_ns == before.st_mtime_ns, "an unchanged one would be collected again"
        found.write_text("of another version")
        assert Path(str(finder.find(name))).read_text() == text
    assert [path for path, _ in finder.list([])] == list(bundles.BUNDLES)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".css", ".js"}
    scripts = {f"console/js/{path.name}" for path in (settings.BASE_DIR / "static/console/js").iterdir()}
    assert scripts <= set(bundles.BUNDLES["console/app.js"])
    assert not finder.find("console/console.css")


def test_a_page_and_its_refreshes_name_the_version_of_the_scripts(
    client_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_for("viewer")
    path = "/accounts/preferences/"
    for version in ("a1b2c3", "d4e5f6"):
        monkeypatch.setattr(context, "staticfiles_storage", SimpleNamespace(manifest_hash=version))
        assert f'data-version="{version}"' in client.get(path).content.decode()
        assert client.get(path, headers={"HX-Request": "true"})["X-Console-Version"] == version
    assert "X-Console-Version" not in client.get(path)
