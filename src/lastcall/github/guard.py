"""Who may see deliveries, metrics and sessions: who has the token, or, without one, this machine alone."""

import hmac
from ipaddress import ip_address

from fastapi import HTTPException, Request

__all__ = ["Guard"]

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_LOCAL_NAMES = {"localhost", "127.0.0.1", "[::1]"}
_HOW = "set GITHUB_WEBHOOK_PAGE_TOKEN and send it as `Authorization: Bearer TOKEN`"


class Guard:
    """
    A dependency that lets a request pass or refuses it.

    Args:
        token: Asked for as `Authorization: Bearer TOKEN`. None lets programs and browsers of this machine
            pass, but none that come through a proxy, and no foreign page that a browser here has open.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token.encode() if token else None

    async def __call__(self, request: Request) -> None:
        """
        Return if the request may pass.

        Raises:
            HTTPException: 401 without the right token, 403 for a stranger where there is none.
        """
        if self._token is not None:
            self._check_token(request, self._token)
        elif not _is_local(request):
            raise HTTPException(403, f"only this machine may see this; {_HOW}")
        elif request.method not in {"GET", "HEAD"} and "x-lastcall" not in request.headers:
            # A page of another site cannot send such a header here without being asked first, and refused.
            raise HTTPException(403, "a request that changes something needs the header `X-Lastcall: 1`")

    @property
    def has_token(self) -> bool:
        """Whether it asks for a token."""
        return self._token is not None

    def _check_token(self, request: Request, token: bytes) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        fits = hmac.compare_digest(given.strip().encode("latin-1"), token)
        if scheme.lower() != "bearer" or not fits:
            raise HTTPException(401, "the right token is needed", {"WWW-Authenticate": "Bearer"})


def _is_local(request: Request) -> bool:
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        loopback = request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    # A name that a foreign page made to point here is in Host all the same.
    host = request.headers.get("host", "").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return loopback and name in _LOCAL_NAMES
