"""
The errors of the GitHub client, beside gidgethub's own, which say what GitHub answered.

    LastcallError
    ├── RateLimitError (gidgethub.RateLimitExceeded)    a limit that asks for a longer wait than allowed
    ├── ForeignUrlError (ValueError)                    a URL that is not the API's, and gets no token
    └── AppAuthError (ValueError)                       an app that cannot sign, or has no such installation
"""

from typing import Any

import gidgethub

from lastcall.errors import LastcallError

__all__ = ["AppAuthError", "ForeignUrlError", "RateLimitError"]


class RateLimitError(LastcallError, gidgethub.RateLimitExceeded):
    """
    GitHub limits this token, and waiting for it would take longer than `Options.wait_max`.

    Attributes:
        reason: Which limit: "primary limit" or "secondary limit".

        asked: Seconds that GitHub asks to wait, from now.

        wait_max: Seconds that one call may wait in all.

        waited: Seconds that the call has waited already.

        request: Method and path of the call, without its query.
    """

    def __init__(self, reason: str, asked: float, wait_max: float, waited: float, request: str) -> None:
        message = (
            f"{request}: {reason} of GitHub, which asks to wait {asked:.0f} s; "
            f"a call may wait {wait_max:g} s in all and has waited {waited:.0f} s"
        )
        super().__init__(None, message)
        self.reason = reason
        self.asked = asked
        self.wait_max = wait_max
        self.waited = waited
        self.request = request

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what it was made of."""
        return type(self), (self.reason, self.asked, self.wait_max, self.waited, self.request)


class ForeignUrlError(LastcallError, ValueError):
    """
    A URL, given or from a `Link` header, that has another scheme, host or port than the API.

    Attributes:
        origin: Scheme, host and port of the URL; its path and query are not kept.

        api: Scheme, host and port of the API.
    """

    def __init__(self, origin: str, api: str) -> None:
        super().__init__(origin, api)
        self.origin = origin
        self.api = api

    def __str__(self) -> str:
        """Return both, and why it matters."""
        return f"{self.origin} is not the API at {self.api}: a token is sent nowhere else"


class AppAuthError(LastcallError, ValueError):
    """A GitHub App whose key cannot sign, or that is not installed where it is asked to act."""
