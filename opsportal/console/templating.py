"""Django's templates, of which nothing is left once a page is rendered.

What a page is made of and its context hold one another: 110 KB of a list, for the garbage collector to find.
"""

from typing import Any

from django.http import HttpRequest
from django.template import TemplateDoesNotExist
from django.template.backends import django
from django.template.context import make_context
from django.utils.safestring import SafeString


class Template(django.Template):
    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> SafeString:
        """As Django's."""
        made = make_context(context, request, autoescape=self.backend.engine.autoescape)
        try:
            return self.template.render(made)
        except TemplateDoesNotExist as error:
            django.reraise(error, self.backend)
        finally:
            made.dicts.clear()


class Templates(django.DjangoTemplates):
    """A BACKEND of TEMPLATES."""

    def from_string(self, template_code: str) -> Template:
        return Template(self.engine.from_string(template_code), self)

    def get_template(self, template_name: str) -> Template:
        found = super().get_template(template_name)
        return Template(found.template, self)
