"""Calls about pull requests: their files and diff, and reviews."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from .calls import Calls, Json

__all__ = ["PullCalls"]

_DIFF = "application/vnd.github.diff"


class PullCalls(Calls):
    """Mixed into `GithubService`."""

    async def get_pull(self, repository: str, number: int) -> Json:
        """Return a pull request of "owner/name" by its number."""
        return await self._get(repository, "/pulls/{number}", number=number)

    async def get_pulls(
        self, repository: str, *, state: Literal["open", "closed", "all"] = "open"
    ) -> AsyncIterator[Json]:
        """Yield pull requests, the newest first."""
        async for pull in self._list(repository, "/pulls{?state,per_page}", state=state):
            yield pull

    async def get_pull_files(self, repository: str, number: int) -> AsyncIterator[Json]:
        """Yield the changed files of a pull request, up to GitHub's limit of 3,000."""
        async for file in self._list(repository, "/pulls/{number}/files{?per_page}", number=number):
            yield file

    async def get_pull_diff(self, repository: str, number: int) -> str:
        """Return a pull request's diff; bytes in it that are no UTF-8 are replaced."""
        url_vars = self._variables(repository, number=number)
        diff = await self.gh.getbytes("/repos/{owner}/{repo}/pulls/{number}", url_vars, accept=_DIFF)
        return diff.decode("utf-8", "replace")

    async def get_reviews(self, repository: str, number: int) -> AsyncIterator[Json]:
        """Yield the reviews of a pull request, the oldest first."""
        async for review in self._list(repository, "/pulls/{number}/reviews{?per_page}", number=number):
            yield review

    async def create_review(
        self,
        repository: str,
        number: int,
        *,
        event: Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"],
        body: str | None = None,
        comments: Sequence[Json] | None = None,
        **fields: Any,
    ) -> Json:
        """
        Review a pull request.

        Args:
            repository: "owner/name".

            number: The pull request's.

            event: The verdict.

            body: Needed unless it approves.

            comments: On lines, as GitHub wants them: path, body, line ...

            fields: GitHub's others: commit_id.
        """
        data = {"event": event, "body": body, "comments": comments, **fields}
        return await self._send("post", repository, "/pulls/{number}/reviews", data, number=number)

    async def get_review_comments(self, repository: str, number: int) -> AsyncIterator[Json]:
        """Yield the comments on lines of a pull request, the oldest first."""
        async for comment in self._list(repository, "/pulls/{number}/comments{?per_page}", number=number):
            yield comment
