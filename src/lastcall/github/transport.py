"""Requests on their way: to the API only, at GitHub's pace, again where that is right, never for ever."""

import hashlib
import logging
import time
from asyncio import sleep
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import ClientSession
from multidict import CIMultiDict
from yarl import URL

from .errors import ForeignUrlError, RateLimitError
from .lanes import Lane, lane_for
from .limits import PRIMARY, Again, after_answer, after_failure, spent
from .messages import Request, Response, sanitise
from .options import Options, Wait

__all__ = ["Auth", "Transport", "identity_of"]

_log = logging.getLogger("lastcall.github")

_REDIRECTS_MAX = 5
_MOVED_FOR_READS = {301, 302, 303}
_MOVED = {307, 308}


class Auth(Protocol):
    """Who the service is; implemented in `auth`."""

    @property
    def identity(self) -> str:
        """A name for it that is the same for each of its tokens, and is none of them."""

    async def authorization(self, transport: "Transport") -> str | None:
        """Return the value of `Authorization`, made with *transport* if need be; None for nobody."""

    def refused(self, authorization: str, response: Response, attempt: int, options: Options) -> Again | None:
        """Return whether a 401 or 403 is worth another attempt; *attempt* counts from one."""


@dataclass(slots=True)
class _Call:
    """One call, over all its attempts."""

    request: Request
    lane: Lane
    options: Options
    attempt: int = 0
    waited: float = 0.0

    def may_wait(self, again: Again) -> bool:
        return self.attempt < self.options.attempts_max and self.waited + again.delay <= self.options.wait_max

    async def wait(self, again: Again) -> None:
        """Wait as long as *again* says; raise if it is a limit, and too long."""
        if not self.may_wait(again):
            raise RateLimitError(
                again.reason, again.delay, self.options.wait_max, self.waited, self.request.line
            )
        self.waited += again.delay
        await self.sleep(again.delay, again.reason, logging.WARNING if again.limit else logging.INFO)

    async def sleep(self, seconds: float, reason: str, level: int) -> None:
        _log.log(level, "%s: waits %.1f s for %s", self.request.line, seconds, reason)
        if self.options.on_wait is not None:
            wait = Wait(reason, seconds, self.request.method, self.request.url.path, self.attempt)
            self.options.on_wait(wait)
        await sleep(seconds)


