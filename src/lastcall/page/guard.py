"""Decides who may see a page: who has the token; without one, this machine alone."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

__all__ = ["HINT_HEADERS", "Refusal", "refusal"]

HINT_HEADERS = {"WWW-Authenticate": "Bearer"}
"""What goes with a 401."""

_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused."""

    status: int
    """401 where a token would help, 403 where it would not."""
    reason: str
    """One sentence."""


def refusal(
    peer: str | None, headers: Mapping[str, str], token: str | None, *, remedy: str
) -> Refusal | None:
    """
    Return why a request is refused, None if it may pass.

    Args:
        peer: The address it comes from; None if it has none, as through a Unix socket.

        headers: Its headers, by name in any case or in lower case.

        token: Asked for as `Authorization: Bearer TOKEN`, never in the URL, which ends up in logs. None lets
            this machine pass, but nothing that comes through a proxy, and no foreign web page whose name
            was made to point here, which shows in `Host`.

        remedy: How to let others in, for the sentence.
    """
    if token is not None:
        if _has_token(headers.get("authorization", ""), token):
            return None
        return Refusal(401, "the right token is needed, as `Authorization: Bearer TOKEN`")
    if not _is_loopback(peer) or any(name in headers for name in _FORWARDED):
        return Refusal(403, f"only this machine may see this, and not through a proxy; {remedy}")
    if not _is_local_name(headers.get("host", "")):
        return Refusal(403, f"this machine is called localhost or 127.0.0.1 here; {remedy}")
    return None


def _has_token(authorization: str, token: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    # Compared as bytes: compare_digest refuses text beyond ASCII.
    fits = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode("utf-8", "replace"))
    return fits and scheme.lower() == "bearer"


def _is_loopback(address: str | None) -> bool:
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _is_local_name(host: str) -> bool:
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)
