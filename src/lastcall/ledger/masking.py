"""Secrets in a line of source, masked before the line is shown."""

from __future__ import annotations

import re

__all__ = ["mask"]

_LITERAL = re.compile(r"""(?P<quote>["'])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)(?P<after>\s*[:\]]?)""")
_SENSITIVE = re.compile(r"auth|header|cookie|token|secret|passw|key|credential|bearer|proxy", re.IGNORECASE)
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^/@\s]*@)?(?P<rest>[^?#]*)(?P<query>[?#].*)?", re.IGNORECASE
)
_QUERY = re.compile(r"(?P<path>[^\s?]*)\?[^\s=]*=.*")


def mask(source: str) -> str:
    """
    Return *source*, a line of Python, without what may be a secret in its string literals.

    Of a URL, or the end of one, the credentials and the query go. On a line that speaks of headers, cookies,
    tokens and the like every other literal goes, except those that name something: `"Authorization":` stays.
    """
    sensitive = _SENSITIVE.search(source) is not None

    def shown(match: re.Match[str]) -> str:
        quote, text, after = match["quote"], match["text"], match["after"]
        url = _URL.fullmatch(text)
        if url is not None:
            text = url["scheme"] + url["rest"] + ("?..." if url["query"] else "")
        elif sensitive and text and not after.strip():
            text = "..."
        elif (query := _QUERY.fullmatch(text)) is not None:
            text = query["path"] + "?..."
        return f"{quote}{text}{quote}{after}"

    return _LITERAL.sub(shown, source)
