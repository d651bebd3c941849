"""The console's one stylesheet and one script, made of their sources wherever static files are looked for.

A page that asks for each source alone makes nine requests more, and compresses them by themselves.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.files.storage import FileSystemStorage

# Addresses in a stylesheet are relative to it, so a bundle lies in the folder of the sources that name files.
BUNDLES = {
    "console/app.css": (
        "vendor/tabler-core-1.6.1/tabler.subset.min.css",
        "console/console.css",
        "console/failures.css",
        "console/attention.css",
        "console/search.css",
        "console/lists.css",
        "console/items.css",
        "console/agents.css",
    ),
    # In this order: each may use what those before it define.
    "console/app.js": (
        "django_htmx/htmx-2.min.js",
        "vendor/idiomorph-0.7.4/idiomorph-ext.min.js",
        *(
            f"console/js/{name}.js"
            for name in (
                "clock",
                "shell",
                "dialog",
                "again",
                "live",
                "list",
                "neighbours",
                "search",
                "select",
                "log",
                "rows",
                "cases",
                "palette",
            )
        ),
    ),
}


class BundleFinder(finders.BaseFinder):
    """Finds the bundles, each written again when its sources changed. So `collectstatic`, `runserver` and the tests
    serve the same."""

    def __init__(self, app_names: Any = None, *args: Any, **kwargs: Any) -> None:
        self.storage = FileSystemStorage(location=settings.DATA_DIR / "bundles")

    def check(self, **kwargs: Any) -> list[Any]:
        return []

    def find(self, path: str, find_all: Any = False, **kwargs: Any) -> Any:
        if path not in BUNDLES:
            return []
        made = str(self._made(path))
        return [made] if find_all else made

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, FileSystemStorage]]:
        for path in BUNDLES:
            self._made(path)
            yield path, self.storage

    def _made(self, path: str) -> Path:
        sources = [Path(str(finders.find(source))).read_bytes() for source in BUNDLES[path]]
        # A script may end without a semicolon, or in a comment.
        content = (b"\n;\n" if path.endswith(".js") else b"\n").join(sources)
        file = Path(self.storage.path(path))
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_name(f"{file.name}.{os.getpid()}.{id(content)}")  # nobody reads half of one
            fresh.write_bytes(content)
            fresh.replace(file)
        return file
