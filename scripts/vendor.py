"""Fetch the third-party files that the console ships, check them, and lay them under static/.

    python scripts/vendor.py            fetch, check, write
    python scripts/vendor.py --check    the same into memory; fails when a committed file differs

A maintainer's tool: the result is committed, so nothing is fetched to run, test or deploy. Versions and
sha512 of the packages are pinned in vendored.json. To add an icon, add its name to ICONS and run this.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from stylesheet import subset

ROOT = Path(__file__).resolve().parent.parent
PINS: dict[str, dict[str, str]] = json.loads((ROOT / "scripts/vendored.json").read_text())
LICENCES = {
    "@tabler/core": "MIT",
    "idiomorph": "0BSD",
    "@tabler/icons": "MIT",
    "axe-core": "MPL-2.0",
    "@fontsource-variable/inter": "OFL-1.1",
}

ICONS = """
activity alert-triangle arrow-left arrow-right arrows-sort ban bell-off bolt bookmark broadcast calendar-time check
chevron-down chevron-left chevron-right circle-check circle-dashed circle-x clock cloud-off code coins copy
database-off device-desktop download external-link eye file-text filter git-branch heartbeat help-hexagon
history hourglass inbox info-circle key keyboard layout-dashboard link list-details lock logout menu-2 moon
pin player-pause player-play player-stop plus progress refresh robot search server-off settings shield-lock sun
table terminal-2 text-wrap trash user users world x
""".split()  # noqa: SIM905 (a list literal would fill a screen)


def fetch(name: str) -> dict[str, bytes]:
    """The files of a pinned package by their path in it. SystemExit when it is not the pinned one."""
    pin = PINS[name]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", f"{name}@{pin['version']}", "--silent"], cwd=folder, check=True)
        archive = next(Path(folder).glob("*.tgz")).read_bytes()
    found = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != pin["sha512"]:
        raise SystemExit(f"{name} {pin['version']}: sha512 is {found}, pinned is {pin['sha512']}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name.partition("/")[2]: content.read()
            for member in tar
            if member.isfile() and (content := tar.extractfile(member))
        }


def sprite(icons: dict[str, bytes]) -> bytes:
    """One SVG with a symbol per icon of ICONS, drawn in the colour of the text."""
    symbols = []
    for name in ICONS:
        drawing = icons[f"icons/outline/{name}.svg"].decode()
        inner = re.sub(r'<path stroke="none" d="M0 0h24v24H0z" fill="none" />', "", drawing)
        inner = inner.partition(">")[2].rpartition("</svg>")[0]
        inner = re.sub(r"\s*\n\s*", "", inner).replace(" />", "/>")
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
            f'stroke-linecap="round" stroke-linejoin="round">{inner}</symbol>'
        )
    notice = f"Tabler Icons {PINS['@tabler/icons']['version']}, MIT: see static/vendor/VENDORED.md"
    body = "\n".join(symbols)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n<!-- {notice} -->\n{body}\n</svg>\n'.encode()


def core_licence(core: dict[str, bytes], icons: dict[str, bytes]) -> bytes:
    """The stylesheet's licence: its package names MIT and the holders, the icons' has the text of MIT."""
    holders = re.findall(r"Copyright [^\n]*", core["dist/css/tabler.css"].decode()[:600])
    text = re.sub(r"Copyright \(c\)[^\n]*", "\n".join(holders), icons["LICENSE"].decode())
    return text.encode()


# What of the font is used: these weights, and kerning, figures of one width, the forms that depend on what is next to
# them. Its licence allows it, and reserves no name. Half of its bytes are left.
FONT_TOOLS = ("fonttools==4.68.0", "brotli==1.2.1")
FONT_WEIGHTS, FONT_FEATURES = "400:700", "kern,tnum,calt"


def cut_font(font: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tools, whole, cut, done = (folder / one for one in ("tools", "whole.woff2", "cut.ttf", "done.woff2"))
        subprocess.run([sys.executable, "-m", "venv", tools], cwd=folder, check=True)
        pip = [tools / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *FONT_TOOLS], check=True)
        whole.write_bytes(font)
        instance = [
            tools / "bin/fonttools",
            "varLib.instancer",
            "--quiet",
            "--no-recalc-timestamp",
            "-o",
            cut,
        ]
        subprocess.run([*instance, whole, f"wght={FONT_WEIGHTS}"], check=True)
        subset = [tools / "bin/pyftsubset", cut, "--unicodes=*", f"--layout-features={FONT_FEATURES}"]
        subprocess.run([*subset, "--flavor=woff2", f"--output-file={done}"], check=True)
        return done.read_bytes()


def laid_out() -> dict[str, bytes]:
    """Every vendored file by its path in the repository."""
    core, morph = fetch("@tabler/core"), fetch("idiomorph")
    icons, axe = fetch("@tabler/icons"), fetch("axe-core")
    inter = fetch("@fontsource-variable/inter")
    inter_folder = f"static/vendor/inter-{PINS['@fontsource-variable/inter']['version']}"
    core_folder = f"static/vendor/tabler-core-{PINS['@tabler/core']['version']}"
    morph_folder = f"static/vendor/idiomorph-{PINS['idiomorph']['version']}"
    icons_folder = f"static/vendor/tabler-icons-{PINS['@tabler/icons']['version']}"
    ours = "".join(path.read_text() for path in sorted((ROOT / "static/console").glob("*.css")))
    files = {
        f"{core_folder}/tabler.subset.min.css": subset(
            core["dist/css/tabler.min.css"].decode(), ours
        ).encode(),
        f"{core_folder}/LICENSE": core_licence(core, icons),
        f"{morph_folder}/idiomorph-ext.min.js": morph["dist/idiomorph-ext.min.js"],
        f"{morph_folder}/LICENSE": morph["LICENSE"],
        f"{icons_folder}/LICENSE": icons["LICENSE"],
        f"{inter_folder}/inter-latin-wght-normal.woff2": cut_font(
            inter["files/inter-latin-wght-normal.woff2"]
        ),
        f"{inter_folder}/LICENSE": inter["LICENSE"],
        "static/console/icons.svg": sprite(icons),
        "tests/vendor/axe.min.js": axe["axe.min.js"],
        "tests/vendor/LICENSE": axe["LICENSE"],
    }
    files["static/vendor/VENDORED.md"] = listing(files).encode()
    return files


def listing(files: dict[str, bytes]) -> str:
    """What is vendored, for people."""
    folders = {
        "@tabler/core": "tabler-core",
        "idiomorph": "idiomorph",
        "@tabler/icons": "tabler-icons",
        "@fontsource-variable/inter": "vendor/inter-",
        "axe-core": "tests/vendor",
    }
    lines = [
        "# Vendored files",
        "",
        "Written by `python scripts/vendor.py`; do not edit these files by hand. htmx comes with django-htmx.",
        "The stylesheet is a subset (`scripts/stylesheet.py`), and so is the font; the icons are one sprite, `static/console/icons.svg`.",
        "",
        "| name | version | licence | files | sha512 of the package |",
        "|---|---|---|---|---|",
    ]
    for name, pin in PINS.items():
        own = [f"`{path}`" for path in files if folders[name] in path]
        if name == "@tabler/icons":
            own.append("`static/console/icons.svg`")
        row = (name, pin["version"], LICENCES[name], ", ".join(own), f"`{pin['sha512']}`")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    files = laid_out()
    if "--check" in sys.argv[1:]:
        differing = [p for p, c in files.items() if not (ROOT / p).exists() or (ROOT / p).read_bytes() != c]
        raise SystemExit(f"differ from what is pinned: {', '.join(differing)}" if differing else 0)
    for path, content in files.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_bytes(content)
        print(f"{len(content):>9,}  {path}")


if __name__ == "__main__":
    main()
