"""Keys of accounts and tokens, by which the trail names who acted, are given out once."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import Max

from opsportal.accounts import actors, tokens
from opsportal.accounts.sequences import EPOCH
from opsportal.accounts.tokens import ApiToken
from tests.conftest import PASSWORD


def token(owner: User | None, name: str = "ci") -> ApiToken:
    return tokens.make(
        name, ["audit:read"], made_by=owner, owner=owner, days=1, role="" if owner else "viewer"
    )[0]


def number_from_one(table: str) -> None:
    """As after a restore, or where Django has copied the table on SQLite: nothing is known of what was deleted."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("UPDATE sqlite_sequence SET seq = 1 WHERE name = %s", [table])
        else:
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), 1)", [table])


@pytest.mark.django_db
def test_the_key_of_what_was_deleted_is_not_given_out_again() -> None:
    first = User.objects.create_user("olga", password=PASSWORD)
    made = token(first)
    keys = first.pk, made.pk
    first.delete()
    again = User.objects.create_user("olga", password=PASSWORD)
    assert (again.pk > keys[0], token(again).pk > keys[1]) == (True, True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [User, ApiToken])
def test_migrate_leads_past_the_keys_of_a_database_that_was_lost(model: Any) -> None:
    owner = User.objects.create_user("olga", password=PASSWORD)
    lost = owner if model is User else token(owner)
    highest = model.objects.aggregate(Max("pk"))["pk__max"]
    lost.delete()
    number_from_one(model._meta.db_table)
    with time_machine.travel(EPOCH + timedelta(seconds=highest + 60)):
        call_command("migrate", verbosity=0)
    new = User.objects.create_user("anna", password=PASSWORD)
    assert (new if model is User else token(new)).pk > highest + 60
    # And never back, where more was given out than seconds have passed.
    far = 2_000_000_000
    model.objects.filter(pk=new.pk).delete()
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [far, model._meta.db_table])
        else:
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [model._meta.db_table, far])
    call_command("migrate", verbosity=0)
    last = User.objects.create_user("otto", password=PASSWORD)
    assert (last if model is User else token(last)).pk > far


@pytest.mark.django_db
def test_what_became_of_a_name() -> None:
    olga = User.objects.create_user("olga", password=PASSWORD)
    mine, service = token(olga), token(None)
    recorded = [
        (actors.user_id(olga), "olga"), (actors.token_id(mine), "olga via token ci"),
        (actors.token_id(service), "service ci"), (actors.WORKER, "retention"), ("", "olga"), ("user:7", "otto"),
        ("x", "y"), ("user:007", "olga"), ("USER:1", "olga"), ("rule:5", "olga"), ("user:1\n", "olga"), ("worker", "x"),
    ]  # fmt: skip
    marked = ["recorded by name only", "account deleted", *["unknown id"] * 5, ""]
    assert actors.sayings(recorded) == ["", "", "", "", *marked]
    olga.username = "anna"
    olga.save()
    assert actors.sayings(recorded) == ["now anna", "owner now anna", "", "", *marked]
    olga.delete()
    assert actors.sayings(recorded) == ["account deleted", "account deleted", "", "", *marked]


@pytest.mark.django_db
def test_whose_a_name_is_now(django_assert_num_queries: Any) -> None:
    olga = User.objects.create_user("olga", password=PASSWORD)
    first = token(olga)
    first.revoke(olga)
    second, service = token(olga), token(None, "olga")
    assert actors.holders("olga") == [actors.user_id(olga)]
    assert actors.holders("olga via token ci") == [actors.token_id(second), actors.token_id(first)]
    assert actors.holders("service olga") == [actors.token_id(service)]
    assert actors.holders("service ci") == actors.holders("ci") == actors.holders("OLGA") == []
    with django_assert_num_queries(0):
        assert actors.holders("olga\x00") == []
