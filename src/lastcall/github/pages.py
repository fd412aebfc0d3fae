"""`Link` headers in every form that RFC 8288 allows, for pagination."""

import re
from collections.abc import Iterator

from yarl import URL

__all__ = ["link_header", "next_page"]

_PART = re.compile(r'"(?:[^"\\]|\\.)*"|<[^>]*>|[^<",;]+|[;,]')


def next_page(link: str | None, url: URL) -> URL | None:
    """
    Return the address of the next page, or None on the last.

    Args:
        link: The `Link` header; `rel` may be quoted or not, stand anywhere among the parameters, be in any
            case, and name several relations.

        url: Of the page itself, to which a relative address is joined. A next page that is the page itself
            is none: it would never end.
    """
    for target, relations in _links(link or ""):
        if "next" in relations:
            following = url.join(URL(target, encoded=True))
            return None if following == url else following
    return None


def link_header(following: URL) -> str:
    """Return the one form of the header that gidgethub reads, safe from its URI templates."""
    address = str(following).replace("{", "%7B").replace("}", "%7D")
    return f'<{address}>; rel="next"'


def _links(header: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each target and its relations, in lower case."""
    for link in _split(header, ","):
        target, *parameters = link
        if target[:1] + target[-1:] == "<>":
            yield target[1:-1].strip(), _relations(parameters)


def _relations(parameters: list[str]) -> set[str]:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "rel":  # the first counts, RFC 8288, section 3.3
            return set(value.strip().strip('"').lower().split())
    return set()


def _split(header: str, between: str) -> Iterator[list[str]]:
    """Yield the links, each as its target and parameters; quotes and brackets protect commas."""
    fields = [""]
    for part in _PART.findall(header):
        if part == between:
            yield [field.strip() for field in fields]
            fields = [""]
        elif part == ";":
            fields.append("")
        else:
            fields[-1] += part
    yield [field.strip() for field in fields]
