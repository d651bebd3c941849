"""Secrets of second factors at rest: encrypted with a key derived from SECRET_KEY, so a copy of the database alone
signs nobody in.

What is stored is a Fernet token (AES-128-CBC with HMAC-SHA256). SECRET_KEY encrypts; SECRET_KEY_FALLBACKS decrypt too.
Text that is no such token is never taken for a secret: whoever can write into the database can't plant one.
"""

import base64
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

# Binds the derived key to this use of SECRET_KEY. With another one nothing stored can be decrypted.
INFO = b"opsportal.accounts.second-factors"


class Undecryptable(Exception):
    """No key of this console decrypts it: stored under another SECRET_KEY, changed, or never encrypted."""


@lru_cache(maxsize=16)
def _fernet(secret_key: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=INFO).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def _keys() -> MultiFernet:
    return MultiFernet([_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def encrypt(text: str) -> str:
    """`text` as a token, by SECRET_KEY."""
    return _keys().encrypt(text.encode()).decode()


def decrypt(token: Any) -> str:
    """The text of `token`, by SECRET_KEY or one of SECRET_KEY_FALLBACKS; never empty. Raises `Undecryptable`."""
    try:
        text = _keys().decrypt(token.encode()).decode()
    except (InvalidToken, AttributeError, ValueError):  # ValueError: no UTF-8, or surrogates
        text = ""
    if not text:  # an empty secret gives codes that anyone can compute
        raise Undecryptable
    return text


def rotated(token: str) -> str:
    """`token` under SECRET_KEY; itself where it is that already. Raises `Undecryptable`."""
    try:
        _fernet(settings.SECRET_KEY).decrypt(token.encode())
    except (InvalidToken, ValueError):
        return encrypt(decrypt(token))
    return token


def changed(data: Any, change: Callable[[str], str]) -> Any:
    """A copy of an authenticator's `data` with `change` applied to each secret in it: allauth's `secret` of an app,
    `seed` of recovery codes, and the codes in `migrated_codes`. What has another shape stays as it is."""
    if not isinstance(data, dict):
        return data
    done = dict(data)
    for name in ("secret", "seed"):
        if isinstance(done.get(name), str):
            done[name] = change(done[name])
    codes = done.get("migrated_codes")
    if isinstance(codes, list):
        done["migrated_codes"] = [change(code) if isinstance(code, str) else code for code in codes]
    return done
