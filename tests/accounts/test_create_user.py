"""`create_user`, the function and the command."""

import io
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from opsportal.accounts.roles import AccountExists, create_user, role_of

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-enough-secret"


def test_a_new_account_is_staff_in_one_group() -> None:
    user = create_user("ada", "operator", PASSWORD, "Ada@Example.COM")
    user = User.objects.get(pk=user.pk)
    assert (user.is_staff, user.is_active, user.is_superuser) == (True, True, False)
    assert [group.name for group in user.groups.all()] == ["operator"]
    assert user.check_password(PASSWORD)
    assert user.email == "Ada@example.com"


def test_an_existing_account_is_left_alone() -> None:
    create_user("ada", "viewer", PASSWORD)
    with pytest.raises(AccountExists):
        create_user("ada", "administrator", "other")
    user = User.objects.get(username="ada")
    assert role_of(user) == "viewer"
    assert user.check_password(PASSWORD)


def test_update_changes_role_and_password_and_lets_in_again() -> None:
    user = create_user("ada", "administrator", PASSWORD, "ada@example.com")
    user.groups.add(Group.objects.create(name="auditors"))
    User.objects.filter(pk=user.pk).update(is_active=False, is_staff=False)
    create_user("ada", "viewer", "another-long-secret", update=True)
    user = User.objects.get(username="ada")
    assert sorted(group.name for group in user.groups.all()) == ["auditors", "viewer"]
    assert user.check_password("another-long-secret")
    assert (user.is_active, user.is_staff) == (True, True)
    assert user.email == "ada@example.com"


def test_update_without_a_password_keeps_it() -> None:
    create_user("ada", "viewer", PASSWORD)
    create_user("ada", "operator", None, update=True)
    assert User.objects.get(username="ada").check_password(PASSWORD)


@pytest.mark.parametrize(
    ("username", "role", "password"), [("a", "emperor", "x"), (" ", "viewer", "x"), ("a", "viewer", "")]
)
def test_nonsense_is_refused_and_makes_nothing(username: str, role: str, password: str) -> None:
    with pytest.raises(ValueError, match=r"role|empty|password"):
        create_user(username, role, password)
    assert not User.objects.exists()


# --- The command ----------------------------------------------------------------------------------------


def run(monkeypatch: pytest.MonkeyPatch, *args: str, stdin: str = PASSWORD + "\n") -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    out = io.StringIO()
    call_command("create_user", *args, stdout=out)
    return out.getvalue()


def test_the_command_makes_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    said = run(
        monkeypatch, "ada", "--role", "administrator", "--email", "ada@example.com", "--password-stdin"
    )
    assert "Created ada with the role administrator." in said
    user = User.objects.get(username="ada")
    assert user.check_password(PASSWORD)
    assert role_of(user) == "administrator"
    assert "Changed" in run(monkeypatch, "ada", "--role", "viewer", "--password-stdin", "--update")
    assert role_of(user) == "viewer"


@pytest.mark.parametrize(
    ("args", "stdin", "said"),
    [
        (["ada", "--role", "emperor", "--password-stdin"], "x", "invalid choice"),
        (["ada", "--password-stdin"], "x", "--role"),
        (["ada", "--role", "viewer", "--password-stdin"], "", "Standard input holds no password"),
        (["ada", "--role", "viewer", "--password-stdin"], "short\n", "too short"),
        (["ada", "--role", "viewer", "--password-stdin"], "password123\n", "too common"),
        (["ada lovelace", "--role", "viewer", "--password-stdin"], PASSWORD, "valid username"),
        # Its compatible form, in which names are stored, has spaces.
        (["ada\ufdfa", "--role", "viewer", "--password-stdin"], PASSWORD, "valid username"),
        (["ada", "--role", "viewer", "--email", "nonsense", "--password-stdin"], PASSWORD, "valid email"),
        (["taken", "--role", "viewer", "--password-stdin"], PASSWORD, "--update changes it"),
        (["ada", "--role", "viewer"], PASSWORD, "use --password-stdin"),
    ],
)
def test_the_command_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, args: list[str], stdin: str, said: str
) -> None:
    create_user("taken", "viewer", PASSWORD)
    with pytest.raises(CommandError, match=said):
        run(monkeypatch, *args, stdin=stdin)
    assert User.objects.count() == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answers", "made"), [([PASSWORD, PASSWORD], True), ([PASSWORD, "other"], False)])
def test_the_command_asks_twice(monkeypatch: pytest.MonkeyPatch, answers: list[str], made: bool) -> None:
    asked = iter(answers)
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(asked))
    arguments: Any = ("create_user", "ada", "--role", "viewer")
    if made:
        call_command(*arguments, stdout=io.StringIO())
    else:
        with pytest.raises(CommandError, match="differ"):
            call_command(*arguments)
    assert User.objects.filter(username="ada").exists() is made
