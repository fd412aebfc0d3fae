"""Calls about issues, and the comments under issues and pull requests."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from .calls import Calls, Json

__all__ = ["IssueCalls"]


class IssueCalls(Calls):
    """Mixed into `GithubService`."""

    async def get_issue(self, repository: str, number: int) -> Json:
        """Return an issue, or a pull request as one, of "owner/name" by its number."""
        return await self._get(repository, "/issues/{number}", number=number)

    async def get_issues(
        self,
        repository: str,
        *,
        state: Literal["open", "closed", "all"] = "open",
        labels: Sequence[str] = (),
        since: str | None = None,
    ) -> AsyncIterator[Json]:
        """
        Yield issues, the newest first; pull requests are among them, with a field "pull_request".

        Args:
            repository: "owner/name".

            state: Which.

            labels: Only those that have all of these.

            since: Only those changed since, "YYYY-MM-DDTHH:MM:SSZ".
        """
        path = "/issues{?state,labels,since,per_page}"
        given = ",".join(labels) or None
        async for issue in self._list(repository, path, state=state, labels=given, since=since):
            yield issue

    async def create_issue(self, repository: str, title: str, body: str | None = None, **fields: Any) -> Json:
        """Create an issue; *fields* are GitHub's others: labels, assignees, milestone."""
        return await self._send("post", repository, "/issues", {"title": title, "body": body, **fields})

    async def update_issue(self, repository: str, number: int, **fields: Any) -> Json:
        """Change an issue's title, body, state, state_reason, labels or assignees."""
        return await self._send("patch", repository, "/issues/{number}", fields, number=number)

    async def get_comments(self, repository: str, number: int) -> AsyncIterator[Json]:
        """Yield the comments under an issue or a pull request, the oldest first."""
        path = "/issues/{number}/comments{?per_page}"
        async for comment in self._list(repository, path, number=number):
            yield comment

    async def create_comment(self, repository: str, number: int, body: str) -> Json:
        """Comment on an issue or a pull request."""
        path = "/issues/{number}/comments"
        return await self._send("post", repository, path, {"body": body}, number=number)

    async def update_comment(self, repository: str, comment_id: int, body: str) -> Json:
        """Replace the text of a comment."""
        path = "/issues/comments/{id}"
        return await self._send("patch", repository, path, {"body": body}, id=comment_id)

    async def delete_comment(self, repository: str, comment_id: int) -> None:
        """Delete a comment."""
        url_vars = self._variables(repository, id=comment_id)
        await self.gh.delete("/repos/{owner}/{repo}/issues/comments/{id}", url_vars)
