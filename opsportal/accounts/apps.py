from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """The relational part: roles, preferences, saved views."""

    name = "opsportal.accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from opsportal.accounts import cache_version, recording
        from opsportal.accounts.roles import sync_after_migrate
        from opsportal.accounts.sequences import lead_past

        recording.connect()
        post_migrate.connect(sync_after_migrate, dispatch_uid="opsportal.accounts.roles")
        post_migrate.connect(
            cache_version.install_after_migrate, sender=self, dispatch_uid="opsportal.accounts.cache_version"
        )
        post_migrate.connect(lead_past, sender=self, dispatch_uid="opsportal.accounts.sequences")
