"""The fake GitHub's endpoints: from method and path to what is answered, without any transport."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import github_shapes as shapes
from .github_shapes import Json
from .github_state import GitHubState, Repository

__all__ = ["Asked", "NotThereError", "Result", "find"]

_OK, _CREATED, _EMPTY, _UNPROCESSABLE = 200, 201, 204, 422


class NotThereError(Exception):
    """What a path names is not there; GitHub answers 404."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of an endpoint."""

    state: GitHubState
    parts: Mapping[str, str]
    """What the path named."""
    query: Mapping[str, str]
    json: Mapping[str, Any]
    accept: str

    @property
    def repo(self) -> Repository:
        """The repository in the path."""
        found: Repository = _there(self.state.repositories.get(f"{self.parts['owner']}/{self.parts['repo']}"))
        return found

    @property
    def number(self) -> int:
        """The number or id in the path."""
        return int(self.parts["number"])


@dataclass(frozen=True, slots=True)
class Result:
    """What an endpoint answers."""

    data: Any = None
    """JSON, bytes as they are, or None for no body."""
    status: int = _OK
    content_type: str = "application/json; charset=utf-8"
    key: str | None = None
    """Under which a paged list is an object's; "" for a list by itself, None for no list."""
    more: Json = field(default_factory=dict)
    """Other fields beside *key*."""


_Handler = Callable[[Asked], Result]
_routes: list[tuple[str, re.Pattern[str], _Handler]] = []


def find(method: str, path: str) -> tuple[_Handler, dict[str, str]]:
    """
    Return the endpoint of a request, and the parts of its path.

    Raises:
        NotThereError: If there is none.
    """
    for known, pattern, handler in _routes:
        match = pattern.fullmatch(path)
        if match and known == method:
            return handler, match.groupdict()
    raise NotThereError


def _route(method: str, path: str) -> Callable[[_Handler], _Handler]:
    pattern = path.replace("{number}", r"(?P<number>\d{1,15})").replace("{path}", "(?P<path>.*)")
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)

    def add(handler: _Handler) -> _Handler:
        _routes.append((method, re.compile(pattern), handler))
        return handler

    return add


_REPO = "/repos/{owner}/{repo}"


@_route("GET", "/meta")
def _meta(asked: Asked) -> Result:  # noqa: ARG001 - every endpoint is called alike
    return Result(shapes.meta())


@_route("GET", "/user")
def _me(asked: Asked) -> Result:
    return Result(shapes.private_user(asked.state.api, asked.state.login))


@_route("GET", "/users/{login}")
def _user(asked: Asked) -> Result:
    return Result(shapes.full_user(asked.state.api, asked.parts["login"]))


@_route("GET", "/user/repos")
def _my_repos(asked: Asked) -> Result:
    return Result(_repositories(asked.state), key="")


@_route("GET", "/users/{login}/repos")
def _repos(asked: Asked) -> Result:
    owner = asked.parts["login"] + "/"
    found = _repositories(asked.state)
    return Result([repo for repo in found if repo["full_name"].startswith(owner)], key="")


@_route("GET", "/installation/repositories")
def _installation_repos(asked: Asked) -> Result:
    found = _repositories(asked.state)
    return Result(found, key="repositories", more={"total_count": len(found)})


@_route("GET", _REPO)
def _repo(asked: Asked) -> Result:
    return Result(shapes.repository(asked.state.api, asked.repo.name))


@_route("GET", _REPO + "/installation")
def _repo_installation(asked: Asked) -> Result:
    owner = asked.parts["owner"]
    found = [id for id, login in asked.state.installations.items() if login == owner]  # noqa: A001
    return Result(shapes.installation(asked.state.api, _there(found)[0], 1, owner))


@_route("GET", _REPO + "/issues")
def _issues(asked: Asked) -> Result:
    state = asked.query.get("state", "open")
    wanted = set(filter(None, asked.query.get("labels", "").split(",")))
    found = [
        issue
        for issue in reversed(asked.repo.issues.values())
        if state in ("all", issue["state"]) and wanted <= {label["name"] for label in issue["labels"]}
    ]
    return Result(found, key="")


@_route("POST", _REPO + "/issues")
def _create_issue(asked: Asked) -> Result:
    if not asked.json.get("title"):
        return _invalid("Issue", "title")
    return Result(asked.state.add_issue(asked.repo, dict(asked.json)), _CREATED)


@_route("GET", _REPO + "/issues/{number}")
def _issue(asked: Asked) -> Result:
    return Result(_there(asked.repo.issues.get(asked.number)))


@_route("PATCH", _REPO + "/issues/{number}")
def _update_issue(asked: Asked) -> Result:
    issue = _there(asked.repo.issues.get(asked.number))
    issue.update({name: asked.json[name] for name in ("title", "body", "state") if name in asked.json})
    return Result(issue)


@_route("GET", _REPO + "/issues/{number}/comments")
def _comments(asked: Asked) -> Result:
    _there(asked.repo.issues.get(asked.number))
    return Result(asked.repo.comments.get(asked.number, []), key="")


@_route("POST", _REPO + "/issues/{number}/comments")
def _create_comment(asked: Asked) -> Result:
    _there(asked.repo.issues.get(asked.number))
    if not asked.json.get("body"):
        return _invalid("IssueComment", "body")
    return Result(asked.state.add_comment(asked.repo, asked.number, asked.json["body"]), _CREATED)


@_route("PATCH", _REPO + "/issues/comments/{number}")
def _update_comment(asked: Asked) -> Result:
    _, comment = _comment(asked)
    comment["body"] = asked.json.get("body", comment["body"])
    return Result(comment)


