"""README.md and docs/ are true: settings, commands, links, examples. (The IAM policy: test_iam_policy.py.)"""

import ast
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class

from opsportal.console.access import Access, access_of
from opsportal.dynamo import clients, migrations
from opsportal.dynamo.models import DynamoModel
from opsportal.dynamo.plans import migrate
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.entries import Actor
from opsportal.operations.observation import observe
from opsportal.operations.tags import Action, read_action
from opsportal.operations.transactions import Conflict
from opsportal.settings import env
from requests_app import action_views, actions
from tests.cases import each
from tests.operations.places import get, put, request_item, trail
from tracking import actions as workflow_actions

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(ROOT.glob("docs/*.md"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *PAGES])
PACKAGES = ("opsportal", "tracking", "requests_app", "registry", "writers")
# Words of a page, and of a paragraph.
MAX_WORDS = 1500
MAX_PARAGRAPH = 90


def text_of(*paths: str) -> str:
    """The text of one or more documents, one after the other."""
    return "\n".join((ROOT / path).read_text() for path in paths)


def outside_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


README = text_of("README.md")


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, without the indentation of a list that they are in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def assert_printed(page: str, command: str, output: str) -> None:
    """The page's sample of what `command` prints is like `output`: each line is among its lines, in their order, but
    for numbers, names of tables and what stands for ``...``."""
    (sample,) = (
        body for body in blocks(text_of(f"docs/{page}.md"), "text") if body.startswith(f"$ {command}\n")
    )
    left = iter([_alike(line) for line in output.splitlines()])
    for line in sample.splitlines()[1:]:
        assert line == "..." or _alike(line) in left, line


def _alike(line: str) -> str:
    line = re.sub(r" at http://\S+", "", line)
    line = re.sub(
        r"[\w-]*?-?(market_intelligence_requests|request_processing_logs|AgentRegistry)\b", r"\1", line
    )
    line = re.sub(r"backup/\S+", "backup/", line)
    return " ".join(re.sub(r"[\d,]*\d", "0", line).split())


def block_after(mark: str) -> str:
    """The fenced block of the README that follows the comment ``mark``."""
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def test_each_promise_names_a_test_that_there_is() -> None:
    rows = re.findall(r"^\| [^|]+ \| (.+) \|$", text_of("docs/reliability.md"), re.MULTILINE)
    named = [re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row) for row in rows if row != "Test"]
    assert len(named) > 40
    for tests in named:
        assert tests
        for path, name in tests:
            assert re.search(rf"^def {name}\b", (ROOT / path).read_text(), re.MULTILINE), name


# --- Settings ------------------------------------------------------------------------------------------


def documented() -> dict[str, str]:
    """Variable -> default, as the tables of docs/configuration.md have them."""
    text = text_of("docs/configuration.md")
    tables = re.findall(r"^\| Variable \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", text, re.MULTILINE)
    rows = [row.split(" | ") for table in tables for row in table.splitlines()]
    names = [re.findall(r"`([^`]+)`", row[0])[0] for row in rows]
    assert len(set(names)) == len(names)
    return dict(zip(names, (row[1] for row in rows), strict=True))


def known() -> set[str]:
    """The variables, those of each table with its name."""
    return set(documented()) | env.names


def settings_read() -> dict[str, Any]:
    """Variable -> default where it is a literal (else ...), for each ``env.*(`` in the settings."""
    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse((ROOT / "opsportal/settings.py").read_text())):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).startswith(("env.", "os.environ.")):
            continue
        match node.args[0]:
            case ast.Constant(value=name):
                named = [keyword.value for keyword in node.keywords if keyword.arg == "default"]
                default = [*named, *node.args[1:], node][0]
            case ast.JoinedStr(values=[_, ast.Constant(value=suffix)]):
                name, default = f"DYNAMODB_<TABLE>{suffix}", node
            case other:
                pytest.fail(f"a setting whose name can't be read: {ast.unparse(other)}")
        found[name] = default.value if isinstance(default, ast.Constant) else ...
    return found


def test_every_setting_is_documented() -> None:
    read = settings_read()
    assert len(read) > 30
    assert set(read) - set(documented()) == set()


