"""Makes one HTML file of a page's parts, and the headers that keep everything else out of it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["Page", "assemble", "assemble_file", "assemble_files", "look", "part"]

_DIRECTIVES = "base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True)
class Page:
    """A page that needs nothing but itself."""

    html: bytes
    """The file, in UTF-8."""
    headers: Mapping[str, str]
    """What to send with it."""


@cache
def part(name: str) -> str:
    """
    Return a part that pages share.

    Args:
        name: "look.css", the style sheet of all of them; "elements.js", which builds what a script shows;
            "charts.js", which needs that, with "charts.css"; "findings.js", which shows what a JSON report
            of sessions says. Each says at its head how to use it.
    """
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def look() -> str:
    """Return the style sheet that all pages and HTML reports share; `look.css` says how to use it."""
    return part("look.css")


def assemble(title: str, body: str, script: str) -> Page:
    """
    Make a page.

    Args:
        title: As plain text.

        body: The HTML between `<body>` and its end, written by us: no data of anybody's.

        script: JavaScript; it puts data in as text, never as HTML. What it fetches lies beside the page.
    """
    style = look()
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; img-src data:;"
        f" connect-src 'self'; {_DIRECTIVES}; frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return Page(_document(title, "", style, f"{body}\n<script>{script}</script>").encode(), headers)


@cache
def assemble_files(title: str, package: str, name: str, *shared: str) -> Page:
    """Make a page of `name.html`, its body, and `name.js`, which lie in *package*, after *shared* parts."""
    files = resources.files(package)
    body, script = (files.joinpath(f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
    return assemble(title, body, "".join([*map(part, shared), script]))


def assemble_file(title: str, body: str, script: str, data: Any, *, style: str = "") -> str:
    """
    Make a page to be kept as a file, with its data in it; its own policy lets it load nothing.

    Args:
        title: As plain text.

        body: The HTML between `<body>` and its end, written by us; what data it has is escaped.

        script: JavaScript; it finds the data as JSON in the element "data", and puts them in as text.

        data: What can be written as JSON.

        style: A style sheet beside `look.css`.
    """
    style = look() + style
    policy = f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; img-src data:"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}; {_DIRECTIVES}">\n'
    # A tag within the data would end the element.
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = f'<script type="application/json" id="data">{written}</script>\n<script>{script}</script>'
    return _document(title, meta, style, f"{body}\n{parts}")


def _document(title: str, meta: str, style: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{meta}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{html.escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
