"""What a fake GitHub holds: repositories, and the issues, pull requests and files in them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from . import github_shapes as shapes
from .github_shapes import Json

__all__ = ["GitHubState", "Repository"]


@dataclass(slots=True)
class Repository:
    """One repository."""

    name: str
    """As "owner/name"."""

    issues: dict[int, Json] = field(default_factory=dict)
    """By number; those of pull requests are among them."""

    pulls: dict[int, Json] = field(default_factory=dict)
    """By number."""

    pull_files: dict[int, list[Json]] = field(default_factory=dict)
    """By the pull request's number."""

    comments: dict[int, list[Json]] = field(default_factory=dict)
    """By the number of the issue or pull request, the oldest first."""

    reviews: dict[int, list[Json]] = field(default_factory=dict)
    """By the pull request's number, the oldest first."""

    check_runs: list[Json] = field(default_factory=list)
    """In order."""

    files: dict[str, bytes] = field(default_factory=dict)
    """By path from the root."""

    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    """Of comments, reviews and check runs."""

    def next_number(self) -> int:
        """Return the number of the next issue or pull request."""
        return len(self.issues) + 1


class GitHubState:
    """
    All repositories, and who asks.

    Args:
        login: The user whose token it is, and who writes everything.
    """

    def __init__(self, login: str) -> None:
        self.api = ""
        """Base URL, set when the server listens."""

        self.login = login
        self.repositories: dict[str, Repository] = {}
        """By "owner/name"."""

        self.installations: dict[int, str] = {}
        """From the id of an installation to the login of its account."""

    def repository(self, name: str) -> Repository:
        """Return a repository, made if need be."""
        return self.repositories.setdefault(name, Repository(name))

    def add_issue(self, repo: Repository, given: Json) -> Json:
        """Add an issue and return it."""
        index = repo.next_number()
        repo.issues[index] = shapes.issue(self.api, repo.name, index, self.login, given)
        return repo.issues[index]

    def add_pull(self, repo: Repository, given: Json) -> Json:
        """Add a pull request, the issue that it is too included, and return it."""
        index = repo.next_number()
        pull = shapes.pull(self.api, repo.name, index, self.login, given)
        issue = shapes.issue(self.api, repo.name, index, self.login, given)
        links = {name: pull[name] for name in ("url", "html_url", "diff_url", "patch_url")}
        repo.issues[index] = {**issue, "html_url": pull["html_url"], "pull_request": links}
        repo.pulls[index] = pull
        return pull

    def add_pull_file(self, repo: Repository, index: int, filename: str, patch: str) -> Json:
        """Add a changed file to a pull request."""
        file = shapes.changed_file(self.api, repo.name, filename, patch)
        repo.pull_files.setdefault(index, []).append(file)
        for name in ("additions", "deletions"):
            repo.pulls[index][name] += file[name]
        repo.pulls[index]["changed_files"] += 1
        return file

    def add_comment(self, repo: Repository, index: int, body: str) -> Json:
        """Add a comment and return it."""
        comment = shapes.comment(
            self.api, repo.name, index=index, id=next(repo.ids), login=self.login, body=body
        )
        repo.comments.setdefault(index, []).append(comment)
        repo.issues[index]["comments"] += 1
        return comment