class Transport:
    """
    Sends requests to one API as one identity.

    Args:
        session: Gives the session; called for each attempt, and may raise.

        api: Base URL; its scheme, host and port are the only ones that get a token.

        auth: Who asks.

        options: How to pace, wait and try again.

        headers: Sent with each request that has not its own of the same name.
    """

    def __init__(
        self,
        session: Callable[[], ClientSession],
        api: URL,
        auth: Auth,
        options: Options,
        headers: Mapping[str, str],
    ) -> None:
        self.session = session
        self.headers = headers
        self.api = api
        self.auth = auth
        self.options = options

    def acting_as(self, auth: Auth) -> "Transport":
        """Return a transport over the same session for someone else."""
        return Transport(self.session, self.api, auth, self.options, self.headers)

    async def exchange(self, request: Request) -> Response:
        """
        Send *request*, wait and send it again where that is right, and return the last answer.

        Raises:
            ForeignUrlError: If it is for another scheme, host or port.

            RateLimitError: If a limit asks for a longer wait than is allowed.

            aiohttp.ClientError: If there was no answer, TimeoutError if there was none in time.
        """
        if request.url.origin() != self.api.origin() or request.url.user or request.url.password:
            raise ForeignUrlError(str(request.url.origin()), str(self.api.origin()))
        call = _Call(request, lane_for(str(self.api), self._identity(request), self.options), self.options)
        while True:
            await self._hold(call)
            response = await self._attempt(call)
            if response is not None:
                return response

    def _identity(self, request: Request) -> str:
        chosen = request.headers.get("Authorization")
        return self.auth.identity if chosen is None else identity_of(chosen)

    async def _hold(self, call: _Call) -> None:
        """Wait while GitHub limits the token."""
        while True:
            seconds, reason = call.lane.blocked(call.request.resource)
            if not seconds:
                return
            await call.wait(Again(seconds, reason, limit=True))

    async def _attempt(self, call: _Call) -> Response | None:
        """Send once; return the answer if it is the last, else None after the wait it asks for."""
        own = call.request.headers.get("Authorization")
        authorization = own or await self.auth.authorization(self) or ""
        call.attempt += 1
        try:
            response = await self._paced(call, authorization)
        except Exception as error:
            again = after_failure(call.request, error, call.attempt, self.options)
            if again is None or not call.may_wait(again):
                raise
            await call.wait(again)
            return None
        if response is None:
            call.attempt -= 1
            return None
        again = after_answer(call.request, response, call.attempt, self.options)
        self._learn(call, response, again)
        if again is None and not own and response.status in (401, 403):
            again = self.auth.refused(authorization, response, call.attempt, self.options)
        if again is None or not (again.limit or call.may_wait(again)):
            return response
        await call.wait(again)
        return None

    def _learn(self, call: _Call, response: Response, again: Again | None) -> None:
        """Hold back the token's other requests too, if GitHub limits it."""
        resource = response.headers.get("x-ratelimit-resource", call.request.resource)
        if again is not None and again.limit:
            call.lane.block(resource if again.reason == PRIMARY else None, again.delay, again.reason)
        elif again is None and (seconds := spent(response, now=time.time())):
            call.lane.block(resource, seconds, PRIMARY)

    async def _paced(self, call: _Call, authorization: str) -> Response | None:
        """Send when it is the request's turn; None, unsent, if a limit came while it waited for that."""
        if not call.request.writes:
            return await self._conditional(call, authorization)
        async with call.lane.turn_to_write() as seconds:
            if seconds > 0:
                await call.sleep(seconds, "write spacing", logging.DEBUG)
            return await self._conditional(call, authorization)

    async def _conditional(self, call: _Call, authorization: str) -> Response | None:
        """Send, unless held back, with what the cache adds; a 304 becomes what is kept."""
        identity, cache = self._identity(call.request), call.lane.cache
        validators = cache.validators(identity, call.request)
        headers = CIMultiDict(self.headers)
        headers.update(call.request.headers)
        headers.update(validators)
        headers.popall("Content-Length", None)
        if authorization:
            headers["Authorization"] = authorization
        async with call.lane.slot():
            if call.lane.blocked(call.request.resource)[0]:
                return None
            response = await self._follow(call.request, headers)
        kept = cache.settle(identity, call.request, validators, response)
        return sanitise(kept, now=time.time())

    async def _follow(self, request: Request, headers: CIMultiDict[str]) -> Response:
        """Send and follow redirects; a token goes no further than the API, and nothing leaves HTTPS."""
        url = request.url
        for _ in range(_REDIRECTS_MAX):
            response = await self._send(request.method, url, headers, request.body)
            moved = _moved_to(request, response)
            if moved is None:
                return response
            if moved.origin() != self.api.origin():
                headers = CIMultiDict(
                    {name: headers[name] for name in ("Accept", "User-Agent") if name in headers}
                )
            url = moved
        return response

    async def _send(self, method: str, url: URL, headers: CIMultiDict[str], body: bytes) -> Response:
        session = self.session()
        async with session.request(
            method,
            _for_session(session, url),
            headers=headers,
            data=body or None,
            allow_redirects=False,
            raise_for_status=False,
            timeout=self.options.timeout,
        ) as answer:
            return Response(answer.status, CIMultiDict(answer.headers), await answer.read(), url)


def identity_of(authorization: str) -> str:
    """Return a name for a token that does not tell it."""
    return hashlib.sha256(authorization.encode()).hexdigest()[:32]


def _moved_to(request: Request, response: Response) -> URL | None:
    """Return where to go on, or None if the answer stands as it is."""
    reads = request.method in ("GET", "HEAD")
    if response.status not in _MOVED and not (reads and response.status in _MOVED_FOR_READS):
        return None
    location = response.headers.get("location")
    if not location:
        return None
    moved = response.url.join(URL(location, encoded=True))
    same = moved.origin() == response.url.origin()
    downgraded = response.url.scheme == "https" and moved.scheme != "https"
    return moved if same or (reads and not downgraded) else None


def _for_session(session: ClientSession, url: URL) -> URL:
    # Before 3.12 aiohttp refuses an absolute URL where the session has a base of its own.
    base: URL | None = getattr(session, "_base_url", None)
    return url.relative() if base is not None and base.origin() == url.origin() else url
