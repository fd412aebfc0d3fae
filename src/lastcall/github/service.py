"""GitHub for scripts and applications: typed calls over a session that is owned or borrowed."""

from typing import Any

from aiohttp import ClientSession
from yarl import URL

from lastcall._version import __version__
from lastcall.sessions import SessionOwner, SessionProfile

from .auth import AppAuth, InstallationAuth, TokenAuth
from .calls import split_repository
from .client import GitHubClient
from .issues import IssueCalls
from .options import Options
from .pulls import PullCalls
from .repositories import RepositoryCalls
from .transport import Auth, Transport

__all__ = ["GithubService"]

API_URL = "https://api.github.com"
API_VERSION = "2022-11-28"
USER_AGENT = f"lastcall/{__version__}"
_DEFAULTS = Options()


class GithubService(RepositoryCalls, IssueCalls, PullCalls, SessionOwner):
    """
    GitHub, over a session that it owns or borrows.

        async with GithubService(token) as github:                # owns: opened here, closed on leaving
            user = await github.get_my_user_info()

        github = GithubService(token, session=shared)             # borrows: never closes it

    A borrowing one costs next to nothing, so may be made for each request: the pace of writes, the limits
    that GitHub told, and the cache belong to the token and are shared. Answers are GitHub's JSON as dicts,
    fields that are not known yet included, and the caller's own. `gh` is the client for all else, with the
    same guards: `await github.gh.getitem("/repos/{owner}/{repo}/topics", {...})`.

    Every call may raise what gidgethub raises for GitHub's answer (`gidgethub.BadRequest` for most of 4xx,
    `GitHubBroken` for 5xx), `RateLimitError`, `aiohttp.ClientError` and `TimeoutError`.

    Args:
        token: Personal, or any other that is there already; None for nobody. It is never shown.

        session: One to borrow; None to own one.

        auth: Instead of a token: an `AppAuth`, or `app.installation(number)`. Give all services the same
            `AppAuth`, which keeps the tokens.

        oauth_token: The same as *token*, by gidgethub's name.

        base_url: Of the API; for Enterprise Server "https://HOST/api/v3". Scheme, host and port of it are
            the only ones to which a token is sent.

        user_agent: GitHub asks for the name of the application or its owner.

        api_version: Sent as `X-GitHub-Api-Version`; None sends none, for an old Enterprise Server.

        options: How to pace, wait and try again.

        profile: How its own session is opened.

    Raises:
        ValueError: For two identities at once, or a base URL that is none.
    """

    profile = SessionProfile("github")

    def __init__(
        self,
        token: str | None = None,
        *,
        session: ClientSession | None = None,
        auth: Auth | None = None,
        oauth_token: str | None = None,
        base_url: str = API_URL,
        user_agent: str = USER_AGENT,
        api_version: str | None = API_VERSION,
        options: Options = _DEFAULTS,
        profile: SessionProfile | None = None,
    ) -> None:
        super().__init__(session=session, profile=profile)
        if sum(given is not None for given in (token, auth, oauth_token)) > 1:
            raise ValueError("give one of token, auth and oauth_token")
        self.auth: Auth = auth or TokenAuth(token if token is not None else oauth_token)
        self._made_with: dict[str, Any] = {
            "base_url": base_url, "user_agent": user_agent, "api_version": api_version, "options": options
        }  # fmt: skip
        headers = {"User-Agent": user_agent}
        if api_version is not None:
            headers["X-GitHub-Api-Version"] = api_version
        transport = Transport(lambda: self.session, _api(base_url), self.auth, options, headers)
        self._gh = GitHubClient(transport, user_agent)

    @property
    def gh(self) -> GitHubClient:
        """The gidgethub client, for anything that is not wrapped; everything goes through it."""
        return self._gh

    def for_installation(self, installation_id: int) -> "GithubService":
        """
        Return a service for an installation of the same App, borrowing this one's session.

        Raises:
            TypeError: If this service is no App, nor an installation of one.

            OwnershipError: If it owns its session, and that is not open.
        """
        return GithubService(
            session=self.session, auth=self._app().installation(installation_id), **self._made_with
        )

    async def for_repository(self, repository: str) -> "GithubService":
        """
        Return a service for the installation that covers a repository, "owner/name"; found once and kept.

        Raises:
            AppAuthError: If the App is not installed there.

            TypeError: If this service is no App, nor an installation of one.
        """
        owner, name = split_repository(repository)
        number = await self._app().installation_id(f"{owner}/{name}", self.gh.transport)
        return self.for_installation(number)

    async def graphql(self, query: str, **variables: Any) -> Any:
        """
        Return the data of a GraphQL query or mutation; see `GitHubClient.graphql`.

        Raises:
            gidgethub.GraphQLException: For an answer with errors, and for one that is none.
        """
        return await self.gh.graphql(query, **variables)

    def _app(self) -> AppAuth:
        if isinstance(self.auth, AppAuth):
            return self.auth
        if isinstance(self.auth, InstallationAuth):
            return self.auth.app
        raise TypeError("only a GithubService made with auth=AppAuth(...) has installations")


def _api(base_url: str) -> URL:
    api = URL(base_url)
    if api.scheme not in ("http", "https") or not api.host or api.query_string or api.user:
        raise ValueError('base_url must be like "https://api.github.com" or "https://HOST/api/v3"')
    return api.with_path(api.path.rstrip("/") or "/")
