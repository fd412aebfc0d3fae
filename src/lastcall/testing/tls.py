"""Certificates for a server on the loopback, right and wrong."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

__all__ = ["TLSContexts", "tls_contexts"]


@dataclass(frozen=True, slots=True)
class TLSContexts:
    """The two sides of a connection that trust each other."""

    server: ssl.SSLContext
    """For `LoopbackServer(ssl=...)` and the servers built on it."""

    client: ssl.SSLContext
    """Trusts the server's authority, and checks names; for `ssl=` of a session's request or connector."""

    authority: bytes
    """The authority's certificate (PEM), for clients that want a file of authorities."""


def tls_contexts(*names: str) -> TLSContexts:
    """
    Make an authority and a certificate of it, for as long as the program runs.

    Args:
        names: Host names and addresses the certificate is for; without any those of the loopback. A
            client that asks for another name must refuse the server: `tls_contexts("elsewhere.test")`.

    Raises:
        ImportError: If trustme, which makes them, is not installed.
    """
    try:
        import trustme  # noqa: PLC0415  (nothing but this function needs it)
    except ImportError as error:
        raise ImportError("certificates are made by trustme: pip install trustme") from error
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return TLSContexts(server, client, authority.cert_pem.bytes())
