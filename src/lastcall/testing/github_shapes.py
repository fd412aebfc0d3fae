"""Objects in the shape of GitHub's REST API, with every field that its OpenAPI description requires."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

Json = dict[str, Any]

NOW = "2026-01-01T00:00:00Z"
"""When everything happened."""

_USER_URLS = (
    "events", "followers", "following", "gists", "organizations", "received_events", "repos", "starred",
    "subscriptions",
)  # fmt: skip
_REPOSITORY_URLS = (
    "archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare",
    "contents", "contributors", "deployments", "downloads", "events", "forks", "git_commits", "git_refs",
    "git_tags", "hooks", "issue_comment", "issue_events", "issues", "keys", "labels", "languages", "merges",
    "milestones", "notifications", "pulls", "releases", "stargazers", "statuses", "subscribers",
    "subscription", "tags", "teams", "trees",
)  # fmt: skip
_REPOSITORY_COUNTS = (
    "forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count", "watchers",
    "watchers_count", "network_count", "subscribers_count",
)  # fmt: skip
_HTML = "https://github.com"


def sha(*parts: object) -> str:
    """Return 40 hexadecimal digits that depend on *parts*."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:40]


def number(*parts: object) -> int:
    """Return an id that depends on *parts*."""
    return int(sha(*parts)[:8], 16)


def node(kind: str, id: int) -> str:  # noqa: A002 - GitHub's word
    """Return a node id."""
    return f"{kind}_{id:010d}"


def meta() -> Json:
    """Return what GitHub tells of itself: the networks that its webhooks come from."""
    return {"verifiable_password_authentication": False, "hooks": ["192.30.252.0/22", "2a0a:a440::/29"]}


def user(api: str, login: str) -> Json:
    """Return a user as others' objects hold one."""
    url, id = f"{api}/users/{login}", number("user", login)  # noqa: A001
    return {
        "login": login,
        "id": id,
        "node_id": node("U", id),
        "avatar_url": f"{_HTML}/{login}.png",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{_HTML}/{login}",
        **{f"{name}_url": f"{url}/{name}" for name in _USER_URLS},
        "type": "User",
        "site_admin": False,
    }


def full_user(api: str, login: str) -> Json:
    """Return a user as asked for by login."""
    unsaid = ("bio", "blog", "company", "email", "hireable", "location")
    counts = {"followers": 1, "following": 0, "public_gists": 0, "public_repos": 1}
    return {
        **user(api, login),
        **dict.fromkeys(unsaid),
        **counts,
        "name": login.title(),
        "created_at": NOW,
        "updated_at": NOW,
    }


def private_user(api: str, login: str) -> Json:
    """Return the user whose token it is."""
    counts = ("collaborators", "disk_usage", "owned_private_repos", "private_gists", "total_private_repos")
    return {**full_user(api, login), **dict.fromkeys(counts, 0), "two_factor_authentication": True}


def repository(api: str, name: str) -> Json:
    """Return a repository, "owner/name"."""
    url, html = f"{api}/repos/{name}", f"{_HTML}/{name}"
    id = number("repository", name)  # noqa: A001
    return {
        "id": id,
        "node_id": node("R", id),
        "name": name.partition("/")[2],
        "full_name": name,
        "owner": user(api, name.partition("/")[0]),
        "private": False,
        "html_url": html,
        "description": None,
        "fork": False,
        "url": url,
        **{f"{part}_url": f"{url}/{part}" for part in _REPOSITORY_URLS},
        **_repository_more(html),
    }


