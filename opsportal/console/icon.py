from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from opsportal.console.access import public


@public
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for it on pages without an icon link, the admin's among them."""
    return redirect(static("console/favicon.svg"))
