"""A request and its answer as the client's modules hand them on, and answers made safe to read."""

import codecs
import json
from dataclasses import dataclass
from email.message import Message

from multidict import CIMultiDict
from yarl import URL

from lastcall.pacing import reset_epoch

from .pages import link_header, next_page

__all__ = ["Request", "Response", "sanitise"]

_IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
_READS = {"GET", "HEAD", "OPTIONS"}
_LIMIT_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_ERRORS_FROM = 400


@dataclass(frozen=True, slots=True)
class Request:
    """One request, before a token is put to it."""

    method: str
    """In upper case."""

    url: URL
    """Absolute."""

    headers: CIMultiDict[str]
    """With `Authorization` only if the caller chose one for this call."""

    body: bytes = b""

    query_only: bool = False
    """Whether it reads although it is a POST, as a GraphQL query does."""

    @property
    def writes(self) -> bool:
        """Whether it changes something at GitHub."""
        return self.method not in _READS and not self.query_only

    @property
    def repeatable(self) -> bool:
        """Whether it does the same if it arrives twice."""
        return self.method in _IDEMPOTENT or self.query_only

    @property
    def line(self) -> str:
        """Method and path, without the query: for logs and errors."""
        return f"{self.method} {self.url.path}"

    @property
    def resource(self) -> str:
        """Which of GitHub's limits it counts against, as far as its path tells."""
        if self.url.path.endswith("/graphql"):
            return "graphql"
        if "/search/code" in self.url.path:
            return "code_search"
        return "search" if "/search/" in self.url.path else "core"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    url: URL
    """Where it came from, after redirects."""


def sanitise(response: Response, *, now: float) -> Response:
    """
    Return *response* with headers that gidgethub can read: no odd value may cost a good answer.

    Reset times become seconds, limits that are no numbers go, a charset that Python lacks becomes UTF-8, an
    error that only claims to be JSON becomes text, and `Link` takes the one form that gidgethub knows.

    Args:
        response: As received.

        now: Wall clock, seconds since the epoch.
    """
    headers = CIMultiDict(response.headers)
    _sanitise_limits(headers, now)
    if "content-type" in headers:
        headers["content-type"] = _content_type(headers["content-type"], response)
    following = next_page(", ".join(headers.popall("link", [])), response.url)
    if following is not None:
        headers["link"] = link_header(following)
    return Response(response.status, headers, response.body, response.url)


def _sanitise_limits(headers: CIMultiDict[str], now: float) -> None:
    reset = reset_epoch(headers.get("x-ratelimit-reset"), now=now)
    counts = [headers.get(name, "") for name in _LIMIT_HEADERS[:2]]
    if reset is not None and all(count.isascii() and count.isdigit() for count in counts):
        headers["x-ratelimit-reset"] = f"{reset:.0f}"
        return
    for name in _LIMIT_HEADERS:
        headers.popall(name, None)


def _content_type(text: str, response: Response) -> str:
    message = Message()
    message["content-type"] = text
    kind, charset = message.get_content_type(), str(message.get_param("charset") or "utf-8")
    try:
        decoded = response.body.decode(codecs.lookup(charset).name)
    except (LookupError, UnicodeDecodeError, AssertionError):
        # Latin-1 reads any byte; JSON keeps its UTF-8, and its error if it is not that.
        charset = "utf-8" if _is_utf8(response.body) else "latin-1"
        decoded = response.body.decode(charset)
    if kind == "application/json" and response.status >= _ERRORS_FROM and not _is_error_object(decoded):
        kind = "text/plain"
    return f"{kind}; charset={charset}"


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_error_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
