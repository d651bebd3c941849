import getpass
import sys
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from opsportal.accounts.roles import ROLES, AccountExists, create_user


class Command(BaseCommand):
    help = "Create a staff account with one role. --update changes its role and password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=ROLES)
        parser.add_argument("--email", default="", help="People can sign in with it too.")
        parser.add_argument(
            "--password-stdin",
            action="store_true",
            help="Read the password from the first line of standard input instead of asking for it.",
        )
        parser.add_argument("--update", action="store_true", help="Change the account if it exists.")

    def handle(self, *args: Any, **options: Any) -> None:
        username, email = options["username"], options["email"]
        account = User(username=username, email=email)
        try:
            User.username_validator(User.normalize_username(username))
            if email:
                validate_email(email)
            exists = User.objects.filter(username=User.normalize_username(username)).exists()
            if exists and not options["update"]:
                raise AccountExists(f"There is an account {username!r} already; --update changes it.")
            password = _from_stdin() if options["password_stdin"] else _asked()
            validate_password(password, account)
            create_user(username, options["role"], password, email, update=options["update"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except ValueError as error:
            raise CommandError(str(error)) from error
        done = "Changed" if exists else "Created"
        self.stdout.write(self.style.SUCCESS(f"{done} {username} with the role {options['role']}."))


def _from_stdin() -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise CommandError("Standard input holds no password.")
    return password


def _asked() -> str:
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask for the password: use --password-stdin.")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Password again: ") != password:
        raise CommandError("The two passwords differ.")
    return password
