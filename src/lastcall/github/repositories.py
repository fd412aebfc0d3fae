"""Calls about people, repositories and what is in them."""

import base64
from collections.abc import AsyncIterator
from typing import Any, cast

from .calls import PER_PAGE, Calls, Json, split_repository

__all__ = ["RepositoryCalls"]

_RAW = "application/vnd.github.raw+json"


class RepositoryCalls(Calls):
    """Mixed into `GithubService`."""

    async def get_my_user_info(self) -> Json:
        """Return the user whose token it is."""
        return cast("Json", await self.gh.getitem("/user"))

    async def get_user(self, login: str | None = None) -> Json:
        """Return a user or organization by login; None for the one whose token it is."""
        if login is None:
            return await self.get_my_user_info()
        return cast("Json", await self.gh.getitem("/users/{login}", {"login": login}))

    async def get_repos(self, owner: str | None = None) -> AsyncIterator[Json]:
        """
        Yield repositories, page by page as they are asked for.

        Args:
            owner: A user's or an organization's public ones; None for all that the token's user can see.
        """
        path = "/user/repos{?per_page}" if owner is None else "/users/{owner}/repos{?per_page}"
        async for repository in self.gh.getiter(path, {"owner": owner or "", "per_page": PER_PAGE}):
            yield repository

    async def get_installation_repos(self) -> AsyncIterator[Json]:
        """Yield the repositories that an App's installation may use."""
        url_vars = {"per_page": PER_PAGE}
        async for repository in self.gh.getiter(
            "/installation/repositories{?per_page}", url_vars, iterable_key="repositories"
        ):
            yield repository

    async def get_repo(self, repository: str) -> Json:
        """Return a repository, "owner/name"."""
        return await self._get(repository, "")

    async def get_content(
        self, repository: str, path: str = "", *, ref: str | None = None
    ) -> Json | list[Json]:
        """
        Return a file, with its content in base64 up to 1 MB, or the list of what is in a folder.

        Args:
            repository: "owner/name".

            path: From the root, without a slash at either end; "" for the root.

            ref: A branch, tag or commit; None for the default branch.
        """
        found = await self._get(repository, "/contents{/path*}{?ref}", path=_segments(path), ref=ref)
        return cast("Json | list[Json]", found)

    async def get_file(self, repository: str, path: str, *, ref: str | None = None) -> bytes:
        """Return the bytes of a file of up to 100 MB; arguments as for `get_content`."""
        owner, name = split_repository(repository)
        url_vars: dict[str, Any] = {"owner": owner, "repo": name, "path": _segments(path)}
        if ref is not None:
            url_vars["ref"] = ref
        return await self.gh.getbytes("/repos/{owner}/{repo}/contents{/path*}{?ref}", url_vars, accept=_RAW)

    async def put_file(
        self,
        repository: str,
        path: str,
        content: bytes,
        *,
        message: str,
        sha: str | None = None,
        branch: str | None = None,
    ) -> Json:
        """
        Write a file in a commit of its own, and return both.

        Args:
            repository: "owner/name".

            path: From the root.

            content: All of it.

            message: Of the commit.

            sha: The blob that is replaced; None for a new file.

            branch: None for the default branch.
        """
        data = {
            "message": message,
            "content": base64.b64encode(content).decode(),
            "sha": sha,
            "branch": branch,
        }
        return await self._send("put", repository, "/contents{/path*}", data, path=_segments(path))

    async def get_check_runs(self, repository: str, ref: str) -> AsyncIterator[Json]:
        """Yield the check runs of a branch, tag or commit."""
        path = "/commits/{ref}/check-runs{?per_page}"
        async for run in self._list(repository, path, key="check_runs", ref=ref):
            yield run

    async def create_check_run(self, repository: str, *, name: str, head_sha: str, **fields: Any) -> Json:
        """
        Create a check run; only an App may.

        Args:
            repository: "owner/name".

            name: As shown.

            head_sha: The commit.

            fields: Others of GitHub's: status, conclusion, output, details_url ...; None leaves one out.
        """
        data = {"name": name, "head_sha": head_sha, **fields}
        return await self._send("post", repository, "/check-runs", data)

    async def update_check_run(self, repository: str, check_run_id: int, **fields: Any) -> Json:
        """Change a check run; *fields* as for `create_check_run`."""
        return await self._send("patch", repository, "/check-runs/{id}", fields, id=check_run_id)


def _segments(path: str) -> list[str]:
    """Return the parts of a path; "." and ".." would lead to another endpoint."""
    segments = [segment for segment in path.split("/") if segment]
    if {".", ".."} & set(segments):
        raise ValueError(f"a path in a repository has no '.' or '..' in it: {path!r}")
    return segments