def test_every_variable_of_make_run_and_the_web_server_is_documented() -> None:
    locations = ["opsportal/gunicorn_conf.py", "opsportal/server/environment.py"]
    locations += [*(f"opsportal/run/{name}.py" for name in ("options", "prepare"))]
    text = "".join((ROOT / place).read_text() for place in locations)
    read = set(re.findall(r'environ(?:\.get\(|, |\[)"([A-Z][A-Z_]+)"', text))
    assert {"PORT", "SIMULATE", "DEMO_PASSWORD", "WEB_THREADS"} <= read
    ours_alone = {"PATH_INFO", "OPSPORTAL_DEMO_DATABASE"}  # a request's, and passed to our own child
    assert read - ours_alone - set(documented()) == set()


def test_every_documented_variable_is_read() -> None:
    locations = [*(ROOT / "opsportal/run").glob("*.py"), ROOT / "opsportal/gunicorn_conf.py"]
    locations += [ROOT / "opsportal/server/environment.py"]
    locations += [ROOT / "opsportal/aws.py", ROOT / "opsportal/telemetry/shared_files.py"]
    locations += [ROOT / "opsportal/dynamo/tables.py"]
    quoted = set(re.findall(r'"([A-Z][A-Z_]+)"', "".join(place.read_text() for place in locations)))
    assert set(documented()) - set(settings_read()) - quoted == set()


# Names in the documents that look like settings, and who reads them in place of the settings.
READ_BY_OTHERS = {
    "HTTPS_PROXY": "botocore", "AWS_CA_BUNDLE": "botocore", "AWS_ACCESS_KEY_ID": "the AWS chain", "AWS_SECRET_ACCESS_KEY": "the AWS chain",
    "SSL_CERT_FILE": "OpenSSL", "OAUTH_PKCE_ENABLED": "allauth, in its JSON",
    "POSTGRES_PASSWORD": "compose.yaml", "BASE": "Dockerfile", "VERSION": "Dockerfile", "ACCEPT_DYNAMODB_LOCAL_LICENSE": "scripts/arbiter.py",
    "ARGS": "Makefile", "COVERAGE": "Makefile", "ENGINE": "Makefile", "PYTHON": "Makefile",
    "CONSOLE": "the example itself", "TOKEN": "the example itself",
}  # fmt: skip
NO_SETTINGS = {
    "AGAIN",  # make's
    "AF_INET",
    "AF_INET6",
    "AF_UNIX",
    "REQUEST_LOGS",
    "REQUEST_PROMOTE",
    "DYNAMO_TABLES",
    "INSTALLED_APPS",
}


@each("document", DOCUMENTS)
def test_every_variable_that_a_page_names_exists(document: Path) -> None:
    code = re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", document.read_text(), re.DOTALL)
    text = "\n".join(block or span for block, span in code)
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", text))
    named |= set(re.findall(r"(?:^|\s)([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    of_a_table = {
        name for name in named if re.fullmatch(r"DYNAMODB_\w+_(TABLE|REGION|ENDPOINT_URL|KEY)", name)
    }
    assert named - of_a_table - set(documented()) - set(READ_BY_OTHERS) - NO_SETTINGS == set()
    for name in named & set(READ_BY_OTHERS):
        if (place := ROOT / READ_BY_OTHERS[name]).is_file():
            assert name in place.read_text()


def test_documented_defaults_match_the_settings() -> None:
    said = documented()
    literal = {
        name: default
        for name, default in settings_read().items()
        if default not in (..., "", None) and not name.startswith("DYNAMODB_<")
    }
    assert len(literal) > 15
    for name, default in literal.items():
        expected = str(int(default)) if isinstance(default, bool) else str(default)
        assert f"`{expected}`" in said[name], name


def test_documented_tables_match_the_settings(settings: Any) -> None:
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| `([^`]+)` \| ([\w-]+) \| `(\w+)` \|$", text_of("docs/aws.md"), re.MULTILINE
    )
    assert rows == [
        (logical.upper(), table["name"], table["default_region"], table["key"])
        for logical, table in settings.DYNAMO_TABLES.items()
    ]


# --- Commands and links ----------------------------------------------------------------------------------


@each("document", DOCUMENTS)
def test_every_command_named_exists(document: Path) -> None:
    code = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", document.read_text(), re.DOTALL)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for text in "\n".join(block or span for block, span in code).splitlines():
        line = text.partition("  #")[0].strip()
        if found := re.match(r"(?:[A-Z_]+=\S+ )*make((?: [A-Z]+=(?:\"[^\"]*\"|\S+))*)(?: ([a-z-]+))?", line):
            assert found[2] is None or found[2] in targets, line
        for name, arguments in re.findall(r"manage\.py (\w+)([^#\n]*)", line):
            assert name in get_commands(), line
            _check_options(name, arguments.split(), line)
        for script in re.findall(r"(?<![\w/])((?:scripts|\.ci)/[\w.]+)", line):
            assert (ROOT / script).exists(), line


def test_every_command_of_ours_is_in_the_list_of_commands() -> None:
    ours = {name for name, application in get_commands().items() if str(application).startswith("opsportal")}
    parser = load_command_class("opsportal", "dynamo").create_parser("manage.py", "dynamo")
    (subcommands,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
    assert subcommands.keys() > {"doctor", "verify"}
    rows = "".join(re.findall(r"^\| (`.*?) \|", text_of("docs/commands.md"), re.MULTILINE))
    listed = set(re.findall(r"`([\w -]+)`", rows))
    assert listed == {f"dynamo {name}" for name in subcommands} | ours - {"dynamo"}


