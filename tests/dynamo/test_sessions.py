"""Credentials that do not come are named as such, with the reason: on pages, by the API, in the doctor. Nobody is asked
at the console's standard input, and nobody waits longer than a page may."""

import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from django.core.management import call_command
from django.test import Client

from opsportal import aws
from opsportal.dynamo import clients, sessions
from opsportal.dynamo.errors import CredentialsRefused, DynamoError, Unreachable, translated
from opsportal.dynamo.spending import request_budget
from opsportal.dynamo.tables import Binding
from opsportal.tables.doctor import FAIL, examine
from tests.dripping import dripping, http, whole
from tests.dynamo.fake_aws import Answer, FakeDynamo

MFA = """[profile console]
role_arn = arn:aws:iam::123456789012:role/console
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/maria
[profile keys]
aws_access_key_id = a
aws_secret_access_key = b
"""
Configure = Callable[[str], None]


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Configure]:
    """Write the AWS configuration file, whose profile is then the only source of credentials."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "console")

    def write(text: str) -> None:
        (tmp_path / "config").write_text(text)
        clients.forget()
        aws.forget()

    yield write
    clients.forget()
    aws.forget()


def tool(script: str) -> str:
    """A profile whose credentials a Python script prints."""
    return f"[profile console]\ncredential_process = {sys.executable} -c '{script}'\n"


# Name: the profile, and what is said of it.
UNUSABLE = {
    "a code of MFA": (MFA, "wants a code of MFA"),
    "no such tool": (
        "[profile console]\ncredential_process = /nowhere/tool --secret x\n",
        "credential_process (/nowhere/tool) can't be run: No such file or directory",
    ),
    "no JSON": (tool('print("sign in first")'), "printed no JSON: Expecting value"),
    "not UTF-8": (tool('import os; os.write(1, b"\\xff")'), "printed no JSON: 'utf-8' codec can't decode"),
    "a list": (tool("print([])"), "printed no credentials."),
    "half a key": (tool('print("{\\"Version\\": 1}")'), "Missing required key in response: 'AccessKeyId'"),
    "a tool that fails": (tool('raise SystemExit("no token")'), "no token"),
    "it asks": (tool("print(input())"), "EOFError"),
    "an end that is no time": (
        tool(
            'print("{\\"Version\\": 1, \\"AccessKeyId\\": \\"a\\", \\"SecretAccessKey\\": \\"b\\", \\"Expiration\\": \\"later\\"}")'
        ),
        "later",
    ),
    "an open quote": (
        '[profile console]\ncredential_process = tool "x\n',
        "can't be run: No closing quotation",
    ),
    "no source": ("[profile console]\nrole_arn = arn:aws:iam::1:role/a\n", "source_profile"),
    "a file of another kind": ("console = [1, 2]\n", "parse config file"),
}


def failure(table: Binding) -> DynamoError:
    with pytest.raises(DynamoError) as raised, translated(table):
        clients.client(*table.location).describe_table(TableName=table.name)
    return raised.value


@pytest.mark.parametrize(("profile", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_credentials_that_do_not_come_are_named_with_the_reason(
    fake: FakeDynamo,
    requests_table: Binding,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    profile: str,
    said: str,
) -> None:
    def getpass(*_: Any) -> str:
        raise AssertionError("asked at the standard input")

    monkeypatch.setattr("getpass.getpass", getpass)
    configure(profile)
    for _ in range(2):  # the first call makes the client
        found = failure(requests_table)
        assert isinstance(found, CredentialsRefused)
        assert (found.status, found.retry) == (503, True)
        assert said in found.sentence
        assert "--secret" not in found.sentence
    assert fake.asked == []


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["a code of MFA", "no such tool", "no JSON"])
def test_pages_the_api_and_the_doctor_say_so(
    fake: FakeDynamo,
    client: Client,
    client_for: Any,
    configure: Configure,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    profile, said = UNUSABLE[kind]
    configure(profile)
    viewer = client_for("viewer")
    page = viewer.get("/requests/")
    assert page.status_code == 503
    assert "No usable AWS credentials" in page.content.decode()
    answer = viewer.get("/api/requests/x")
    assert answer.status_code == 503
    assert said in answer.json()["detail"]
    assert client.get("/readyz").status_code == 503
    findings = examine("viewer")
    assert {finding.area for finding in findings if finding.state == FAIL} == {"credentials"}
    assert [said in finding.why for finding in findings if finding.area == "credentials"] == [True]
    caplog.clear()
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("dynamo", "status", stdout=out)
    assert said in out.getvalue()
    assert caplog.text == ""  # nor is there a trace between the lines


def test_a_tool_that_is_slow_holds_no_page_and_its_answer_is_not_lost(
    fake: FakeDynamo, requests_table: Binding, configure: Configure, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    keys = '{\\"Version\\": 1, \\"AccessKeyId\\": \\"a\\", \\"SecretAccessKey\\": \\"b\\"}'
    begun = f'open("{tmp_path}/begun", "a").write("x")'
    wait = (
        f'import os, time; {begun}; [time.sleep(0.02) for _ in range(3000) if not os.path.exists("{gate}")]'
    )
    configure(tool(f'{wait}; print("{keys}")'))
    fake.says(Answer({"Table": {}}))
    with request_budget(0.3):
        found = failure(requests_table)
    assert isinstance(found, CredentialsRefused)
    assert "has not answered yet" in found.sentence
    gate.touch()
    clients.client(*requests_table.location).describe_table(TableName=requests_table.name)
    assert (tmp_path / "begun").read_text() == "x"


def test_a_tool_that_never_answers_is_ended(
    fake: FakeDynamo, requests_table: Binding, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "TOOL_SECONDS", 0.5)
    configure(tool("import time; time.sleep(600)"))
    assert "did not answer within 0.5 s" in failure(requests_table).sentence
    assert not [thread for thread in threading.enumerate() if thread.name == "credentials"]


def test_what_renews_credentials_fails_as_what_gets_them(
    fake: FakeDynamo, requests_table: Binding, configure: Configure, tmp_path: Path
) -> None:
    """The tool is there when the client is made, and not when the credentials end."""
    script = tmp_path / "tool.py"
    script.write_text(
        'print(\'{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c", '
        '"Expiration": "2001-01-01T00:00:00Z"}\'); import os; os.remove(__file__)'
    )
    configure(f"[profile console]\ncredential_process = {sys.executable} {script}\n")
    assert "can't open file" in failure(requests_table).sentence


def test_a_role_that_sts_gives_no_answer_about_is_one_of_the_credentials(
    fake: FakeDynamo, requests_table: Binding, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    configure(MFA.replace("mfa_serial", "external_id"))
    found = failure(requests_table)
    assert isinstance(found, CredentialsRefused)
    assert "http://127.0.0.1:9 refuses connections" in found.sentence


def test_what_sts_refuses_is_one_of_the_credentials(
    fake: FakeDynamo, requests_table: Binding, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = b"<ErrorResponse><Error><Code>ValidationError</Code><Message>no such role</Message></Error></ErrorResponse>"
    for answer, said in (
        (
            http(refusal, status="400 Bad Request"),
            "AssumeRole was answered with ValidationError: no such role",
        ),
        (http(b"<html>Sign in</html>", status="403 Forbidden"), "AssumeRole was answered with 403"),
    ):
        with dripping(whole(answer)) as sts:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
            configure(MFA.replace("mfa_serial", "external_id"))
            found = failure(requests_table)
        assert isinstance(found, CredentialsRefused)
        assert said in found.sentence


@pytest.mark.parametrize(
    ("variable", "value"),
    [("AWS_METADATA_SERVICE_TIMEOUT", "soon"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "metadata")],
)
def test_a_variable_of_the_chain_that_is_wrong_is_no_fault_of_the_endpoint(
    fake: FakeDynamo,
    requests_table: Binding,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.delenv("AWS_PROFILE")
    configure("")
    found = failure(requests_table)
    assert isinstance(found, CredentialsRefused)
    assert value in found.sentence


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://127.0.0.1:99999", "127.0.0.1:8000", "http://"])
def test_an_endpoint_of_the_environment_is_named_where_it_is_no_url(
    requests_table: Binding, settings: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    from dataclasses import replace

    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
    clients.forget()
    found = failure(replace(requests_table, endpoint=""))
    assert isinstance(found, Unreachable)
    assert found.sentence == f"The endpoint {url} is not a URL."


def test_sessions_share_what_botocore_knows_and_reading_it_asks_nobody(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(f"[profile console]\ncredential_process = touch {tmp_path / 'asked'}\n")
    threads = threading.active_count()
    sessions.load_data()
    assert not (tmp_path / "asked").exists()
    assert threading.active_count() == threads
    one, other = loader(), loader()
    assert one is other
    assert one.load_service_model("dynamodb", "service-2") is other.load_service_model(
        "dynamodb", "service-2"
    )
    # A setting of where else to look holds.
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    assert str(tmp_path) in loader().search_paths
    monkeypatch.setenv("AWS_PROFILE", "absent")
    sessions.load_data()


def test_the_endpoints_that_are_kept_are_those_of_all_that_is_called() -> None:
    own, theirs = sessions.Session(), botocore.session.Session()
    for region in ("eu-central-1", "cn-north-1", "us-gov-west-1"):
        for service in ("dynamodb", "sqs", "sts", "cloudwatch", "kms", "sso", "sso-oidc"):
            mine, botocores = (
                session.create_client(
                    service, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
                ).meta
                for session in (own, theirs)
            )
            assert mine.endpoint_url == botocores.endpoint_url
            assert mine.service_model.endpoint_prefix in sessions.CALLED
    for partition in loader().load_data("endpoints")["partitions"]:
        assert set(partition["services"]) <= set(sessions.CALLED)  # 7 MB, of each process


def loader() -> Any:
    """Of a session of its own."""
    session = sessions.Session()
    session.create_client("dynamodb", region_name="x", aws_access_key_id="a", aws_secret_access_key="b")
    return session.get_component("data_loader")
