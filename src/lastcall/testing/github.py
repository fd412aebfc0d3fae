"""A loopback server that speaks GitHub's REST API, keeps what is written, and fails as its script says."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from . import github_routes as routes
from . import github_shapes as shapes
from .calls import CallLog
from .github_pages import LinkForm, page
from .github_routes import Asked, NotThereError, Result
from .github_shapes import Json
from .github_state import GitHubState
from .github_tokens import Tokens
from .loopback import LoopbackServer
from .script import Call, Script
from .sending import Reply, send

_JSON = "application/json; charset=utf-8"
_ACCESS_TOKENS = re.compile(r"/app/installations/(\d{1,15})/access_tokens")
_FOR_APPS = re.compile(r"/app(/.*)?|/repos/[^/]+/[^/]+/installation")
_ERRORS_FROM = 400
_HOUR = 3600


class GitHubServer(LoopbackServer):
    """
    A small GitHub on the loopback, in which what a client writes is there to be read.

    It has users, repositories, issues, pull requests and their files, comments, reviews, check runs,
    contents and installation tokens.

        async with GitHubServer() as server:
            server.add_repository("octocat/hello")
            async with GithubService("token", base_url=server.url) as github: ...

    Every answer has limits, an ETag and, for lists, pages. The script comes before everything else: an
    `Answer` with its status, headers, delay or cut stands for GitHub's own; a good one only changes how the
    right answer is sent. Arguments and attributes of `LoopbackServer` are here too.

    Args:
        script: What goes wrong, and when.

        token: The one personal token that is taken; None takes any, and none.

        login: The user whose token it is.

        app_id: The GitHub App whose JWT is taken.

        public_key: PEM, to check the JWT's signature; None checks its claims alone.

        token_life: Seconds that an installation token lives.

        token_lag: How many requests with a new installation token are refused with 401, as happens.

        limit: Requests an hour; more are refused with 403, as GitHub does.

        link_form: How `Link` headers are written.

        options: Of `LoopbackServer`.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        token: str | None = None,
        login: str = "octocat",
        app_id: int | str = 1,
        public_key: bytes | None = None,
        token_life: float = 3600.0,
        token_lag: int = 0,
        limit: int = 5000,
        link_form: LinkForm = "github",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.script = script or Script()
        self.link_form: LinkForm = link_form
        self.tokens = Tokens(token, str(app_id), public_key, token_life, token_lag)
        self._state = GitHubState(login)
        self._limit, self._used = limit, 0
        self._calls = CallLog(100_000)

    @property
    def calls(self) -> list[Call]:
        """What was asked, a copy, in order of arrival."""
        return self._calls.all()

    def start(self) -> None:
        """Start, as any loopback server."""
        super().start()
        self._state.api = self.url

    def add_repository(self, name: str) -> None:
        """Add a repository, "owner/name"; before the server is asked, as all that is added."""
        self._state.repository(name)

    def add_issue(
        self, repository: str, title: str, *, body: str | None = None, labels: tuple[str, ...] = ()
    ) -> Json:
        """Add an issue to a repository, which is made if need be; return it."""
        given = {"title": title, "body": body, "labels": labels}
        return self._state.add_issue(self._state.repository(repository), given)

    def add_pull(
        self, repository: str, title: str, *, body: str | None = None, files: Mapping[str, str] | None = None
    ) -> Json:
        """Add a pull request; *files* maps the names of changed files to their patches. Return it."""
        repo = self._state.repository(repository)
        pull = self._state.add_pull(repo, {"title": title, "body": body})
        for filename, patch in (files or {}).items():
            self._state.add_pull_file(repo, pull["number"], filename, patch)
        return pull

    def add_file(self, repository: str, path: str, data: bytes) -> None:
        """Add a file to a repository."""
        self._state.repository(repository).files[path] = data

    def add_installation(self, number: int, login: str) -> None:
        """Install the App for a user or an organization."""
        self._state.installations[number] = login

    def remove_installation(self, number: int) -> None:
        """Uninstall it again."""
        self._state.installations.pop(number, None)

    def comments(self, repository: str, number: int) -> list[Json]:
        """Return the comments under an issue or a pull request, a copy, the oldest first."""
        return list(self._state.repository(repository).comments.get(number, ()))

    def issues(self, repository: str) -> list[Json]:
        """Return the issues of a repository, pull requests among them, a copy, the oldest first."""
        return list(self._state.repository(repository).issues.values())

    def make_app(self) -> web.Application:
        """Make the application: one handler, since a script may meet any path."""
        app = web.Application(client_max_size=256 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        number = self.connection_number(request)
        call = await self._calls.read(request, request.method, request.raw_path, connection=number)
        answer = self.script.take(call)
        if answer.body is not None:
            return await send(request, Reply(answer.status, _JSON, [answer.body]), answer)
        if answer.status >= _ERRORS_FROM:
            message = answer.message or "Server Error"
            reply = _reply(Result(shapes.error(answer.status, message), answer.status), {})
            return await send(request, reply, answer)
        return await send(request, self._answer(request, call), answer)

    def _answer(self, request: web.Request, call: Call) -> Reply:
        """Return the right answer to a request, the refusal of a bad one included."""
        app = bool(_FOR_APPS.fullmatch(call.path))
        refusal = self.tokens.refusal(request.headers.get("Authorization"), app=app)
        if refusal is not None:
            return _reply(Result(shapes.error(401, refusal), 401), {})
        if not request.headers.get("User-Agent"):
            return _reply(Result(shapes.error(403, "Request forbidden by administrative rules."), 403), {})
        if self._used >= self._limit:
            message = "API rate limit exceeded for user ID 1."
            return _reply(Result(shapes.error(403, message), 403), self._limits())
        try:
            result, links = self._paged(request, self._result(request, call))
        except NotThereError:
            result, links = Result(shapes.error(404, "Not Found"), 404), ""
        return self._conditional(request, result, links)

    def _result(self, request: web.Request, call: Call) -> Result:
        match = _ACCESS_TOKENS.fullmatch(call.path)
        if match and call.method == "POST":
            number = int(match[1])
            if number not in self._state.installations:
                raise NotThereError
            return Result(self.tokens.issue(number), 201)
        handler, parts = routes.find(call.method, call.path)
        accept = request.headers.get("Accept", "")
        return handler(Asked(self._state, parts, request.query, call.json, accept))

    def _paged(self, request: web.Request, result: Result) -> tuple[Result, str]:
        if result.key is None:
            return result, ""
        items, links = page(result.data, f"{self.url}{request.path}", request.query, self.link_form)
        data = {**result.more, result.key: items} if result.key else items
        return Result(data, result.status, result.content_type), links

    def _conditional(self, request: web.Request, result: Result, links: str) -> Reply:
        """Return the reply, a 304 if the client has it; a 304 does not count."""
        reply = _reply(result, {"Link": links} if links else {})
        etag = f'W/"{hashlib.sha256(b"".join(reply.parts)).hexdigest()}"'
        if request.method == "GET" and request.headers.get("If-None-Match") == etag:
            return Reply(304, _JSON, [], headers={"ETag": etag, **self._limits()})
        self._used += 1
        headers = {**reply.headers, **self._limits(), **({"ETag": etag} if request.method == "GET" else {})}
        return Reply(reply.status, reply.content_type, reply.parts, headers=headers)

    def _limits(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(self._limit - self._used),
            "X-RateLimit-Used": str(self._used),
            "X-RateLimit-Reset": str((int(time.time()) // _HOUR + 1) * _HOUR),
            "X-RateLimit-Resource": "core",
        }


def _reply(result: Result, headers: Mapping[str, str]) -> Reply:
    data = result.data
    body = data if isinstance(data, bytes) else b"" if data is None else shapes.json_bytes(data)
    return Reply(result.status, result.content_type, [body], headers=headers)