def _check_options(name: str, arguments: list[str], line: str) -> None:
    application: Any = get_commands()[name]
    command = load_command_class(application, name) if isinstance(application, str) else application
    parser = command.create_parser("manage.py", name)
    words = {word for action in parser._actions for word in action.option_strings}
    for action in parser._actions:
        for subcommand, inner in action.choices.items() if isinstance(action.choices, dict) else ():
            words |= {subcommand, *(word for other in inner._actions for word in other.option_strings)}
    unknown = [word for word in arguments if word.startswith("--") and word not in words]
    assert not unknown, line
    if name == "dynamo" and arguments:
        assert arguments[0] in words, line


def links(document: Path) -> list[str]:
    """The relative links of a document, as they are written."""
    found = re.findall(r"\]\(([^)\s]+)\)", outside_blocks(document.read_text()))
    return [target for target in found if "://" not in target]


def resolves(target: str, document: Path) -> bool:
    """Whether a link in ``document`` leads to a file that exists and, if it has one, to its anchor."""
    path, _, anchor = target.partition("#")
    file = document.parent / path if path else document
    if not anchor or not file.exists():
        return file.exists()
    headings = re.findall(r"^#+ (.+)$", outside_blocks(file.read_text()), re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each("document", DOCUMENTS)
def test_every_relative_link_resolves(document: Path) -> None:
    assert [target for target in links(document) if not resolves(target, document)] == []


def test_every_page_that_the_code_cites_exists() -> None:
    suffixes = {".py", ".html", ".js", ".css", ".toml", ".yaml", ".in", ""}
    files = [
        ROOT / name for name in ("manage.py", "pyproject.toml", "compose.yaml", "Dockerfile", "Makefile")
    ]
    for folder in (*PACKAGES, "templates", "scripts", "requirements", "benchmarks", "static/console"):
        files += [file for file in (ROOT / folder).rglob("*") if file.is_file() and file.suffix in suffixes]
    cited = {
        (str(file.relative_to(ROOT)), target)
        for file in files
        for target in re.findall(r"[\w./-]*\w\.md\b(?:#[\w-]+)?", file.read_text())
    }
    assert len(cited) > 10
    assert {(file, target) for file, target in cited if not resolves(target, ROOT / "any")} == set()


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs/README.md"
    assert set(links(index)) >= {page.name for page in PAGES} - {index.name}


@each("page", PAGES)
def test_pages_are_short(page: Path) -> None:
    text = page.read_text()
    if page.name in ("configuration.md", "iam.md", "reliability.md"):  # tables to look something up in
        text = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE)
    assert len(text.split()) <= MAX_WORDS
    paragraphs = re.split(r"\n\s*\n|\n(?=[ ]*(?:[-*|#>]|\d+\.) )", outside_blocks(text))
    assert [
        text for text in paragraphs if not text.startswith("|") and len(text.split()) > MAX_PARAGRAPH
    ] == []


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs/images").glob("*"))
    assert pictures
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG"), picture.name
        assert picture.stat().st_size < 300_000, picture.name
        assert f"docs/images/{picture.name}" in README, picture.name