@_route("DELETE", _REPO + "/issues/comments/{number}")
def _delete_comment(asked: Asked) -> Result:
    comments, comment = _comment(asked)
    comments.remove(comment)
    return Result(None, _EMPTY)


@_route("GET", _REPO + "/pulls")
def _pulls(asked: Asked) -> Result:
    state = asked.query.get("state", "open")
    found = [pull for pull in reversed(asked.repo.pulls.values()) if state in ("all", pull["state"])]
    return Result(found, key="")


@_route("GET", _REPO + "/pulls/{number}")
def _pull(asked: Asked) -> Result:
    pull = _there(asked.repo.pulls.get(asked.number))
    if "diff" not in asked.accept:
        return Result(pull)
    files = asked.repo.pull_files.get(asked.number, [])
    diff = "".join("diff --git a/{0} b/{0}\n{1}\n".format(file["filename"], file["patch"]) for file in files)
    return Result(diff.encode(), content_type="application/vnd.github.diff; charset=utf-8")


@_route("GET", _REPO + "/pulls/{number}/files")
def _pull_files(asked: Asked) -> Result:
    _there(asked.repo.pulls.get(asked.number))
    return Result(asked.repo.pull_files.get(asked.number, []), key="")


@_route("GET", _REPO + "/pulls/{number}/comments")
def _review_comments(asked: Asked) -> Result:
    _there(asked.repo.pulls.get(asked.number))
    return Result([], key="")


@_route("GET", _REPO + "/pulls/{number}/reviews")
def _reviews(asked: Asked) -> Result:
    _there(asked.repo.pulls.get(asked.number))
    return Result(asked.repo.reviews.get(asked.number, []), key="")


@_route("POST", _REPO + "/pulls/{number}/reviews")
def _create_review(asked: Asked) -> Result:
    _there(asked.repo.pulls.get(asked.number))
    state, repo = asked.state, asked.repo
    given: Json = {
        "index": asked.number,
        "id": next(repo.ids),
        "login": state.login,
        "given": dict(asked.json),
    }
    review = shapes.review(state.api, repo.name, **given)
    repo.reviews.setdefault(asked.number, []).append(review)
    return Result(review)


@_route("GET", _REPO + "/commits/{ref}/check-runs")
def _check_runs(asked: Asked) -> Result:
    found = [run for run in asked.repo.check_runs if run["head_sha"] == asked.parts["ref"]]
    return Result(found, key="check_runs", more={"total_count": len(found)})


@_route("POST", _REPO + "/check-runs")
def _create_check_run(asked: Asked) -> Result:
    for name in ("name", "head_sha"):
        if not asked.json.get(name):
            return _invalid("CheckRun", name)
    repo = asked.repo
    repo.check_runs.append(shapes.check_run(asked.state.api, repo.name, next(repo.ids), dict(asked.json)))
    return Result(repo.check_runs[-1], _CREATED)


@_route("PATCH", _REPO + "/check-runs/{number}")
def _update_check_run(asked: Asked) -> Result:
    run = _there([run for run in asked.repo.check_runs if run["id"] == asked.number])[0]
    given = {**run, **asked.json}
    run.update(shapes.check_run(asked.state.api, asked.repo.name, run["id"], given))
    return Result(run)


@_route("GET", _REPO + "/contents/?{path}")
def _content(asked: Asked) -> Result:
    path, files = asked.parts["path"].strip("/"), asked.repo.files
    api, name = asked.state.api, asked.repo.name
    if path in files:
        if "raw" in asked.accept:
            return Result(files[path], content_type="application/vnd.github.raw+json; charset=utf-8")
        return Result(shapes.content(api, name, path, files[path]))
    folder = f"{path}/" if path else ""
    below = {file[len(folder) :].partition("/")[0] for file in files if file.startswith(folder)}
    entries = [
        shapes.content(api, name, folder + entry, files.get(folder + entry)) for entry in _there(below)
    ]
    unsaid = ("content", "encoding")
    return Result([{key: entry[key] for key in entry if key not in unsaid} for entry in entries])


@_route("PUT", _REPO + "/contents/?{path}")
def _put_content(asked: Asked) -> Result:
    path, repo, there = asked.parts["path"], asked.repo, asked.parts["path"] in asked.repo.files
    data = base64.b64decode(asked.json.get("content", ""))
    if there and asked.json.get("sha") != shapes.sha(repo.files[path]):
        return Result(shapes.error(409, f"{path} does not match {asked.json.get('sha')}"), 409)
    repo.files[path] = data
    message = asked.json.get("message", "")
    commit = shapes.file_commit(asked.state.api, repo.name, path, data, message)
    return Result(commit, _OK if there else _CREATED)


@_route("POST", "/graphql")
def _graphql(asked: Asked) -> Result:
    if "mutation" in asked.json.get("query", ""):
        return Result({"data": {"done": True}})
    return Result({"data": {"viewer": {"login": asked.state.login}}})


def _repositories(state: GitHubState) -> list[Json]:
    return [shapes.repository(state.api, name) for name in sorted(state.repositories)]


def _comment(asked: Asked) -> tuple[list[Json], Json]:
    for comments in asked.repo.comments.values():
        for comment in comments:
            if comment["id"] == asked.number:
                return comments, comment
    raise NotThereError


def _there(found: Any) -> Any:
    """Return what was found; raise if it is nothing."""
    if not found:
        raise NotThereError
    return found


def _invalid(resource: str, name: str) -> Result:
    errors = [{"resource": resource, "field": name, "code": "missing_field"}]
    return Result(shapes.error(_UNPROCESSABLE, "Validation Failed", errors), _UNPROCESSABLE)
