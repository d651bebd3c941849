"""What the accounts bring to the console."""

from opsportal.accounts.roles import ADMINISTRATOR
from opsportal.descriptors import AppDescriptor, Page

DESCRIPTOR = AppDescriptor(
    page=Page("Accounts", "users", "admin:index", "auth.view_user", "/admin/"),
    grants={
        ADMINISTRATOR: (
            "auth.view_user",
            "auth.add_user",
            "auth.change_user",
            "auth.delete_user",
            "auth.view_group",
            "mfa.view_authenticator",
            "mfa.delete_authenticator",
            "accounts.delete_savedview",
            "accounts.manage_tokens",
            "accounts.view_changes",
        ),
    },
)
