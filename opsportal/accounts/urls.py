"""Addresses under /accounts/. Of allauth only the pages that this console has are routed: there is no
sign-up, no password reset by e-mail, no e-mail confirmation to find."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.totp import views as totp
from allauth.socialaccount import views as social
from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from opsportal.accounts import views
from opsportal.accounts.views import throttled

own = [
    path("session/", views.session, name="session"),
    path("preferences/", views.preferences, name="preferences"),
    path("views/", views.saved_views, name="views"),
    path("views/", views.saved_views, name="save_view"),
    path("views/<int:pk>/delete/", views.delete_view, name="delete_view"),
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:pk>/revoke/", views.revoke, name="revoke_token"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include((own, "accounts"))),
    path("login/", throttled(account.login), name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", throttled(account.reauthenticate), name="account_reauthenticate"),
    path("password/change/", throttled(account.password_change), name="account_change_password"),
    path("password/set/", views.no_password, name="account_set_password"),
    path("2fa/", views.factors_index, name="mfa_index"),
    path("2fa/authenticate/", throttled(mfa.authenticate), name="mfa_authenticate"),
    path("2fa/reauthenticate/", throttled(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("2fa/totp/activate/", totp.activate_totp, name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", views.shown_codes, name="mfa_view_recovery_codes"),
    path("2fa/recovery-codes/generate/", views.new_codes, name="mfa_generate_recovery_codes"),
    path("2fa/recovery-codes/download/", views.downloaded_codes, name="mfa_download_recovery_codes"),
]

if settings.SOCIALACCOUNT_PROVIDERS:
    urlpatterns += [
        path("3rdparty/", social.connections, name="socialaccount_connections"),
        path("3rdparty/login/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
        path("3rdparty/login/error/", social.login_error, name="socialaccount_login_error"),
        path("", include("allauth.socialaccount.providers.openid_connect.urls")),
    ]
