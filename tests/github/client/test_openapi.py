"""The scripted GitHub answers as GitHub's own OpenAPI description says."""

import json
import re
from functools import cache
from typing import Any

import jsonschema
import pytest

from lastcall.github import AppAuth
from lastcall.testing import GitHubServer

from .conftest import REPO, Service, keys
from .counterparts import npm

OPENAPI = "@octokit/openapi@23.0.2"
ACCESS_TOKENS = "/app/installations/{installation_id}/access_tokens"

pytestmark = pytest.mark.slow

REPOSITORY = f"/repos/{REPO}"
CALLS: list[tuple[str, str, str, int, Any]] = [
    ("get", "/meta", "/meta", 200, None),
    ("get", "/user", "/user", 200, None),
    ("get", "/users/{username}", "/users/hubot", 200, None),
    ("get", "/user/repos", "/user/repos", 200, None),
    ("get", "/users/{username}/repos", "/users/octo-org/repos", 200, None),
    ("get", "/installation/repositories", "/installation/repositories", 200, None),
    ("get", "/repos/{owner}/{repo}", REPOSITORY, 200, None),
    ("get", "/repos/{owner}/{repo}/issues", f"{REPOSITORY}/issues", 200, None),
    ("get", "/repos/{owner}/{repo}/issues/{issue_number}", f"{REPOSITORY}/issues/1", 200, None),
    ("get", "/repos/{owner}/{repo}/pulls", f"{REPOSITORY}/pulls", 200, None),
    ("get", "/repos/{owner}/{repo}/pulls/{pull_number}", f"{REPOSITORY}/pulls/2", 200, None),
    ("get", "/repos/{owner}/{repo}/pulls/{pull_number}/files", f"{REPOSITORY}/pulls/2/files", 200, None),
    ("get", "/repos/{owner}/{repo}/contents/{path}", f"{REPOSITORY}/contents/docs", 200, None),
    (
        "get",
        "/repos/{owner}/{repo}/contents/{path}",
        f"{REPOSITORY}/contents/docs/read%20me%3F.md",
        200,
        None,
    ),
    (
        "post",
        "/repos/{owner}/{repo}/issues",
        f"{REPOSITORY}/issues",
        201,
        {"title": "New", "labels": ["bug"]},
    ),
    (
        "post",
        "/repos/{owner}/{repo}/issues/{issue_number}/comments",
        f"{REPOSITORY}/issues/1/comments",
        201,
        {"body": "x"},
    ),
    (
        "post",
        "/repos/{owner}/{repo}/pulls/{pull_number}/reviews",
        f"{REPOSITORY}/pulls/2/reviews",
        200,
        {"event": "APPROVE"},
    ),
    (
        "post",
        "/repos/{owner}/{repo}/check-runs",
        f"{REPOSITORY}/check-runs",
        201,
        {"name": "lint", "head_sha": "abc", "conclusion": "success"},
    ),
    (
        "put",
        "/repos/{owner}/{repo}/contents/{path}",
        f"{REPOSITORY}/contents/new",
        201,
        {"message": "m", "content": "bmV3"},
    ),
]


@cache
def description() -> dict[str, Any]:
    """Return GitHub's description, its OpenAPI 3.0 `nullable` said in JSON Schema's way."""
    path = npm(OPENAPI) / "node_modules/@octokit/openapi/generated/api.github.com.json"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), object_hook=_nullable)
    return read


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("nullable") is True and schema.keys() & {"type", "allOf", "anyOf", "oneOf"}:
        return {"anyOf": [{"type": "null"}, {key: schema[key] for key in schema if key != "nullable"}]}
    return schema


def problems(method: str, template: str, status: int, data: Any) -> list[str]:
    """Return what is wrong with an answer, in a line each."""
    responses = description()["paths"][template][method]["responses"]
    response = responses[str(status)]
    if "$ref" in response:
        response = description()["components"]["responses"][response["$ref"].rpartition("/")[2]]
    (media,) = (value for kind, value in response["content"].items() if kind == "application/json")
    schema = {**media["schema"], "components": description()["components"]}
    validator = jsonschema.Draft4Validator(schema)
    return [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(data)]


def body_problems(method: str, path: str, data: Any) -> list[str]:
    """Return what is wrong with the JSON body of a request, in a line each."""
    described = description()["paths"]
    fitting = [one for one in described if method in described[one] and _fits(one, path)]
    if not fitting:
        return ["no such operation"]
    operation = described[min(fitting, key=lambda one: one.count("{"))][method]
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return [] if data is None else ["it takes no body"]
    validator = jsonschema.Draft4Validator({**schema, "components": description()["components"]})
    unknown = set(data or {}) - set(schema.get("properties", data or {}))
    return [error.message[:200] for error in validator.iter_errors(data or {})] + sorted(unknown)


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path) is not None


async def test_every_answer_is_as_github_describes_it(server: GitHubServer, service: Service) -> None:
    """Each endpoint's answer, and those of lists made by writing, have the described fields and types."""
    wrong = {}
    async with service() as github:
        for method, template, path, status, data in CALLS:
            given = () if data is None else (("data", data),)
            item = await getattr(github.gh, "getitem" if method == "get" else method)(path, **dict(given))
            if found := problems(method, template, status, item):
                wrong[f"{method} {path}"] = found
        for name in ("issues/1/comments", "pulls/2/reviews", "commits/abc/check-runs"):
            template = {
                "issues/1/comments": "issues/{issue_number}/comments",
                "pulls/2/reviews": "pulls/{pull_number}/reviews",
                "commits/abc/check-runs": "commits/{ref}/check-runs",
            }[name]
            item = await github.gh.getitem(f"{REPOSITORY}/{name}")
            if found := problems("get", f"/repos/{{owner}}/{{repo}}/{template}", 200, item):
                wrong[name] = found
    assert not wrong


async def test_installations_and_their_tokens_are_as_github_describes_them(
    server: GitHubServer, service: Service
) -> None:
    """What an App asks for has the described fields too."""
    server.add_installation(11, "octo-org")
    async with service(None, auth=AppAuth(7, keys()[0])) as github:
        token = await github.gh.post("/app/installations/11/access_tokens", data={})
        installation = await github.gh.getitem(f"{REPOSITORY}/installation")
    assert not problems("post", ACCESS_TOKENS, 201, token)
    assert not problems("get", "/repos/{owner}/{repo}/installation", 200, installation)


def test_the_check_itself_can_fail() -> None:
    """An object without its fields is no issue."""
    assert problems("get", "/repos/{owner}/{repo}/issues/{issue_number}", 200, {"number": 1})
    assert body_problems("post", f"/repos/{REPO}/issues", {"body": "no title"})
    assert body_problems("patch", f"/repos/{REPO}/issues/1", {"state": "ajar"})
    assert body_problems("patch", f"/repos/{REPO}/issues/1", {"no such field": 1})
