"""What `make run` prepares, it prepares once."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db.migrations.recorder import MigrationRecorder

from opsportal.run import prepare


@pytest.mark.django_db
def test_migrations_run_where_one_is_pending_or_a_role_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr("django.core.management.call_command", lambda name, **_: called.append(name))

    def migrates() -> bool:
        called.clear()
        prepare.migrate_accounts()
        assert called.pop() == "createcachetable"
        return called == ["migrate"]

    assert not migrates()
    viewer = Group.objects.get(name="viewer")
    taken = viewer.permissions.first()
    assert taken
    viewer.permissions.remove(taken)
    assert migrates()
    viewer.permissions.set([*viewer.permissions.all(), taken])
    Group.objects.create(name="a team's own").permissions.add(taken)
    assert not migrates()
    MigrationRecorder.Migration.objects.filter(app="accounts").last().delete()
    assert migrates()
    MigrationRecorder.Migration.objects.all().delete()
    assert migrates()


def test_a_deployment_prepares_nothing_as_it_starts() -> None:
    """Many hosts would do it at once, and migrate among it."""
    root = Path(prepare.__file__).parents[1]
    for name in ("gunicorn_conf.py", "serve.py", "wsgi.py", "server/warming.py"):
        assert "opsportal.run" not in (root / name).read_text(), name
