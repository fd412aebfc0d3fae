"""Who a service is: somebody with a token, a GitHub App, or an App's installation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from time import time as wall_clock
from typing import Any, Final

import gidgethub.sansio
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from multidict import CIMultiDict

from lastcall.pacing import SingleFlight, date_epoch

from .errors import AppAuthError
from .limits import Again
from .messages import Request, Response
from .options import Options
from .transport import Transport, identity_of

__all__ = ["AppAuth", "InstallationAuth", "TokenAuth"]

_BACKDATED = 60.0
_JWT_LIFE = 480.0
"""Seconds of a JWT's life from now; with what it is backdated it stays under GitHub's ten minutes."""
_JWT_KEPT = 240.0
_REFRESH_BEFORE = 300.0
"""Seconds before its end in which an installation token is not used any more."""
_SKEW_FROM = 30.0
_UNAUTHORIZED, _NOT_FOUND = 401, 404


class TokenAuth:
    """
    A personal access token, or any other that is there; None for nobody.

    Args:
        token: As GitHub gave it.
    """

    def __init__(self, token: str | None) -> None:
        self._authorization = f"Bearer {token}" if token else None
        self.identity = identity_of(self._authorization) if self._authorization else "nobody"

    def __repr__(self) -> str:
        """Tell whether there is a token, not which."""
        return f"<TokenAuth {'with a token' if self._authorization else 'without a token'}>"

    async def authorization(self, transport: Transport) -> str | None:  # noqa: ARG002
        """Return the header's value."""
        return self._authorization

    def refused(self, authorization: str, response: Response, attempt: int, options: Options) -> Again | None:  # noqa: ARG002
        """Return None: nobody has a better token."""
        return None


@dataclass(frozen=True, slots=True)
class _Token:
    authorization: str
    made_at: float
    """Monotonic seconds, like the next."""
    good_until: float


class AppAuth:
    """
    A GitHub App. Make one for a process and give it to every service: it keeps the installations' tokens.

    Args:
        app_id: The App's id, or its client id.

        private_key: PEM, as GitHub gave it; newlines written as a backslash and an n, as environment
            variables often have them, are understood.

    Raises:
        AppAuthError: If that is no RSA key.

    Source: GitHub docs, "Generating a JSON Web Token (JWT) for a GitHub App".
    """

    def __init__(self, app_id: int | str, private_key: str | bytes) -> None:
        self.app_id = str(app_id)
        self.identity = f"app {self.app_id}"
        self._key = _load(private_key)
        self._jwt: tuple[str, float, float] | None = None
        self._skew = 0.0
        self._tokens: dict[tuple[str, int], _Token] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._flights: SingleFlight[Any] = SingleFlight()

    def __repr__(self) -> str:
        """Tell the App and how many tokens it keeps."""
        return f"<AppAuth {self.app_id}, tokens of {len(self._tokens)} installations>"

    def installation(self, installation_id: int) -> "InstallationAuth":
        """Return the identity of one installation; costs nothing."""
        return InstallationAuth(self, installation_id)

    def jwt(self) -> str:
        """Return a JWT that is good for some minutes."""
        now, ticks = wall_clock(), monotonic()
        if self._jwt is not None:
            token, made, made_ticks = self._jwt
            # Both clocks: one may be set, the other stands still while a machine sleeps.
            if 0 <= now - made < _JWT_KEPT and ticks - made_ticks < _JWT_KEPT:
                return token
        there = int(now + self._skew)
        claims = {"iat": there - int(_BACKDATED), "exp": there + int(_JWT_LIFE), "iss": self.app_id}
        token = jwt.encode(claims, self._key, algorithm="RS256")
        self._jwt = token, now, ticks
        return token

    async def authorization(self, transport: Transport) -> str | None:  # noqa: ARG002
        """Return the header's value: the App's own."""
        return f"Bearer {self.jwt()}"

    def refused(self, authorization: str, response: Response, attempt: int, options: Options) -> Again | None:  # noqa: ARG002
        """Sign again if GitHub's clock is another than ours."""
        told = date_epoch(response.headers.get("date"))
        if response.status != _UNAUTHORIZED or told is None or attempt > 1:
            return None
        skew = told - wall_clock()
        if abs(skew - self._skew) < _SKEW_FROM:
            return None
        self._skew, self._jwt = skew, None
        return Again(0.0, "GitHub's clock")

    async def installation_id(self, repository: str, transport: Transport) -> int:
        """
        Return the installation that covers a repository, "owner/name"; asked once and kept.

        Raises:
            AppAuthError: If the App is not installed there.
        """
        key = str(transport.api), repository.lower()
        if key not in self._ids:
            path = f"repos/{repository}/installation"
            response = await self._flights.run(key, lambda: self._ask(transport, "GET", path))
            if response is None:
                raise AppAuthError(f"GitHub App {self.app_id} is not installed on {repository}")
            self._ids[key] = _data(response)["id"]
        return self._ids[key]

    async def token(self, installation_id: int, transport: Transport) -> _Token:
        """Return a token of an installation that is good for some minutes; made by one task for all."""
        key = str(transport.api), installation_id
        token = self._tokens.get(key)
        if token is not None and monotonic() < token.good_until:
            return token
        made: _Token = await self._flights.run(key, lambda: self._make(key, transport))
        return made

    def drop(self, installation_id: int, authorization: str) -> None:
        """Forget the token of an installation if it is still this one."""
        for key in [key for key, token in self._tokens.items() if key[1] == installation_id]:
            if self._tokens[key].authorization == authorization:
                del self._tokens[key]

    def age(self, installation_id: int, authorization: str) -> float | None:
        """Return how many seconds ago a token was made, None for one that is not kept any more."""
        for (_, number), token in self._tokens.items():
            if number == installation_id and token.authorization == authorization:
                return monotonic() - token.made_at
        return None

    async def _make(self, key: tuple[str, int], transport: Transport) -> _Token:
        number = key[1]
        response = await self._ask(transport, "POST", f"app/installations/{number}/access_tokens")
        if response is None:
            self._tokens.pop(key, None)
            self._ids = {repository: other for repository, other in self._ids.items() if other != number}
            raise AppAuthError(f"GitHub App {self.app_id} has no installation {number} any more")
        data, now = _data(response), monotonic()
        life = _life(data, response.headers)
        token = _Token(f"Bearer {data['token']}", now, now + life - min(_REFRESH_BEFORE, life / 2))
        self._tokens[key] = token
        return token

    async def _ask(self, transport: Transport, method: str, path: str) -> Response | None:
        """Ask as the App itself; None for a 404."""
        # To have a token made twice does no harm and changes nothing of anybody's: a POST that reads.
        headers = CIMultiDict({"Accept": gidgethub.sansio.accept_format()})
        request = Request(method, transport.api / path, headers, query_only=True)
        response = await transport.acting_as(self).exchange(request)
        return None if response.status == _NOT_FOUND else response


