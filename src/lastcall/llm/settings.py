"""What a handle is made of: its arguments and the environment, checked before anything is opened."""

import os
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession
from yarl import URL

from .errors import RequestError
from .timeouts import Timeouts

__all__ = ["Address", "Servers", "Settings", "addresses", "environment"]

Servers = str | Sequence[str | tuple[str, float]]
"""One base URL, or several: each "URL", "URL=weight" (where the URL has no query), or (URL, weight)."""

_SCHEMES = {"http", "https"}


@dataclass(frozen=True, slots=True)
class Address:
    """One server as it was given."""

    url: URL = field(repr=False)
    """Base URL, behind which the paths of the API are put; what is secret in it is never shown."""

    weight: float = 1.0
    """Its share of the requests, beside the others'."""

    @property
    def label(self) -> str:
        """Scheme, host and port, for messages."""
        return str(self.url.origin())


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    How a handle asks; its `repr` shows no key.

    Raises:
        RequestError: If it cannot be; the message never repeats a key.
    """

    servers: tuple[Address, ...]
    """At least one."""

    api_key: str | None = field(repr=False)
    """Sent as a bearer token, None or "" for no `Authorization`."""

    model: str | None
    """Asked for by requests that name none."""

    clear_proxy: bool = True
    """Whether proxies that the environment names are left alone."""

    timeouts: Timeouts = Timeouts()  # noqa: RUF009 - frozen
    """Of each request that brings none of its own."""

    max_retries: int = 2
    """How often a request is sent again at most. Default: that of OpenAI's client."""

    wait_max: float = 120.0
    """Seconds: a server that asks for more (`Retry-After`) has its error given back at once. Default: that of
    OpenAI's client."""

    concurrency: int | None = None
    """Requests under way at once, None for no limit; with `adaptive` the most it may grow to."""

    rpm: float | None = None
    """Requests a minute, None for no limit."""

    tpm: float | None = None
    """Tokens a minute, None for no limit."""

    adaptive: bool = False
    """Whether the server's own pace is sought, see `lastcall.llm.adaptive`."""

    session: ClientSession | None = field(default=None, repr=False)
    """Borrowed; None shares one."""

    profile: str = "llm"
    """Which session is shared: a profile declared with `lastcall.shared_manager()`, or "llm"."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with each request, over the handle's own."""

    ssl: Any = True
    """As aiohttp takes it."""

    def __post_init__(self) -> None:
        """Check each value."""
        self._check_key()
        for name in ("rpm", "tpm", "concurrency", "wait_max"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise RequestError(f"{name}={value!r} must be above 0, or None for no limit")
        if self.max_retries < 0:
            raise RequestError(f"max_retries={self.max_retries!r} must be 0 or more")
        if not self.servers:
            raise RequestError("base_url names no server")

    def _check_key(self) -> None:
        key = self.api_key or ""
        if not key.isascii() or any(
            letter in string.whitespace or not letter.isprintable() for letter in key
        ):
            raise RequestError("api_key holds a blank, a line break or a letter that no header can hold")


def environment(base_url: Servers | None, api_key: str | None, model: str | None) -> dict[str, Any]:
    """
    Return servers, key and model, each from the environment where it is None.

    Raises:
        RequestError: If no server is named there either, or one that cannot be.

    Source: the variables of OpenAI's clients, OPENAI_BASE_URL and OPENAI_API_KEY; OPENAI_MODEL beside them.
    """
    given = os.environ.get("OPENAI_BASE_URL") if base_url is None else base_url
    if not given:
        raise RequestError("no server is named: give base_url='http://HOST:PORT/v1', or set OPENAI_BASE_URL")
    key = os.environ.get("OPENAI_API_KEY") if api_key is None else api_key
    return {
        "servers": addresses(given),
        "api_key": (key or "").strip() or None,
        "model": os.environ.get("OPENAI_MODEL") if model is None else model,
    }


def addresses(given: Servers) -> tuple[Address, ...]:
    """
    Return one `Address` for each server, in the order in which they were given.

    Raises:
        RequestError: For one that cannot be; credentials in it are not repeated.
    """
    return tuple(map(_address, [given] if isinstance(given, str) else given))


def _address(given: str | tuple[str, float]) -> Address:
    text, weight = (given, 1.0) if isinstance(given, str) else given
    if isinstance(given, str) and "?" not in text:
        text, weight = _split_weight(text)
    try:
        url = URL(text.strip())
        sendable = url.scheme in _SCHEMES and bool(url.host)
    except ValueError:
        sendable = False
    if not sendable:
        raise RequestError("base_url is no address: it looks like http://HOST:PORT/v1")
    if not weight > 0:
        raise RequestError(f"the weight of {url.origin()} must be above 0, not {weight!r}")
    return Address(url.with_fragment(None), float(weight))


def _split_weight(text: str) -> tuple[str, float]:
    address, found, weight = text.rpartition("=")
    try:
        return (address, float(weight)) if found else (text, 1.0)
    except ValueError:
        return text, 1.0
