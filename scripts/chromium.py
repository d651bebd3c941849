"""Find Chromium for the browser tests and screenshots; as a command, install it where that is possible.

Looked for in this order: the environment variable CHROMIUM, PATH, Playwright's own download.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# The headless shell first: the same engine without a browser's own pages, for three quarters of the CPU time.
NAMES = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
)  # fmt: skip
# No sandbox: CI runs as root. The resolver rule keeps the browser, too, on this machine.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
DEBIAN = "apt-get install -y chromium-headless-shell"
OTHERS = ".venv/bin/python -m playwright install chromium"
MISSING = (
    f"Chromium was not found. Install it with `{DEBIAN}` (Debian, as root) or `{OTHERS}`, "
    "or set CHROMIUM to its path."
)


def find(playwrights_own: str | None = None) -> str | None:
    """Chromium's path, or None. ``playwrights_own``: where Playwright would have put its download.

    Raises FileNotFoundError when CHROMIUM names no file, rather than test another browser than asked.
    """
    if chosen := os.environ.get("CHROMIUM"):
        if found := shutil.which(chosen):
            return found
        raise FileNotFoundError(f"CHROMIUM is {chosen!r}, which is no program.")
    for name in NAMES:
        if found := shutil.which(name):
            return found
    if playwrights_own and Path(playwrights_own).exists():
        return playwrights_own
    return None


def find_or_install() -> str:
    """Chromium's path; on Debian, as root, installed first if it is not there. Raises SystemExit."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    try:
        if found := find(own):
            return found
    except FileNotFoundError as error:
        raise SystemExit(str(error)) from error
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        raise SystemExit(MISSING)
    print("Chromium was not found; installing Debian's.", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", "chromium-headless-shell"]
    for command in (["apt-get", "update"], install):
        if subprocess.run(command, env=environment, check=False).returncode:
            raise SystemExit(f"`{' '.join(command)}` failed. {MISSING}")
    if found := find(own):
        return found
    raise SystemExit(MISSING)


if __name__ == "__main__":
    print(find_or_install(), file=sys.stderr)
