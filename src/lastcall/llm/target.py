"""Where requests go: an address and headers, made ready once and used for every request."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Self

from multidict import CIMultiDict
from yarl import URL

from .errors import RequestError

__all__ = ["Target"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DEFAULT_HEADERS = {
    "Accept": "application/json, text/event-stream",
    # What a model says is small, and packing it costs the server and us more than it saves.
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
}
_OURS = ("Content-Length", "Transfer-Encoding", "Connection", "Host", "Expect")


class Target:
    """
    One path of one server, and the headers of the requests to it.

    Make one for each path and keep it: what a request to it needs is worked out at the first. It never
    shows headers, nor the query of its address.

    Args:
        url: Absolute, without credentials and fragment.

        headers: All that are sent beside `Host` and `Content-Length`; read only.

        proxy: The proxy to use, or None for none, whatever the environment says.

        ssl: As aiohttp takes it for a request; True leaves it to the session's connector.
    """

    __slots__ = ("__weakref__", "headers", "prepared", "proxy", "ssl", "url")

    def __init__(
        self, url: URL, headers: Mapping[str, str], *, proxy: URL | None = None, ssl: Any = True
    ) -> None:
        self.url = url
        self.headers = headers
        self.proxy = proxy
        self.ssl = ssl
        self.prepared: Any = None
        """What the wire that used it last made of it."""

    @classmethod
    def make(
        cls,
        base_url: str,
        path: str,
        *,
        headers: Mapping[str, str],
        proxy: URL | None = None,
        ssl: Any = True,
    ) -> Self:
        """
        Make the target for *path* below *base_url*.

        Args:
            base_url: With scheme and host; its path is kept, and so is its query (Azure's `api-version`).
                Credentials in it become an `Authorization` header, unless *headers* have one.

            path: What is appended, for example "/chat/completions"; percent-encoded, may have a query.

            headers: What is sent beside what every request to a model needs; takes precedence over that.

            proxy: The proxy to use, or None.

            ssl: As aiohttp takes it for a request.

        Raises:
            RequestError: For an address that is not one of HTTP, or headers that cannot be sent.
        """
        url, given = _split(base_url)
        sent = CIMultiDict(_DEFAULT_HEADERS)
        sent.update(given)
        sent.update(headers)
        for name, value in sent.items():
            _check_header(name, value)
        below, _, query = path.partition("?")
        joined = URL.build(
            scheme=url.scheme,
            authority=url.raw_authority,
            path=url.raw_path.rstrip("/") + "/" + below.lstrip("/"),
            query_string="&".join(filter(None, (url.raw_query_string, query))),
            encoded=True,
        )
        return cls(joined, sent, proxy=proxy, ssl=ssl)

    def with_headers(self, headers: Mapping[str, str]) -> Target:
        """Return one that sends *headers* too, in place of those of the same name."""
        sent = CIMultiDict(self.headers)
        sent.update(headers)
        for name, value in headers.items():
            _check_header(name, value)
        return type(self)(self.url, sent, proxy=self.proxy, ssl=self.ssl)

    @property
    def server(self) -> str:
        """Scheme, host and port."""
        return str(self.url.origin())

    def __repr__(self) -> str:
        """Tell where it leads, and nothing secret."""
        return f"<Target {self.server}{self.url.raw_path}>"


def _split(base_url: str) -> tuple[URL, dict[str, str]]:
    """Return the address without credentials, and the header that these are sent as."""
    try:
        url = URL(base_url)
        host, scheme, _ = url.host, url.scheme, url.port
    except (ValueError, TypeError):
        raise RequestError("the base URL cannot be read as an address") from None
    if scheme not in ("http", "https") or not host:
        raise RequestError("the base URL must begin with http:// or https://, and a host")
    bare = url.with_fragment(None).with_user(None)
    if url.user is None and url.password is None:
        return bare, {}
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return bare, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _check_header(name: str, value: str) -> None:
    """Refuse what cannot be a header, without showing its value."""
    if not isinstance(value, str):
        raise RequestError(f"the value of header {name!r} must be a string, not {type(value).__name__}")
    if not _NAME.fullmatch(name):
        raise RequestError(f"{name!r} cannot be the name of a header")
    if any(bad in value for bad in "\r\n\0"):
        raise RequestError(f"the value of header {name!r} has a line break or a null in it")
    if name.title() in _OURS:
        raise RequestError(f"header {name!r} is set for each request, and cannot be given")
