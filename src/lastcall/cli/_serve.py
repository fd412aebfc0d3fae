"""`lastcall run --serve`: the page of open sessions, answered by the parent from what its children write."""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socketserver import TCPServer
from typing import Any

import click

from lastcall.ledger.live import LiveView, document, merge_sites, read_site, sessions_html
from lastcall.ledger.report import merge_reports
from lastcall.ledger.spool import Spool, present_entries
from lastcall.page import refusal

__all__ = ["serve"]

_REMEDY = "from elsewhere use a tunnel, such as `ssh -L 8080:127.0.0.1:8080 HOST`"


def serve(where: str, spool: Spool, level: str) -> str:
    """
    Show what the processes of *spool* have open, until this process ends.

    The threads that answer take no signal: those stay for whoever waits for them.

    Args:
        where: "HOST:PORT", of which HOST is a loopback address and PORT may be 0.

        spool: Read anew for each question, at most twice a second.

        level: Of the watch.

    Returns:
        The address of the page.

    Raises:
        click.UsageError: If *where* is no such address, or something listens there already.
    """
    view = LiveView(lambda: _document(spool, level))
    server = _bind(*_parse(where), view)
    _start_without_signals(server)
    host, port = server.server_address[:2]
    return f"http://[{host!s}]:{port}/" if ":" in str(host) else f"http://{host!s}:{port}/"


def _document(spool: Spool, level: str) -> dict[str, Any]:
    entries = present_entries(spool.entries())
    sites = merge_sites(read_site(site) for entry in entries for site in entry.sites)
    return document(merge_reports(entry.live or entry.report for entry in entries), sites, level)


def _parse(where: str) -> tuple[str, int]:
    host, _, port = where.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdecimal() and int(port[:6]) < 2**16):
        raise click.UsageError(
            f"--serve {where}: write HOST:PORT, such as 127.0.0.1:8080; port 0 takes a free one"
        )
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise click.UsageError(f"--serve {where}: there is no host {host!r}") from error
    if not all(ip_address(address.partition("%")[0]).is_loopback for address in found):
        raise click.UsageError(
            f"--serve {where}: the page shows source and hosts to all who can connect, so it is served on"
            f" 127.0.0.1, ::1 or localhost alone; {_REMEDY}"
        )
    # Of localhost's two addresses the one that every machine has.
    return min(found, key=lambda address: ":" in address), int(port)


def _bind(host: str, port: int, view: LiveView) -> _Server:
    kind = _Server6 if ":" in host else _Server
    try:
        return kind((host, port), partial(_Handler, view))
    except OSError as error:
        raise click.UsageError(f"--serve {host}:{port}: {error.strerror}") from error


def _start_without_signals(server: _Server) -> None:
    thread = threading.Thread(target=server.serve_forever, name="lastcall-serve", daemon=True)
    if sys.platform == "win32":
        thread.start()
        return
    # A thread inherits the mask; one that takes a signal would end this process in the program's place.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Server(ThreadingHTTPServer):
    # On Windows the option would let two servers share a port.
    allow_reuse_address = sys.platform != "win32"

    def server_bind(self) -> None:
        """Bind, and ask no name server for the name of this machine, as `HTTPServer` would."""
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: stderr belongs to the program, and a client that went away is no news."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    """Answers with the page at `/` and the JSON beside it, to this machine alone."""

    timeout = 10
    """Seconds a client may take for its request."""
    server_version = "lastcall"
    sys_version = ""

    def __init__(self, view: LiveView, *args: Any) -> None:
        self._view = view
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer with a body."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answer without one."""
        self._answer()

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        refused = refusal(str(self.client_address[0]), headers, None, remedy=_REMEDY)
        path = self.path.partition("?")[0]
        if refused is not None:
            self._send_json(refused.status, json.dumps({"detail": refused.reason}).encode())
        elif path == "/":
            page = sessions_html()
            self._send(200, page.html, dict(page.headers))
        elif path == "/sessions.json":
            self._send_json(200, self._view.json())
        else:
            self._send_json(404, b'{"detail": "there are / and /sessions.json"}')

    def _send_json(self, status: int, body: bytes) -> None:
        headers = {
            "Content-Type": "application/json",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        self._send(status, body, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's name)
        """Write nothing: stderr is the program's."""