def _repository_more(html: str) -> Json:
    switches = ("has_downloads", "has_issues", "has_projects", "has_wiki", "has_pages", "has_discussions")
    return {
        **dict.fromkeys(_REPOSITORY_COUNTS, 0),
        **dict.fromkeys(switches, True),
        **dict.fromkeys(("homepage", "language", "mirror_url", "license")),
        "archived": False,
        "disabled": False,
        "visibility": "public",
        "default_branch": "main",
        "clone_url": f"{html}.git",
        "git_url": f"git://{html.partition('//')[2]}.git",
        "ssh_url": f"git@github.com:{html.partition('.com/')[2]}.git",
        "svn_url": html,
        "pushed_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }


def label(api: str, repo: str, name: str) -> Json:
    """Return a label."""
    id = number("label", repo, name)  # noqa: A001
    url = f"{api}/repos/{repo}/labels/{name}"
    return {
        "id": id, "node_id": node("LA", id), "url": url, "name": name, "description": None,
        "color": "ededed", "default": False,
    }  # fmt: skip


def issue(api: str, repo: str, index: int, login: str, given: Json) -> Json:
    """Return an open issue; *given* has its title, and maybe body and labels."""
    url, id = f"{api}/repos/{repo}/issues/{index}", number("issue", repo, index)  # noqa: A001
    return {
        **_numbered(url, f"{_HTML}/{repo}/issues/{index}", id=id, kind="I", index=index, login=login),
        "title": given.get("title", f"Issue {index}"),
        "body": given.get("body"),
        "labels": [label(api, repo, name) for name in given.get("labels", ())],
        "repository_url": f"{api}/repos/{repo}",
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "comments": 0,
        "state_reason": None,
    }


def _numbered(url: str, html: str, *, id: int, kind: str, index: int, login: str) -> Json:  # noqa: A002
    """Return what issues and pull requests share."""
    api = url.partition("/repos/")[0]
    return {
        "id": id,
        "node_id": node(kind, id),
        "url": url,
        "html_url": html,
        "number": index,
        "state": "open",
        "locked": False,
        "user": user(api, login),
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "author_association": "OWNER",
        "closed_at": None,
        "created_at": NOW,
        "updated_at": NOW,
    }


def pull(api: str, repo: str, index: int, login: str, given: Json) -> Json:
    """Return an open pull request; *given* may have title, body, head and base."""
    base, html = f"{api}/repos/{repo}", f"{_HTML}/{repo}/pull/{index}"
    url, id = f"{base}/pulls/{index}", number("pull", repo, index)  # noqa: A001
    head = sha("head", repo, index)
    urls = {
        "comments": f"{base}/issues/{index}/comments",
        "commits": f"{url}/commits",
        "issue": f"{base}/issues/{index}",
        "review_comment": f"{base}/pulls/comments{{/number}}",
        "review_comments": f"{url}/comments",
        "statuses": f"{base}/statuses/{head}",
    }
    links = {**urls, "self": url, "html": html}
    return {
        **_numbered(url, html, id=id, kind="PR", index=index, login=login),
        "title": given.get("title", f"Pull request {index}"),
        "body": given.get("body"),
        "labels": [],
        **{f"{name}_url": address for name, address in urls.items()},
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "_links": {name: {"href": address} for name, address in links.items()},
        "head": _branch(api, repo, given.get("head", "topic"), head),
        "base": _branch(api, repo, given.get("base", "main"), sha("main", repo)),
        **_pull_state(),
    }


def _branch(api: str, repo: str, ref: str, commit: str) -> Json:
    owner = repo.partition("/")[0]
    return {
        "label": f"{owner}:{ref}",
        "ref": ref,
        "sha": commit,
        "user": user(api, owner),
        "repo": repository(api, repo),
    }


def _pull_state() -> Json:
    counts = ("additions", "deletions", "changed_files", "comments", "commits", "review_comments")
    return {
        **dict.fromkeys(counts, 0),
        **dict.fromkeys(("merge_commit_sha", "merged_at", "merged_by", "auto_merge")),
        "draft": False,
        "merged": False,
        "mergeable": True,
        "mergeable_state": "clean",
        "maintainer_can_modify": False,
    }


def changed_file(api: str, repo: str, filename: str, patch: str) -> Json:
    """Return a file of a pull request, with its *patch*."""
    lines = patch.splitlines()
    added, gone = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    commit = sha("head", repo, filename)
    return {
        "sha": sha(patch),
        "filename": filename,
        "status": "modified",
        "additions": added,
        "deletions": gone,
        "changes": added + gone,
        "blob_url": f"{_HTML}/{repo}/blob/{commit}/{filename}",
        "raw_url": f"{_HTML}/{repo}/raw/{commit}/{filename}",
        "contents_url": f"{api}/repos/{repo}/contents/{filename}?ref={commit}",
        "patch": patch,
    }


def comment(api: str, repo: str, *, index: int, id: int, login: str, body: str) -> Json:  # noqa: A002
    """Return a comment under an issue or a pull request."""
    base = f"{api}/repos/{repo}/issues"
    return {
        "id": id,
        "node_id": node("IC", id),
        "url": f"{base}/comments/{id}",
        "html_url": f"{_HTML}/{repo}/issues/{index}#issuecomment-{id}",
        "issue_url": f"{base}/{index}",
        "body": body,
        "user": user(api, login),
        "author_association": "OWNER",
        "created_at": NOW,
        "updated_at": NOW,
    }


_VERDICTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


def review(api: str, repo: str, *, index: int, id: int, login: str, given: Json) -> Json:  # noqa: A002
    """Return a review; *given* has event and maybe body."""
    html, pull_url = f"{_HTML}/{repo}/pull/{index}", f"{api}/repos/{repo}/pulls/{index}"
    return {
        "id": id,
        "node_id": node("PRR", id),
        "user": user(api, login),
        "body": given.get("body", ""),
        "state": _VERDICTS.get(given.get("event", ""), "PENDING"),
        "html_url": f"{html}#pullrequestreview-{id}",
        "pull_request_url": pull_url,
        "_links": {"html": {"href": html}, "pull_request": {"href": pull_url}},
        "submitted_at": NOW,
        "commit_id": given.get("commit_id", sha("head", repo, index)),
        "author_association": "OWNER",
    }


def check_run(api: str, repo: str, id: int, given: Json) -> Json:  # noqa: A002
    """Return a check run; *given* has name and head_sha, and maybe status, conclusion and output."""
    url, html = f"{api}/repos/{repo}/check-runs/{id}", f"{_HTML}/{repo}/runs/{id}"
    output = {"title": None, "summary": None, "text": None, **given.get("output", {})}
    done = "conclusion" in given
    return {
        "id": id,
        "node_id": node("CR", id),
        "head_sha": given["head_sha"],
        "name": given["name"],
        "url": url,
        "html_url": html,
        "details_url": given.get("details_url", html),
        "external_id": given.get("external_id", ""),
        "status": given.get("status", "completed" if done else "queued"),
        "conclusion": given.get("conclusion"),
        "started_at": NOW,
        "completed_at": NOW if done else None,
        "check_suite": {"id": number("suite", given["head_sha"])},
        "output": {**output, "annotations_count": 0, "annotations_url": f"{url}/annotations"},
        "app": None,
        "pull_requests": [],
    }


def content(api: str, repo: str, path: str, data: bytes | None) -> Json:
    """Return a file with its content, or, without *data*, a folder as its parent lists it."""
    url = f"{api}/repos/{repo}/contents/{path}"
    html, kind = f"{_HTML}/{repo}/blob/main/{path}", "dir" if data is None else "file"
    git = f"{api}/repos/{repo}/git/blobs/{sha(data)}"
    entry = {
        "type": kind,
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": sha(data),
        "size": len(data or b""),
        "url": url,
        "html_url": html,
        "git_url": git,
        "download_url": None if data is None else f"https://raw.githubusercontent.com/{repo}/main/{path}",
        "_links": {"self": url, "git": git, "html": html},
    }
    if data is None:
        return entry
    return {**entry, "encoding": "base64", "content": base64.encodebytes(data).decode()}


def file_commit(api: str, repo: str, path: str, data: bytes, message: str) -> Json:
    """Return the commit that wrote a file, and the file."""
    commit, who = sha(path, data, message), {"name": "Octo Cat", "email": "octo@example.com", "date": NOW}
    file = content(api, repo, path, data)
    return {
        "content": {name: file[name] for name in file if name not in ("content", "encoding")},
        "commit": {
            "sha": commit,
            "node_id": f"C_{commit}",
            "url": f"{api}/repos/{repo}/git/commits/{commit}",
            "html_url": f"{_HTML}/{repo}/commit/{commit}",
            "author": who,
            "committer": who,
            "message": message,
            "tree": {"url": f"{api}/repos/{repo}/git/trees/{commit}", "sha": commit},
            "parents": [],
            "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None},
        },
    }


def installation(api: str, id: int, app_id: int, login: str) -> Json:  # noqa: A002
    """Return an installation of a GitHub App."""
    url = f"{api}/app/installations/{id}"
    return {
        "id": id,
        "app_id": app_id,
        "app_slug": "octo-app",
        "target_id": number("user", login),
        "target_type": "User",
        "account": user(api, login),
        "permissions": {"issues": "write", "contents": "read"},
        "events": ["issues", "pull_request"],
        "repository_selection": "all",
        "single_file_name": None,
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"{_HTML}/settings/installations/{id}",
        "suspended_by": None,
        "suspended_at": None,
        "created_at": NOW,
        "updated_at": NOW,
    }


def error(status: int, message: str, errors: list[Json] | None = None) -> Json:
    """Return an error object."""
    body = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return body if errors is None else {**body, "errors": errors}


def json_bytes(data: Any) -> bytes:
    """Return compact JSON, as GitHub sends it."""
    return json.dumps(data, separators=(",", ":")).encode()
