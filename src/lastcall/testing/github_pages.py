"""Lists in pages, and `Link` headers in the forms that are met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

LinkForm = Literal["github", "unquoted", "late", "relative"]
"""`rel="next"`; `rel=next`; other parameters before `rel`; a relative address."""

_PER_PAGE, _PER_PAGE_MAX = 30, 100


def page(items: Sequence[Any], url: str, query: Mapping[str, str], form: LinkForm) -> tuple[list[Any], str]:
    """
    Return one page of *items* and its `Link` header, empty if there is one page.

    Args:
        items: All of them.

        url: Absolute, without the query.

        query: Of the request; page and per_page count, the others are kept.

        form: How the links are written.
    """
    size = min(max(_int(query, "per_page", _PER_PAGE), 1), _PER_PAGE_MAX)
    at, last = max(_int(query, "page", 1), 1), max(1, -(-len(items) // size))
    pages = {"next": at + 1, "last": last} if at < last else {}
    if at > 1:
        pages |= {"prev": at - 1, "first": 1}
    links = [_link(url, {**query, "page": str(number)}, name, form) for name, number in pages.items()]
    return list(items[(at - 1) * size : at * size]), ", ".join(links)


def _link(url: str, query: Mapping[str, str], name: str, form: LinkForm) -> str:
    address = url + "?" + "&".join(f"{key}={value}" for key, value in query.items())
    if form == "relative":
        address = "/" + address.split("/", 3)[3]
    if form == "unquoted":
        return f"<{address}>; rel={name}"
    if form == "late":
        return f'<{address}>; type="application/json"; title="a, b; c"; rel="{name}"'
    return f'<{address}>; rel="{name}"'


def _int(query: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(query.get(name, default))
    except ValueError:
        return default
