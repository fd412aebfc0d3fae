"""The `GithubService` that a handler or an endpoint gets, on the application's one session."""

from functools import lru_cache
from typing import Any

from aiohttp import ClientSession

from lastcall.errors import SetupError

from .auth import AppAuth
from .event import Event
from .service import GithubService
from .settings import Settings

__all__ = ["Clients"]

_KEPT = 1000
"""Services kept, one for each installation that was heard of last."""


class Clients:
    """
    Makes services that borrow *session*, one for each installation that events are for.

    Args:
        settings: Whose token or GitHub App is used.

        session: Open for as long as the services are used; whoever opened it closes it.
    """

    def __init__(self, settings: Settings, session: ClientSession) -> None:
        self.session = session
        self._settings = settings
        key = settings.private_key
        self._app = AppAuth(settings.app_id, key) if settings.app_id and key else None
        self._for_installation = lru_cache(_KEPT)(self._make_for_installation)
        self._personal = self._service(token=settings.token) if settings.token is not None else None

    async def for_event(self, event: Event) -> GithubService:
        """
        Return the service for *event*: with the token, or as the GitHub App's installation.

        An event for no installation, such as "github_app_authorization", has one that is the GitHub App.
        """
        if self._app is None:
            return self.personal()
        return self._for_installation(event.installation_id)

    def personal(self) -> GithubService:
        """
        Return the service of the personal token.

        Raises:
            SetupError: If there is none, because the settings name a GitHub App.
        """
        if self._personal is None:
            raise SetupError("there is no GITHUB_TOKEN: the settings name a GitHub App, which is no user")
        return self._personal

    def for_hooks(self) -> GithubService:
        """Return the service that may ask for the webhook's own deliveries."""
        return self.personal() if self._app is None else self._for_installation(None)

    def _make_for_installation(self, number: int | None) -> GithubService:
        assert self._app is not None
        return self._service(auth=self._app if number is None else self._app.installation(number))

    def _service(self, **options: Any) -> GithubService:
        return GithubService(session=self.session, base_url=self._settings.api_url, **options)
