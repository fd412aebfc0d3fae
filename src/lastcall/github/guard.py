"""Who may see deliveries, metrics and sessions: who has the token, or, without one, this machine alone."""

from fastapi import HTTPException, Request

from lastcall.page import HINT_HEADERS, refusal

__all__ = ["Guard"]

_HOW = "set GITHUB_WEBHOOK_PAGE_TOKEN and send it as `Authorization: Bearer TOKEN`"


class Guard:
    """
    A dependency that lets a request pass or refuses it.

    Args:
        token: Asked for as `Authorization: Bearer TOKEN`. None lets programs and browsers of this machine
            pass, but none that come through a proxy, and no foreign page that a browser here has open.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def __call__(self, request: Request) -> None:
        """
        Return if the request may pass.

        Raises:
            HTTPException: 401 without the right token, 403 for a stranger where there is none.
        """
        peer = request.client.host if request.client is not None else None
        refused = refusal(peer, request.headers, self._token, remedy=_HOW)
        if refused is not None:
            hint = HINT_HEADERS if refused.status == 401 else None  # noqa: PLR2004 - HTTP
            raise HTTPException(refused.status, refused.reason, hint)
        if (
            not self.has_token
            and request.method not in {"GET", "HEAD"}
            and "x-lastcall" not in request.headers
        ):
            # A page of another site cannot send such a header here without being asked first, and refused.
            raise HTTPException(403, "a request that changes something needs the header `X-Lastcall: 1`")

    @property
    def has_token(self) -> bool:
        """Whether it asks for a token."""
        return self._token is not None
