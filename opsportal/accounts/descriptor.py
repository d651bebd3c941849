"""What the accounts bring to the console."""

from opsportal.accounts.roles import ADMINISTRATOR
from opsportal.descriptors import AppDescriptor, Page

DESCRIPTOR = AppDescriptor(
    page=Page("Accounts", "users", "admin:index", "auth.view_user", "/admin/"),
    labels={
        "login": "Username",
        "oldpassword": "Current password",
        "password1": "New password",
        "password2": "New password, again",
        "whose": "Owner",
        "days": "Days until it expires",
        "expires_at": "Expires",
        "query": "Filters",
        "is_active": "Active",
        "is_staff": "Staff",
        "is_superuser": "Superuser",
        "uid": "Id at the provider",
        "version": "",
        "next": "",
    },
    grants={
        ADMINISTRATOR: (
            "auth.view_user",
            "auth.add_user",
            "auth.change_user",
            "auth.delete_user",
            "auth.view_group",
            "mfa.view_authenticator",
            "mfa.delete_authenticator",
            "accounts.change_savedview",
            "accounts.delete_savedview",
            "accounts.manage_tokens",
            "accounts.view_changes",
        ),
    },
)