def test_the_map_of_the_code_has_every_folder() -> None:
    named, parent = set(), ""
    for line in block_after("tree").splitlines():
        name = line.split()[0]
        parent = parent if line.startswith("  ") else name
        named.add(parent + name if line.startswith("  ") else name)
    assert [name for name in named if not (ROOT / name).exists()] == []
    folders = [*ROOT.iterdir(), *(ROOT / "opsportal").iterdir()]
    ours = {f"{folder.relative_to(ROOT)}/" for folder in folders if folder.is_dir()}
    generated = text_of(".gitignore").split()
    assert {name for name in ours if name[0] != "." and Path(name).name + "/" not in generated} <= named


# --- The examples ------------------------------------------------------------------------------------------


def test_the_writers_example_of_the_readme_runs(
    tables: dict[str, Binding], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (example,) = blocks(README, "python")
    table = tables["workflows"]
    default_name = "trade-matching-system-processing-status"
    assert example.count(default_name) == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", table.endpoint)
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace(default_name, table.name), "README.md", "exec"), {})
    from tracking.models import Workflow

    workflow = Workflow.read("session-1")
    assert workflow is not None
    assert workflow.overall_status == "completed"
    assert workflow.tokens == 1020


def test_the_status_example_has_the_shape_of_an_answer(db: None, client_for: Any, tables: Any) -> None:
    (example,) = blocks(text_of("docs/status-api.md"), "json")
    said = json.loads(example)
    answer = client_for("viewer").get("/api/workflow/session-123/status").json()
    assert list(answer) == list(said)
    assert list(answer["agents"]["pdfAdapter"]) == list(said["agents"]["pdfAdapter"])


def test_the_example_of_a_step_list_is_shown(settings: Any) -> None:
    from tracking.steps import steps_of

    (example,) = blocks(text_of("docs/adding.md"), "json")
    settings.WORKFLOW_STEPS = json.loads(example)
    assert [(step.label, step.activity) for step in steps_of({})] == [
        ("Intake", "Waiting for a document"),
        ("Risk check", "Waiting for intake"),
    ]


