"""The console's addresses as they are where single sign-on is configured, whatever the process began with."""

import importlib.util

from django.urls import include, path

from opsportal.accounts import urls

_spec = importlib.util.spec_from_file_location("sso_account_urls", urls.__file__)
assert _spec
assert _spec.loader
account_urls = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(account_urls)

urlpatterns = [path("accounts/", include(account_urls)), path("", include("opsportal.urls"))]