class InstallationAuth:
    """An installation of a GitHub App; made by `AppAuth.installation`, which keeps its tokens."""

    def __init__(self, app: AppAuth, installation_id: int) -> None:
        self.app: Final = app
        self.installation_id: Final = installation_id
        self.identity = f"{app.identity} installation {installation_id}"

    def __repr__(self) -> str:
        """Tell which."""
        return f"<InstallationAuth {self.installation_id} of app {self.app.app_id}>"

    async def authorization(self, transport: Transport) -> str | None:
        """Return the header's value, from a token that is kept or made."""
        return (await self.app.token(self.installation_id, transport)).authorization

    def refused(self, authorization: str, response: Response, attempt: int, options: Options) -> Again | None:
        """Try a new token again for a moment; have another one made for an old one that is refused."""
        age = self.app.age(self.installation_id, authorization)
        if age is not None and age < options.new_token_age:
            return Again(0.25 * 2.0**attempt, "new token")
        if response.status != _UNAUTHORIZED or attempt > 1:
            return None
        self.app.drop(self.installation_id, authorization)
        return Again(0.0, "refused token")


def _load(private_key: str | bytes) -> RSAPrivateKey:
    pem = private_key.encode() if isinstance(private_key, str) else private_key
    try:
        key = load_pem_private_key(pem.replace(b"\\n", b"\n").strip() + b"\n", password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is left out: it may quote the key.
        raise AppAuthError("private_key is no private key in PEM form without a password") from None
    if not isinstance(key, RSAPrivateKey):
        raise AppAuthError("private_key is not an RSA key, the only kind with which GitHub Apps sign")
    return key


def _data(response: Response) -> dict[str, Any]:
    """Return the object in an answer; raise what gidgethub raises for an error."""
    data, _, _ = gidgethub.sansio.decipher_response(response.status, response.headers, response.body)
    return dict(data)


def _life(data: Mapping[str, Any], headers: Mapping[str, str]) -> float:
    """Return how many seconds a new token lives, by GitHub's clock alone."""
    told = date_epoch(headers.get("date"))
    ends = datetime.fromisoformat(data["expires_at"]).timestamp()
    return max(0.0, ends - (wall_clock() if told is None else told))
