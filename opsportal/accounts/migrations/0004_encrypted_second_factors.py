from collections.abc import Callable
from typing import Any

from django.db import migrations

from opsportal.accounts.encryption import Undecryptable, changed, decrypt, encrypt, is_token


def _encrypted(text: str) -> str:
    """An empty text stays: it is no secret, and nobody signs in with one."""
    return encrypt(text) if text and not is_token(text) else text


def _decrypted(text: str) -> str:
    """What no key decrypts stays: it may be decrypted yet, with the key that is missing here."""
    try:
        return decrypt(text)
    except Undecryptable:
        return text


def _each(change: Callable[[str], str]) -> Callable[[Any, Any], None]:
    def run(apps: Any, schema_editor: Any) -> None:
        rows = apps.get_model("mfa", "Authenticator").objects.using(schema_editor.connection.alias)
        ours = rows.filter(type__in=("totp", "recovery_codes"))
        for pk in list(ours.values_list("pk", flat=True)):
            # Locked, so that a recovery code used meanwhile stays used.
            for row in rows.select_for_update().filter(pk=pk):
                if (data := changed(row.data, change)) != row.data:
                    rows.filter(pk=pk).update(data=data)

    return run


class Migration(migrations.Migration):
    """Encrypt the secrets of second factors. Repeated it changes nothing; what it does not know it leaves."""

    dependencies = [
        ("accounts", "0003_api_tokens"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]
    operations = [migrations.RunPython(_each(_encrypted), _each(_decrypted))]
