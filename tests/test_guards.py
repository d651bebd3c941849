"""The tests' own guards hold."""

import re
import socket
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tests.engines import Engine
from tests.loopback import OutboundRefusedError


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_no_test_reaches_another_machine(method: str) -> None:
    with socket.socket() as outward, pytest.raises(OutboundRefusedError):
        getattr(outward, method)(("192.0.2.1", 443))


def test_no_test_sends_to_another_machine_or_looks_it_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward, pytest.raises(OutboundRefusedError):
        outward.sendto(b"", ("192.0.2.1", 53))
    with pytest.raises(OutboundRefusedError):
        socket.getaddrinfo("example.com", 443)


def test_tables_are_empty_and_of_the_test_alone(tables: dict[str, object], engine: Engine) -> None:
    from opsportal.dynamo.clients import client
    from opsportal.dynamo.tables import binding

    assert list(tables) == ["workflows", "requests", "request_logs", "agents"]
    for logical in tables:
        table = binding(logical)
        assert table.endpoint == engine.endpoint
        answer = client(table.region, table.endpoint).scan(TableName=table.name)
        assert answer["Count"] == 0


@pytest.mark.parametrize("role", ["viewer", "operator", "administrator"])
def test_personas_have_their_role(role: str, user_of: object) -> None:
    user = user_of(role)
    assert user.is_staff
    assert [group.name for group in user.groups.all()] == [role]


def test_no_arn_is_made_but_where_the_partition_is_known() -> None:
    """In China an ARN that begins with ``arn:aws:`` is malformed."""
    made = re.compile(r"arn:(aws|\{|%)|arn:[\"']\s*(\+|%)")
    folders = ("opsportal", "tracking", "requests_app", "registry", "writers", "scripts", "templates")
    files = [
        file for folder in folders for file in Path(folder).rglob("*.*") if file.suffix in (".py", ".html")
    ]
    assert len(files) > 300
    makers = [str(file) for file in files if made.search(file.read_text())]
    assert makers == ["opsportal/dynamo/aws_names.py"]


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Late imports count; those for types alone do not. CycleError names a circle."""
    packages = ("opsportal", "tracking", "requests_app", "registry", "writers")
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 300
    # A file with another dot in its name is no module, so no rule sees it.
    assert "opsportal.gunicorn_conf" in imports
    TopologicalSorter(imports).prepare()
