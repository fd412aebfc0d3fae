"""Who may ask the fake GitHub: tokens, a GitHub App's JWT, and the tokens of its installations."""

from __future__ import annotations

import itertools
import json
import time
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any

from .github_shapes import Json

_LONGEST = 600


class Tokens:
    """
    The tokens that a server knows.

    Args:
        token: The only personal one that is taken; None takes any.

        app_id: Whose JWTs are taken.

        public_key: PEM, to check a JWT's signature (needs PyJWT and cryptography); None checks claims alone.

        life: Seconds that an installation token lives.

        lag: How many requests with a new installation token are refused before it is known.
    """

    def __init__(
        self, token: str | None, app_id: str, public_key: bytes | None, life: float, lag: int
    ) -> None:
        self._token = token
        self._app_id = app_id
        self._public_key = public_key
        self._life = life
        self._lag = lag
        self._numbers = itertools.count(1)
        self._issued: dict[str, tuple[float, int]] = {}
        """From a token to when it ends (wall clock) and how often it is still refused."""

    @property
    def issued(self) -> list[str]:
        """Installation tokens issued so far, in order; secrets of a server that guards nothing."""
        return list(self._issued)

    def issue(self, installation: int) -> Json:
        """Issue a token for an installation."""
        token = f"ghs_{installation}_{next(self._numbers)}"
        self._issued[token] = time.time() + self._life, self._lag
        ends = datetime.fromtimestamp(self._issued[token][0], UTC)
        return {
            "token": token,
            "expires_at": ends.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "permissions": {"issues": "write", "contents": "read"},
            "repository_selection": "all",
        }

    def revoke(self) -> None:
        """End every installation token there is."""
        self._issued = dict.fromkeys(self._issued, (0.0, 0))

    def refusal(self, authorization: str | None, *, app: bool) -> str | None:
        """Return why a request is refused, None if it is not; *app* if it wants a JWT."""
        token = (authorization or "").partition(" ")[2]
        if app:
            return self._jwt_refusal(token)
        if token in self._issued:
            ends, refusals = self._issued[token]
            if refusals:
                self._issued[token] = ends, refusals - 1
            return "Bad credentials" if refusals or time.time() >= ends else None
        return None if self._token is None or token == self._token else "Bad credentials"

    def _jwt_refusal(self, token: str) -> str | None:
        try:
            claims = _claims(token, self._public_key)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, GitHub says the same
            return "A JSON web token could not be decoded"
        now = time.time()
        if str(claims.get("iss")) != self._app_id:
            return "Integration not found"
        if not isinstance(claims.get("iat"), int) or claims["iat"] > now:
            return "'Issued at' claim ('iat') must be an Integer, and not in the future"
        if not now < claims.get("exp", 0) <= now + _LONGEST:
            return "'Expiration time' claim ('exp') is too far in the future"
        return None


def _claims(token: str, public_key: bytes | None) -> dict[str, Any]:
    if public_key is not None:
        import jwt  # noqa: PLC0415 - an optional dependency

        options: Any = {"verify_iat": False, "verify_exp": False}
        return dict(jwt.decode(token, public_key, algorithms=["RS256"], options=options))
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims
