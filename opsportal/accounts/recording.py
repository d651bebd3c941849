"""Entries of what is done to accounts, second factors, tokens and shared views, whoever does it: the admin's pages, one's
own, a login by the provider, a command, a shell.

They hang on the models' signals, so that no way in can forget them. What changes rows past the models (`update` of a
query) records by itself.
"""

from collections.abc import Iterable
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.db import models, transaction
from django.db.models.signals import m2m_changed, post_save, pre_delete, pre_save

from opsportal.accounts.actors import token_id, user_id
from opsportal.accounts.changes import acting, record
from opsportal.accounts.models import SavedView
from opsportal.accounts.tokens import ApiToken

OF_ACCOUNTS = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser")
OF_VIEWS = ("name", "page", "query", "shared")
OF_TOKENS = ("owner", "name", "role", "scopes", "expires_at")
OF_SIGN_ONS = ("user", "provider", "uid")
FACTORS = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
}


def connect() -> None:
    for model, changed, deleted in (
        (User, account_saved, account_deleted),
        (Authenticator, factor_saved, factor_deleted),
        (SocialAccount, sign_on_saved, sign_on_deleted),
        (ApiToken, token_saved, token_deleted),
        (SavedView, view_saved, view_deleted),
    ):
        # Django sends `post_save` when the row may be committed already; an entry is of the same transaction.
        model.save_base = transaction.atomic(model.save_base)  # type: ignore[method-assign]
        post_save.connect(
            changed, sender=model, dispatch_uid=f"opsportal.accounts.recording.{model.__name__}"
        )
        pre_delete.connect(
            deleted, sender=model, dispatch_uid=f"opsportal.accounts.recording.{model.__name__}"
        )
    for model in WATCHED:
        pre_save.connect(
            remember, sender=model, dispatch_uid=f"opsportal.accounts.recording.{model.__name__}"
        )
    for through, path in ((User.groups.through, "role"), (User.user_permissions.through, "permissions")):
        m2m_changed.connect(HELD[path], sender=through, dispatch_uid=f"opsportal.accounts.recording.{path}")
    pre_delete.connect(group_deleted, sender=Group, dispatch_uid="opsportal.accounts.recording.Group")


WATCHED: dict[type[models.Model], set[str]] = {
    User: {*OF_ACCOUNTS, "password"},
    SavedView: {*OF_VIEWS},
    ApiToken: {*OF_TOKENS},
    SocialAccount: {*OF_SIGN_ONS},
}


def remember(sender: type[models.Model], instance: Any, raw: bool, **kwargs: Any) -> None:
    """Keep the row as it is before it is saved, which nobody else changes until then."""
    fields = kwargs.get("update_fields")
    touched = fields is None or WATCHED[sender].intersection(fields)
    stored = sender._default_manager.select_for_update().filter(pk=instance.pk)
    instance._before = stored.first() if instance.pk and touched and not raw else None
    instance._password_set = getattr(instance, "_password", None) is not None


def _differences(before: Any, after: Any, names: Iterable[str]) -> dict[str, list[Any]]:
    """None for what is empty."""
    pairs = {
        name: [getattr(before, name, None) or None, getattr(after, name, None) or None] for name in names
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


# --- Accounts ------------------------------------------------------------------------------------------------


def account_saved(instance: User, created: bool, raw: bool, update_fields: Any = None, **kwargs: Any) -> None:
    before: Any = getattr(instance, "_before", None)
    if raw or (before is None and not created):
        return
    names = [name for name in OF_ACCOUNTS if update_fields is None or name in update_fields]
    changed = _differences(before, instance, names) | _password(before, instance, update_fields)
    if changed:
        verb = "account:make" if created else "account:edit"
        record(verb, instance.get_username(), user_id(instance), changed, by=acting(before or instance))


def _password(before: User | None, after: User, update_fields: Any) -> dict[str, list[Any]]:
    """Whether there is one, and that it was set; never what it is. The better hash that a login leaves is no change."""
    old = "set" if before and before.has_usable_password() else None
    if not after.has_usable_password():
        return {"password": [old, None]} if old else {}
    if before and before.password == after.password:
        return {}
    is_rehash = old and update_fields and not after._password_set  # type: ignore[attr-defined]
    return {} if is_rehash else {"password": [old, "changed" if old else "set"]}


def account_deleted(instance: User, **kwargs: Any) -> None:
    changed = _differences(instance, None, OF_ACCOUNTS)
    if groups := _groups(instance):
        changed["role"] = [groups, None]
    record("account:delete", instance.get_username(), user_id(instance), changed)


def _groups(user: User) -> str | None:
    return ", ".join(sorted(user.groups.values_list("name", flat=True))) or None


def group_deleted(instance: Group, **kwargs: Any) -> None:
    """Its members lose a role, which Django does without a signal of theirs."""
    instance.user_set.clear()


def _permissions(user: User) -> list[str] | None:
    held = user.user_permissions.values_list("content_type__app_label", "codename")
    return sorted(f"{label}.{codename}" for label, codename in held) or None


def _held(path: str, read: Any) -> Any:
    """The receiver for what an account holds many of; the account is at either end."""

    def changed(instance: Any, action: str, reverse: bool, pk_set: Any, **kwargs: Any) -> None:
        if action.startswith("pre_"):
            users = [instance]
            if reverse:  # group.user_set
                users = list(
                    instance.user_set.all() if pk_set is None else User.objects.filter(pk__in=pk_set)
                )
            instance._held_before = [(user, read(user)) for user in users]
            return
        for user, before in instance.__dict__.pop("_held_before", ()):
            after = read(user)
            if before != after:
                record("account:edit", user.get_username(), user_id(user), {path: [before, after]})

    return changed


HELD = {"role": _held("role", _groups), "permissions": _held("permissions", _permissions)}


# --- What belongs to one -----------------------------------------------------------------------------------------


def factor_saved(instance: Authenticator, created: bool, raw: bool, **kwargs: Any) -> None:
    if created and not raw:
        _factor("factor:add", instance)


def factor_deleted(instance: Authenticator, **kwargs: Any) -> None:
    _factor("factor:remove", instance)


def _factor(verb: str, factor: Authenticator) -> None:
    kind = FACTORS.get(factor.type, str(factor.type))
    record(verb, f"{kind} of {factor.user.get_username()}", user_id(factor.user), by=acting(factor.user))


def sign_on_saved(instance: SocialAccount, created: bool, raw: bool, **kwargs: Any) -> None:
    before: Any = getattr(instance, "_before", None)
    if created and not raw:
        _sign_on("sign_on:connect", instance)
    elif before and any(getattr(before, one) != getattr(instance, one) for one in OF_SIGN_ONS):
        _sign_on("sign_on:disconnect", before)
        _sign_on("sign_on:connect", instance)


def sign_on_deleted(instance: SocialAccount, **kwargs: Any) -> None:
    _sign_on("sign_on:disconnect", instance)


def _sign_on(verb: str, account: SocialAccount) -> None:
    name = f"{account.user.get_username()} at {account.provider}"
    pair = [None, account.uid] if verb == "sign_on:connect" else [account.uid, None]
    record(verb, name, user_id(account.user), {"uid": pair}, by=acting(account.user))


def token_saved(instance: ApiToken, created: bool, raw: bool, **kwargs: Any) -> None:
    if created and not raw:
        record("token:make", instance.actor_name, token_id(instance), instance.described)
    before: Any = getattr(instance, "_before", None)
    if before and not created:
        old, new = ({"name": [None, one.name]} | one.described for one in (before, instance))
        pairs = {name: [old.get(name, [None, None])[1], new.get(name, [None, None])[1]] for name in old | new}
        changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        if changed:
            record("token:edit", before.actor_name, token_id(instance), changed)


def token_deleted(instance: ApiToken, **kwargs: Any) -> None:
    record("token:delete", instance.actor_name, token_id(instance), {"state": [instance.state, None]})


def view_saved(instance: SavedView, created: bool, raw: bool, **kwargs: Any) -> None:
    before: Any = getattr(instance, "_before", None)
    if raw or not (instance.shared or (before and before.shared)):
        return  # one's own, that nobody else sees
    public = before if before and before.shared else None
    if changed := _differences(public, instance, OF_VIEWS):
        verb = "view:edit" if before else "view:make"
        record(verb, _view(instance), f"view:{instance.pk}", changed)


def view_deleted(instance: SavedView, **kwargs: Any) -> None:
    if instance.shared:
        changed = _differences(instance, None, OF_VIEWS)
        record("view:delete", _view(instance), f"view:{instance.pk}", changed)


def _view(view: SavedView) -> str:
    return f"{view.name} ({view.page}) of {view.owner.get_username()}"
