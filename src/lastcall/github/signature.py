"""The signature of a delivery: HMAC SHA-256 over the bytes of its body."""

import hmac
from collections.abc import Sequence

__all__ = ["sign", "verify"]

_PREFIX = b"sha256="


def sign(secret: str | bytes, body: bytes) -> str:
    """Return the value of `X-Hub-Signature-256` for *body*."""
    key = secret.encode() if isinstance(secret, str) else secret
    return _signature(key, body).decode()


def verify(signature: bytes, body: bytes, secrets: Sequence[bytes]) -> bool:
    """
    Tell whether *signature* was made with one of *secrets*.

    Args:
        signature: The header's value; any bytes. Only "sha256=" and 64 digits can be valid, SHA-1 never is.

        body: As received: a body that was parsed and written again has another signature.

        secrets: Each not empty; several while one is being replaced.

    Source: GitHub Docs, "Validating webhook deliveries".
    """
    # Compared as bytes: compare_digest raises TypeError for a str that is not ASCII. All are computed, so
    # that the time tells nothing of which one fits.
    fits = [hmac.compare_digest(signature, _signature(secret, body)) for secret in secrets if secret]
    return any(fits)


def _signature(secret: bytes, body: bytes) -> bytes:
    return _PREFIX + hmac.digest(secret, body, "sha256").hex().encode()
