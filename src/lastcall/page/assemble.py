"""Makes one HTML file of a page's parts, and the headers that keep everything else out of it."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Page", "assemble", "assemble_files", "look"]


@dataclass(frozen=True, slots=True)
class Page:
    """A page that needs nothing but itself."""

    html: bytes
    """The file, in UTF-8."""
    headers: Mapping[str, str]
    """What to send with it."""


@cache
def look() -> str:
    """Return the style sheet that all pages and HTML reports share; `look.css` says how to use it."""
    return resources.files(__package__).joinpath("look.css").read_text(encoding="utf-8")


def assemble(title: str, body: str, script: str) -> Page:
    """
    Make a page.

    Args:
        title: As plain text.

        body: The HTML between `<body>` and its end, written by us: no data of anybody's.

        script: JavaScript; it puts data in as text, never as HTML. What it fetches lies beside the page.
    """
    style = look()
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{html.escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{style}</style>\n</head>\n<body>\n{body}\n<script>{script}</script>\n</body>\n</html>\n"
    )
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; img-src data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    return Page(text.encode(), headers)


@cache
def assemble_files(title: str, package: str, name: str) -> Page:
    """Make a page of `name.html`, its body, and `name.js`, which lie in *package*."""
    files = resources.files(package)
    body, script = (files.joinpath(f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "js"))
    return assemble(title, body, script)


def _source(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
