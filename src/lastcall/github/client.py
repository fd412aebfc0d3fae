"""gidgethub's client over our transport: its calls and errors, with our pace, pins and caches."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

import gidgethub.abc
import gidgethub.sansio
from multidict import CIMultiDict
from yarl import URL

from .messages import Request
from .transport import Transport

__all__ = ["GitHubClient"]

_NO_CODE = re.compile(r'"""(?:[^"]|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*')
_MUTATION = re.compile(r"\b(?:mutation|subscription)\b")


class GitHubClient(gidgethub.abc.GitHubAPI):
    """
    gidgethub's client; everything that it sends, GraphQL included, goes through one transport.

    Args:
        transport: Over which.

        requester: The User-Agent.
    """

    def __init__(self, transport: Transport, requester: str) -> None:
        super().__init__(requester, base_url=str(transport.api))
        self.transport = transport
        self._graphql_url = graphql_url(transport.api)

    async def graphql(self, query: str, *, endpoint: str | None = None, **variables: Any) -> Any:
        """
        Query the GraphQL API of the same server; as gidgethub's, with retries and limits as for REST.

        A document in which the word "mutation" stands, outside strings and comments, is a write.

        Args:
            query: The document.

            endpoint: The URL; None for the API's own.

            variables: Of the query. One called "query" or "endpoint" cannot be given.

        Returns:
            The value of "data".

        Raises:
            gidgethub.GraphQLException: For an answer with errors, and for one that is none.
        """
        return await super().graphql(query, endpoint=endpoint or str(self._graphql_url), **variables)

    async def getbytes(self, url: str, url_vars: Mapping[str, Any] | None = None, *, accept: str) -> bytes:
        """
        Return the body of a GET as it is: a diff or a file may be in any encoding, or none.

        Args:
            url: A path, or a URL of the API; a URI template.

            url_vars: For the template.

            accept: The media type.

        Raises:
            gidgethub.HTTPException: For a status from 300.
        """
        filled = gidgethub.sansio.format_url(url, url_vars, base_url=self.base_url)
        headers = gidgethub.sansio.create_headers(self.requester, accept=accept)
        status, answer_headers, body = await self._request("GET", filled, headers)
        if status >= 300:  # noqa: PLR2004
            gidgethub.sansio.decipher_response(status, answer_headers, body)
        return body

    async def sleep(self, seconds: float) -> None:
        """Sleep; gidgethub asks for it."""
        await asyncio.sleep(seconds)

    async def _make_request(  # noqa: PLR0917 - gidgethub's own signature
        self,
        method: str,
        url: str,
        url_vars: Mapping[str, Any] | None,
        data: Any,
        accept: str,
        jwt: str | None = None,
        oauth_token: str | None = None,
        content_type: str = gidgethub.abc.JSON_CONTENT_TYPE,
        extra_headers: dict[str, str] | None = None,
    ) -> tuple[bytes, str | None, int]:
        if data != b"" and content_type == gidgethub.abc.JSON_CONTENT_TYPE:
            # Compact, as GitHub's own clients send it and its recordings expect it.
            data = json.dumps(data, separators=(",", ":")).encode()
            content_type = gidgethub.abc.JSON_UTF_8_CHARSET
        return await super()._make_request(
            method, url, url_vars, data, accept, jwt, oauth_token, content_type, extra_headers
        )

    async def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, Mapping[str, str], bytes]:
        target = URL(url, encoded=True)
        query_only = method == "POST" and target == self._graphql_url and not _mutates(body)
        response = await self.transport.exchange(
            Request(method, target, CIMultiDict(headers), body, query_only=query_only)
        )
        return response.status, response.headers, response.body


def graphql_url(api: URL) -> URL:
    """Return where GraphQL is: beside the REST API, which Enterprise Server has under /api/v3."""
    root = api.path.rstrip("/").removesuffix("/v3")
    return api.with_path(f"{root}/graphql")


def _mutates(body: bytes) -> bool:
    """Tell whether a GraphQL request may change something; if in doubt, it may."""
    try:
        query = json.loads(body)["query"]
    except (ValueError, KeyError, TypeError):
        return True
    return not isinstance(query, str) or bool(_MUTATION.search(_NO_CODE.sub("", query)))