def test_the_example_of_a_new_table_works(
    tables: dict[str, Binding], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, line, model, migration, *_ = blocks(text_of("docs/adding.md"), "python")
    names: dict[str, Any] = {"__name__": "tracking.models"}
    exec(compile(spec, "docs/adding.md", "exec"), names)
    monkeypatch.setattr("tracking.tables.ARTIFACTS", names["ARTIFACTS"], raising=False)
    from opsportal.settings import _table

    entry = eval(f"{{{line}}}", {"_table": _table, "OPSPORTAL_ENV": "dev"})
    place = {"endpoint": tables["workflows"].endpoint, "name": tables["workflows"].name + "-artifacts"}
    settings.DYNAMO_TABLES = settings.DYNAMO_TABLES | {"artifacts": entry["artifacts"] | place}
    monkeypatch.setattr(DynamoModel, "_models", [*DynamoModel._models])  # the example leaves with the test
    exec(compile(model, "docs/adding.md", "exec"), names)
    exec(compile(migration, "docs/adding.md", "exec"), names)

    declared = migrations.Migration("tracking", "migration_20261201_100000_artifacts", names["migration"])
    monkeypatch.setattr(migrations, "migrations", lambda: [declared])

    table = binding("artifacts")
    client = clients.client(*table.location)
    try:
        assert migrate(lambda said: None, tables=("artifacts",)) == 1
        item = {"artifactId": {"S": "a-1"}, "createdAt": {"S": "2025-12-24T10:00:00Z"}, "more": {"N": "7"}}
        client.put_item(TableName=table.name, Item=item)
        artifact = names["Artifact"].read("a-1")
        assert artifact.raw == item
        assert (artifact.session_id, artifact.created_at.hour) == (None, 10)
    finally:
        for made in (table, migrations.ledger_of(table)):
            client.delete_table(TableName=made.name)


def test_the_action_of_the_docs_can_be_added_as_they_say(
    tables: dict[str, Binding], operator: Any, rf: Any
) -> None:
    *_, plan, declaration = blocks((ROOT / "docs/adding.md").read_text(), "python")
    tag = read_action("request:promote")
    names = {**vars(actions)}
    exec(compile(plan, "docs/adding.md", "exec"), names)
    views = {**vars(action_views), "Action": SimpleNamespace(REQUEST_PROMOTE=tag)}
    views["actions"] = SimpleNamespace(**names)
    exec(compile(declaration, "docs/adding.md", "exec"), views)
    promote = views["PROMOTE"]
    listed = replace(action_views.ACTIONS, actions=(*action_views.ACTIONS.actions, promote))

    put(tables["requests"], request_item("req-1", status="pending", priority={"S": "low"}))
    failed = put(tables["requests"], request_item("req-2", status="failed"))
    done = promote.act("req-1", by=Actor("olga", "operator", "user:1001"), reason="urgent")
    item = get(tables["requests"], "req-1") or {}
    assert item["priority"] == {"S": "high"}
    assert [entry["action"]["S"] for entry in trail(tables["requests"])] == ["request:promote"]
    assert promote.why_not("req-1", item) == "Its priority is high already."
    assert promote.why_not("req-2", failed) == "It is failed; only what waits can be promoted."
    with pytest.raises(Conflict, match="only what waits can be promoted"):
        promote.act("req-2", by=Actor("olga", "operator", "user:1001"))

    # What keeps it: a worker that goes on with it has not overwritten it.
    later = {**item, "status": {"S": "processing"}, "updated_at": {"S": "2099-01-01T00:00:00.000000"}}
    fates = [
        observe(done.entry, raw, "updated_at", listed.still_holds).fate
        for raw in (item, later, {**later, "priority": {"S": "low"}})
    ]
    assert fates == ["requested", "seen", "overwritten"]

    (url,) = [one for one in listed.urls() if one.name == "promote"]
    assert access_of(url.callback, "") == Access("permission", "requests_app.promote_requests")
    request = rf.get("/requests/req-1/promote/", headers={"HX-Request": "true"})
    request.user = operator
    assert url.resolve("req-1/promote/").kwargs == {"request_id": "req-1"}
    put(tables["requests"], request_item("req-1", status="pending", priority={"S": "low"}))
    shown = url.callback(request, request_id="req-1").content.decode()
    assert "Gives it high priority." in shown
    assert 'type="submit"' in shown
    assert "only what waits" in url.callback(request, request_id="req-2").content.decode()


# --- Actions and messages ------------------------------------------------------------------------------------


def test_every_action_has_its_row() -> None:
    table = text_of("docs/actions.md").partition("## What an action's page asks")[0]
    rows = re.findall(r"^\| (\w*) ?\| ([\w ,]+) \|", table, re.M)
    said, subject = set(), ""
    for on, verbs in rows[1:]:
        subject = on.lower() or subject
        said |= {f"{subject}:{verb}" for verb in verbs.split(", ")}
    # The worker's own (halted and finished jobs among it), that of `manage.py dynamo retention --keep`, and what only agents do.
    not_on_pages = {
        "request:purge_logs",
        "request:expire",
        "request:keep",
        "agent:heartbeat",
        "job:halt",
        "job:finish",
        # Of lists, not of items: docs/export.md.
        "export:start",
        "export:end",
        "export:download",
    }
    tags = {f"{action.subject}:{action.spoken}" for action in Action if action.verb != "undo"}
    assert said - {"request:start like this one"} == tags - not_on_pages


def test_messages_have_the_documented_bodies() -> None:
    bodies = re.findall(r"^\|[^|]+\| `(\w+)` \| (.*) \|$", text_of("docs/worker.md"), re.M)
    said = {setting: set(re.findall(r"`(\w+)`", body)) for setting, body in bodies}
    queued = actions.queue_body({}, "r", datetime.now(UTC), 0)
    assert said["REQUESTS_QUEUE_URL"] == {*queued, *queued["metadata"], "action_id"}
    command = workflow_actions.command({}, "s", None)
    assert said["WORKFLOW_COMMANDS_QUEUE_URL"] == {*command, command["action"], "action_id"}


def test_every_documented_sentence_is_in_the_code() -> None:
    """Without what depends on the item and the moment."""
    folders = ("opsportal", "requests_app", "tracking", "templates")
    files = [
        file for folder in folders for file in (ROOT / folder).rglob("*.*") if file.suffix in (".py", ".html")
    ]
    text = "".join(file.read_text() for file in files)
    sentences = re.findall(r"^\| \*([^*]+)\*", text_of("docs/messages.md"), re.M)
    assert len(sentences) > 10
    for sentence in sentences:
        pieces = re.split(
            r"Cancelled|Marked failed|olga|\d+ (?:s|min) ago|completed|request|REQUESTS_QUEUE_URL|[:;,.]",
            sentence,
        )
        for piece in pieces:
            assert piece.strip() in text, sentence
