"""What the wrapped calls have in common."""

import re
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from .client import GitHubClient

__all__ = ["PER_PAGE", "Calls", "Json", "split_repository"]

Json = dict[str, Any]
"""An object of GitHub's, as it came."""

PER_PAGE = 100
"""The most that GitHub gives: the fewest requests."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")


class Calls:
    """Calls by a repository's name; mixed into `GithubService`."""

    @property
    @abstractmethod
    def gh(self) -> GitHubClient:
        """The client they go through."""

    async def _get(self, repository: str, path: str, /, **variables: Any) -> Json:
        item: Json = await self.gh.getitem(_template(path), self._variables(repository, **variables))
        return item

    async def _list(
        self, repository: str, path: str, /, *, key: str = "items", **variables: Any
    ) -> AsyncIterator[Json]:
        url_vars = self._variables(repository, per_page=PER_PAGE, **variables)
        async for item in self.gh.getiter(_template(path), url_vars, iterable_key=key):
            yield item

    async def _send(self, method: str, repository: str, path: str, data: Json, /, **variables: Any) -> Json:
        send = getattr(self.gh, method)
        given = {name: value for name, value in data.items() if value is not None}
        item: Json = await send(_template(path), self._variables(repository, **variables), data=given)
        return item

    def _variables(self, repository: str, /, **others: Any) -> Json:
        owner, name = split_repository(repository)
        return {"owner": owner, "repo": name, **{key: it for key, it in others.items() if it is not None}}


def split_repository(repository: str) -> tuple[str, str]:
    """
    Return owner and name of a repository.

    Raises:
        ValueError: For anything but "owner/name"; a stray slash or dots would ask for something else.
    """
    owner, _, name = repository.partition("/")
    for part in (owner, name):
        if not _NAME.fullmatch(part) or part in (".", ".."):
            raise ValueError(f'a repository is "owner/name", not {repository!r}')
    return owner, name


def _template(path: str) -> str:
    return f"/repos/{{owner}}/{{repo}}{path}"
