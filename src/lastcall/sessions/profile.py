"""How a session is opened: a name and options, frozen."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import aiohttp
from aiohttp import connector as aiohttp_connector
from yarl import URL

from lastcall.errors import ProfileError

__all__ = ["SessionProfile"]

# Where Python needs no help with TLS connections that do not end, aiohttp ignores the option with a warning.
_NEEDS_CLEANUP_CLOSED: bool = getattr(aiohttp_connector, "NEEDS_CLEANUP_CLOSED", False)

_AIOHTTP_TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=30)

_MADE_BY_THE_MANAGER = {"self", "connector", "connector_owner", "loop"}

_OUR_WORDS_FOR = {"keepalive_timeout": "keepalive"}
"""Parameters of aiohttp that a field of the profile stands for."""


def _parameters(constructor: object) -> frozenset[str]:
    return frozenset(inspect.signature(constructor).parameters) - _MADE_BY_THE_MANAGER  # type: ignore[arg-type]


_CONNECTOR_OPTIONS = _parameters(aiohttp.TCPConnector.__init__)
# Where both constructors know a name, the session only hands it to a connector that it makes itself.
_SESSION_OPTIONS = _parameters(aiohttp.ClientSession.__init__) - _CONNECTOR_OPTIONS


@dataclass(frozen=True, slots=True, init=False, repr=False)
class SessionProfile:
    """
    How a session is opened: part of the key under which it is shared.

    Everything that `aiohttp.ClientSession` or `aiohttp.TCPConnector` take can be given by its name there,
    except `connector`, `connector_owner` and `loop`, which the manager provides. What is given is shared by
    the sessions of all loops, so prefer `cookies=True` to a `cookie_jar` of your own. Durations are seconds.

    Args:
        name: The name to ask for: `await sessions.get(name)`.

        options: The fields below, and any other parameter of aiohttp's two constructors.

    Raises:
        ProfileError: For an unknown option (with the nearest known one), or a value out of range.
    """

    name: str
    """The name under which a manager knows it."""

    base_url: str | URL | None
    """Absolute URL that relative ones are joined to. Default: none."""

    headers: Mapping[str, str]
    """Sent with every request, read only; never shown in a repr. Default: none."""

    limit: int
    """Connections in all, 0 for no limit. Default 1,000: aiohttp's own 100 silently caps 500 tasks, and
    1,000 stays under the usual limit of 1,024 open files."""

    limit_per_host: int
    """Connections per host, 0 for no limit. Default 600 (aiohttp has no limit): leaves room for other hosts
    when one is slow."""

    keepalive: float | None
    """Seconds for which an idle connection is kept, None (aiohttp 3.13 or later) for ever. Default 15, as
    aiohttp's: below what most servers keep; those that close earlier are met by the look at each connection
    before its use."""

    timeout: aiohttp.ClientTimeout | float | None
    """An `aiohttp.ClientTimeout`, or seconds in all, None for no limit. Default: aiohttp's, 300 s for a whole
    call and 30 s for a connection; a stream that lives longer wants
    `ClientTimeout(sock_connect=30, sock_read=60)`."""

    ssl: Any
    """As aiohttp takes it: True (the default) verifies, an `ssl.SSLContext` or `aiohttp.Fingerprint` say how,
    False does not."""

    proxy: str | URL | None
    """The proxy of every request; credentials in it are never shown. Default: none."""

    trust_env: bool
    """Whether proxies and netrc come from the environment. Default off: it doubles the CPU of a request."""

    cookies: bool
    """Whether the session keeps cookies, in a jar of its own. Default off: shared jars have logged people
    into each other's accounts."""

    max_age: float | None
    """Seconds after which a connection is not used again, less up to 2.5 % by chance so that not all are
    renewed at once; None for no limit. Default half an hour, so that a long-lived service follows DNS and
    load balancers (the figure and the jitter are those of HikariCP's `maxLifetime`)."""

    options: Mapping[str, Any]
    """What else was given, by aiohttp's own names; read only."""

    def __init__(
        self,
        name: str = "default",
        *,
        base_url: str | URL | None = None,
        headers: Mapping[str, str] | None = None,
        limit: int = 1000,
        limit_per_host: int = 600,
        keepalive: float | None = 15.0,
        timeout: aiohttp.ClientTimeout | float | None = _AIOHTTP_TIMEOUT,
        ssl: Any = True,
        proxy: str | URL | None = None,
        trust_env: bool = False,
        cookies: bool = False,
        max_age: float | None = 1800.0,
        **options: Any,
    ) -> None:
        given = {**options.pop("options", {}), **options}  # `dataclasses.replace` gives the field as a whole
        values = {
            "name": name,
            "base_url": base_url,
            "headers": MappingProxyType(dict(headers or {})),
            "limit": limit,
            "limit_per_host": limit_per_host,
            "keepalive": keepalive,
            "timeout": timeout,
            "ssl": ssl,
            "proxy": proxy,
            "trust_env": trust_env,
            "cookies": cookies,
            "max_age": max_age,
            "options": MappingProxyType(given),
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)
        self._check()

    def __hash__(self) -> int:
        """Return the hash of the name: its options need not be hashable."""
        return hash(self.name)

    def __repr__(self) -> str:
        """Show what differs from the defaults, without secrets: of headers the names, of URLs the origin."""
        return f"SessionProfile({', '.join([repr(self.name), *self._shown()])})"

    def connector_options(self) -> dict[str, Any]:
        """Return the parameters for `aiohttp.TCPConnector`, a new dict."""
        given = {name: value for name, value in self.options.items() if name in _CONNECTOR_OPTIONS}
        if _NEEDS_CLEANUP_CLOSED:
            given.setdefault("enable_cleanup_closed", True)
        else:
            given.pop("enable_cleanup_closed", None)
        if not given.get("force_close"):
            given["keepalive_timeout"] = self.keepalive
        return given | {"limit": self.limit, "limit_per_host": self.limit_per_host, "ssl": self.ssl}

    def session_options(self) -> dict[str, Any]:
        """Return the parameters for `aiohttp.ClientSession`, a new dict; needs a running loop for the jar."""
        given = {name: value for name, value in self.options.items() if name in _SESSION_OPTIONS}
        if "cookie_jar" not in given:
            given["cookie_jar"] = aiohttp.CookieJar() if self.cookies else aiohttp.DummyCookieJar()
        return given | {"base_url": self.base_url, "headers": dict(self.headers)} | self.transport_options()

    def transport_options(self) -> dict[str, Any]:
        """Return those parameters for `aiohttp.ClientSession` that say how to reach a host, a new dict."""
        timeout = self.timeout
        if not isinstance(timeout, aiohttp.ClientTimeout):
            timeout = aiohttp.ClientTimeout(total=timeout)
        return {"timeout": timeout, "proxy": self.proxy, "trust_env": self.trust_env}

    def _check(self) -> None:
        if not self.name:
            raise ProfileError(self.name, "a profile's name is a non-empty string", "name")
        for option in self.options:
            self._check_known(option)
        for option in ("limit", "limit_per_host"):
            value = getattr(self, option)
            if not isinstance(value, int) or value < 0:
                raise ProfileError(self.name, f"{option} is a whole number from 0 on, not {value!r}", option)
        for option in ("keepalive", "max_age", "timeout"):
            value = getattr(self, option)
            if not (value is None or isinstance(value, aiohttp.ClientTimeout) or _is_positive(value)):
                raise ProfileError(self.name, f"{option} is seconds above 0, or None; not {value!r}", option)
        if self.base_url is not None and not URL(self.base_url).absolute:
            raise ProfileError(self.name, "base_url is an absolute URL, with scheme and host", "base_url")
        if self.cookies and "cookie_jar" in self.options:
            raise ProfileError(self.name, "cookies=True and a cookie_jar exclude each other", "cookies")

    def _check_known(self, option: str) -> None:
        if option in _OUR_WORDS_FOR:
            word = _OUR_WORDS_FOR[option]
            raise ProfileError(self.name, f"aiohttp's {option!r} is called {word!r} here.", option, word)
        if option in _MADE_BY_THE_MANAGER:
            raise ProfileError(self.name, f"{option!r} comes from the manager and cannot be given", option)
        if option not in _CONNECTOR_OPTIONS | _SESSION_OPTIONS:
            known = _CONNECTOR_OPTIONS | _SESSION_OPTIONS | set(_defaults())
            raise ProfileError.unknown_option(self.name, option, known)

    def _shown(self) -> Iterator[str]:
        for option, default in _defaults().items():
            value = getattr(self, option)
            if option != "name" and (value or None) != (default or None):
                yield f"{option}={_without_secrets(option, value)}"
        yield from (f"{option}=..." for option in self.options)


def _defaults() -> dict[str, Any]:
    """Return the options that are fields, with their defaults."""
    parameters = inspect.signature(SessionProfile).parameters.values()
    return {given.name: given.default for given in parameters if given.kind is not given.VAR_KEYWORD}


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _without_secrets(option: str, value: Any) -> str:
    if option == "headers":
        return f"[{', '.join(map(repr, value))}]"
    if option in ("base_url", "proxy"):
        return repr(str(URL(value).origin()))
    return repr(value)
