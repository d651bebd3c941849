"""What the README and docs/ say is so: settings, commands, links, examples. (The IAM policy: test_iam_policy.py.)"""

import ast
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class

from opsportal.dynamo import clients, migrations
from opsportal.dynamo.models import DynamoModel
from opsportal.dynamo.plans import migrate
from opsportal.dynamo.tables import Binding, binding
from opsportal.operations.entries import Actor, new_action_id
from opsportal.operations.observation import observe
from opsportal.operations.tags import Action, read_action
from opsportal.operations.transactions import Conflict
from requests_app import action_views, actions
from tests.operations.places import get, put, request_item, trail
from tracking import actions as workflow_actions

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, without the indentation of a list that they are in."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def block_after(mark: str) -> str:
    """The fenced block of the README that follows the comment ``mark``."""
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


# --- Settings ------------------------------------------------------------------------------------------


def documented() -> dict[str, str]:
    """Variable -> default, as the README's tables with the heading "Variable" have them."""
    tables = re.findall(r"^\| Variable \|[^\n]*\n\|[-|]+\n((?:\|[^\n]*\n)+)", README, re.MULTILINE)
    rows = [row.split(" | ") for table in tables for row in table.splitlines()]
    names = [re.findall(r"`([^`]+)`", row[0])[0] for row in rows]
    assert len(set(names)) == len(names)
    return dict(zip(names, (row[1] for row in rows), strict=True))


def settings_read() -> dict[str, Any]:
    """Variable -> default where it is a literal (else ...), for each ``env.*(`` in the settings."""
    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse((ROOT / "opsportal/settings.py").read_text())):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).startswith(("env.", "os.environ.")):
            continue
        match node.args[0]:
            case ast.Constant(value=name):
                default = next((k.value for k in node.keywords if k.arg == "default"), node.args[-1])
            case ast.JoinedStr(values=[_, ast.Constant(value=suffix)]):
                name, default = f"DYNAMODB_<TABLE>{suffix}", node
            case other:
                pytest.fail(f"a setting whose name can't be read: {ast.unparse(other)}")
        found[name] = default.value if isinstance(default, ast.Constant) else ...
    return found


def test_every_setting_is_in_the_readme() -> None:
    read = settings_read()
    assert len(read) > 30
    assert set(read) - set(documented()) == set()


def test_every_variable_of_make_run_and_of_the_web_server_is_in_the_readme() -> None:
    places = ["opsportal/gunicorn.conf.py", "opsportal/server/environment.py"]
    places += [*(f"opsportal/run/{name}.py" for name in ("options", "prepare"))]
    text = "".join((ROOT / place).read_text() for place in places)
    read = set(re.findall(r'environ(?:\.get\(|, |\[)"([A-Z][A-Z_]+)"', text))
    assert {"PORT", "SIMULATE", "DEMO_PASSWORD", "WEB_THREADS"} <= read
    ours_alone = {"PATH_INFO", "OPSPORTAL_DEMO_DATABASE"}  # a request's, and passed to our own child
    assert read - ours_alone - set(documented()) == set()


def test_every_variable_in_the_readme_is_read() -> None:
    places = [*(ROOT / "opsportal/run").glob("*.py"), ROOT / "opsportal/gunicorn.conf.py"]
    places += [ROOT / "opsportal/server/environment.py"]
    places += [ROOT / "opsportal/dynamo/tables.py", ROOT / "opsportal/telemetry/shared_files.py"]
    quoted = set(re.findall(r'"([A-Z][A-Z_]+)"', "".join(place.read_text() for place in places)))
    assert set(documented()) - set(settings_read()) - quoted == set()


# Names in the documents that look like settings, and who reads them in place of the settings.
READ_BY_OTHERS = {
    "HTTPS_PROXY": "botocore", "AWS_ACCESS_KEY_ID": "the AWS chain", "SSL_CERT_FILE": "OpenSSL", "OAUTH_PKCE_ENABLED": "allauth, in its JSON",
    "POSTGRES_PASSWORD": "compose.yaml", "BASE": "Dockerfile", "ACCEPT_DYNAMODB_LOCAL_LICENSE": "scripts/arbiter.py",
    "ARGS": "Makefile", "COVERAGE": "Makefile", "ENGINE": "Makefile", "PYTHON": "Makefile",
    "CONSOLE": "the example itself", "TOKEN": "the example itself",
}  # fmt: skip
NO_SETTINGS = {
    "AF_INET",
    "AF_INET6",
    "AF_UNIX",
    "REQUEST_LOGS",
    "REQUEST_PROMOTE",
    "DYNAMO_TABLES",
    "INSTALLED_APPS",
}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_setting_that_a_document_names_is_read(document: Path) -> None:
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


def test_defaults_in_the_readme_are_those_of_the_settings() -> None:
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


def test_the_tables_in_the_readme_are_those_of_the_settings(settings: Any) -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \| ([\w-]+) \| `(\w+)` \|$", README, re.MULTILINE)
    assert rows == [
        (logical.upper(), table["name"], table["default_region"], table["key"])
        for logical, table in settings.DYNAMO_TABLES.items()
    ]


