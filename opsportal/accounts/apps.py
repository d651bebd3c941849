from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """The relational part: roles, preferences, saved views."""

    name = "opsportal.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from opsportal.accounts.roles import sync_after_migrate

        post_migrate.connect(sync_after_migrate, dispatch_uid="opsportal.accounts.roles")