# --- Commands and links ----------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
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


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_resolves(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor in map(_slug, headings), target


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs/images").glob("*"))
    assert pictures
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG"), picture.name
        assert picture.stat().st_size < 300_000, picture.name
        assert f"docs/images/{picture.name}" in README, picture.name


def test_the_picture_of_the_folders_is_that_of_the_repository() -> None:
    folder = ROOT
    for line in block_after("tree").splitlines():
        indented, name = line.startswith("  "), line.split()[0]
        path = (folder if indented else ROOT) / name
        assert path.is_dir() if name.endswith("/") else path.is_file(), line
        folder = folder if indented else path


# --- The examples ------------------------------------------------------------------------------------------


def test_the_writers_example_runs(
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
    (example,) = (block for block in blocks(README, "json") if '"agents"' in block)
    said = json.loads(example)
    answer = client_for("viewer").get("/api/workflow/session-123/status").json()
    assert list(answer) == list(said)
    assert list(answer["agents"]["pdfAdapter"]) == list(said["agents"]["pdfAdapter"])


def test_the_step_list_of_the_docs_is_shown(settings: Any) -> None:
    from tracking.steps import steps_of

    (example,) = blocks((ROOT / "docs/adding.md").read_text(), "json")
    settings.WORKFLOW_STEPS = json.loads(example)
    assert [(step.label, step.activity) for step in steps_of({})] == [
        ("Intake", "Waiting for a document"),
        ("Risk check", "Waiting for intake"),
    ]


def test_the_table_of_the_docs_can_be_added_as_they_say(
    tables: dict[str, Binding], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, line, model, migration, *_ = blocks((ROOT / "docs/adding.md").read_text(), "python")
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
    client = clients.client(*table.place)
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
    tables: dict[str, Binding], operator: Any, rf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, function, page = blocks((ROOT / "docs/adding.md").read_text(), "python")
    tag = SimpleNamespace(REQUEST_PROMOTE=read_action("request:promote"))
    action = {**vars(actions), "Action": tag}
    exec(compile(function, "docs/adding.md", "exec"), action)
    put(tables["requests"], request_item("req-1", status="pending", priority={"S": "low"}))
    put(tables["requests"], request_item("req-2", status="failed"))
    who = {"by": Actor("olga", "operator", "user:1001"), "reason": "urgent"}
    done = action["promote"]("req-1", action_id=new_action_id(), **who)
    item = get(tables["requests"], "req-1")
    assert item is not None
    assert item["priority"] == {"S": "high"}
    assert [entry["action"]["S"] for entry in trail(tables["requests"])] == ["request:promote"]
    assert observe(done.entry, item, "updated_at", actions.keeps).fate == "requested"
    with pytest.raises(Conflict, match="only what waits can be promoted"):
        action["promote"]("req-2", action_id=new_action_id(), **who)

    views = {**vars(action_views), "Action": tag, "actions": SimpleNamespace(**action)}
    exec(compile(page, "docs/adding.md", "exec"), views)
    request = rf.get("/requests/req-1/promote/", headers={"HX-Request": "true"})
    request.user = operator
    shown = views["promote"](request, "req-1").content.decode()
    assert "Gives it high priority." in shown
    assert 'type="submit"' in shown
    assert "only what waits can be promoted" in views["promote"](request, "req-2").content.decode()


# --- Operating -----------------------------------------------------------------------------------------------


OPERATING = (ROOT / "docs/operating.md").read_text()


def test_every_action_has_its_row() -> None:
    rows = re.findall(
        r"^\| (\w*) ?\| ([\w ,]+) \|", OPERATING.partition("## What an action's page asks")[0], re.M
    )
    said, subject = set(), ""
    for on, verbs in rows[1:]:
        subject = on.lower() or subject
        said |= {f"{subject}:{verb}" for verb in verbs.split(", ")}
    # The worker's own, that of `manage.py dynamo retention --keep`, and what only agents do.
    not_on_pages = {"request:purge_logs", "request:expire", "request:keep", "agent:heartbeat"}
    tags = {f"{action.subject}:{action.spoken}" for action in Action if action.verb != "undo"}
    assert said - {"request:start like this one"} == tags - not_on_pages


def test_messages_have_the_bodies_that_are_told() -> None:
    bodies = re.findall(r"^\|[^|]+\| `(\w+)` \| (.*) \|$", OPERATING, re.M)
    told = {setting: set(re.findall(r"`(\w+)`", body)) for setting, body in bodies}
    queued = actions.queue_body({}, "r", datetime.now(UTC), 0)
    assert told["REQUESTS_QUEUE_URL"] == {*queued, *queued["metadata"], "action_id"}
    command = workflow_actions.command({}, "s", None)
    assert told["WORKFLOW_COMMANDS_QUEUE_URL"] == {*command, command["action"], "action_id"}


def test_every_sentence_that_is_told_is_said() -> None:
    """Without what depends on the item and the moment."""
    folders = ("opsportal", "requests_app", "tracking", "templates")
    files = [
        file for folder in folders for file in (ROOT / folder).rglob("*.*") if file.suffix in (".py", ".html")
    ]
    text = "".join(file.read_text() for file in files)
    part = OPERATING.partition("## What a page says")[2].partition("## The audit trail")[0]
    told = re.findall(r"^\| \*([^*]+)\*", part, re.M)
    assert len(told) > 10
    for sentence in told:
        pieces = re.split(
            r"Cancel|olga|\d+ (?:s|min) ago|completed|request|REQUESTS_QUEUE_URL|[:;.]", sentence
        )
        for piece in pieces:
            assert piece.strip() in text, sentence
