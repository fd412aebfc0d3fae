"""The loopback server: it answers, it counts, it knows how connections end, and it always stops."""

import asyncio
import select
import socket
import ssl
import struct
import threading
import urllib.request

import aiohttp
import pytest
from aiohttp import web

from lastcall.testing import ConnectionEnd, LoopbackServer

SECRET = {"Authorization": "Bearer hunter2"}


def connect(server: LoopbackServer) -> socket.socket:
    """Open a plain socket to the server and wait until the server has seen it."""
    opened = server.connections_opened
    sock = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=5)
    assert server.wait_until(lambda: server.connections_opened > opened)
    return sock


async def read(session: aiohttp.ClientSession, url: str, status: int = 200) -> bytes:
    """Read one answer wholly, and hold it to its status."""
    async with session.get(url) as response:
        assert response.status == status
        return await response.read()


@pytest.mark.parametrize("path", ["/", "/bytes/200000", "/slow?seconds=0.01", "/stream?chunks=3"])
async def test_the_built_in_routes_answer(path: str) -> None:
    """Each route that ends by itself answers 200 with a body."""
    async with LoopbackServer() as server, aiohttp.ClientSession(server.url) as session:
        assert await read(session, path)


def test_it_serves_a_program_that_blocks() -> None:
    """A blocking client in the thread that started the server gets its answer."""
    with LoopbackServer() as server, urllib.request.urlopen(server.url, timeout=5) as response:
        assert response.read() == b'{"ok": true}'


async def test_it_echoes_bodies_and_websocket_messages() -> None:
    """What is sent to `/echo` and `/websocket` comes back."""
    async with LoopbackServer() as server, aiohttp.ClientSession(server.url) as session:
        async with session.post("/echo", json={"a": 1}) as response:
            assert await response.json() == {"a": 1}
        async with session.ws_connect("/websocket") as websocket:
            await websocket.send_str("text")
            await websocket.send_bytes(b"bytes")
            assert [await websocket.receive_str(), await websocket.receive_bytes()] == ["text", b"bytes"]


@pytest.mark.parametrize("path", ["/slow?seconds=soon", "/slow?seconds=-1", "/bytes/999999999999"])
async def test_nonsense_asked_of_a_built_in_route_is_a_400(path: str) -> None:
    """A number that is none, or out of range, is answered by a sentence."""
    async with LoopbackServer() as server, aiohttp.ClientSession(server.url) as session:
        sentence = await read(session, path, 400)
    assert b"must be" in sentence or b"at most" in sentence


async def test_an_application_of_ones_own_is_served_and_watched() -> None:
    """The factory's application answers, and its requests are recorded, unknown paths too."""

    def make() -> web.Application:
        async def hello(_request: web.Request) -> web.Response:
            return web.Response(text="hello")

        app = web.Application()
        app.router.add_get("/hello", hello)
        return app

    async with LoopbackServer(make) as server, aiohttp.ClientSession(server.url) as session:
        assert await read(session, "/hello") == b"hello"
        await read(session, "/nowhere", 404)
        assert [record.path for record in server.requests] == ["/hello", "/nowhere"]


async def test_a_shared_session_is_seen_as_one_connection() -> None:
    """Kept-alive requests in a row come on one connection, and the record of it counts them."""
    async with LoopbackServer() as server:
        async with aiohttp.ClientSession(server.url) as session:
            for _ in range(3):
                await read(session, "/")
            assert (server.connections_open, server.connections_opened) == (1, 1)
        assert await server.await_until_no_connections()
        assert [record.requests for record in server.connections] == [3]


async def test_the_peak_is_how_many_were_open_at_once() -> None:
    """Three requests at the same time need three connections and are three in flight."""
    async with LoopbackServer() as server, aiohttp.ClientSession(server.url) as session:
        tasks = [asyncio.create_task(read(session, "/hang")) for _ in range(3)]
        assert await server.await_until(lambda: server.requests_in_flight == 3)
        server.release()
        await asyncio.gather(*tasks)
        assert server.connections_peak == server.requests_in_flight_peak == 3


def test_a_connection_closed_by_the_peer_is_told_from_one_that_was_reset() -> None:
    """FIN and RST are recorded as what they are, and an open connection as open."""
    with LoopbackServer() as server:
        closed, reset, kept = connect(server), connect(server), connect(server)
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        closed.close()
        reset.close()
        assert server.wait_until_connections(1)
        assert server.connection_ends == dict.fromkeys(
            (ConnectionEnd.PEER, ConnectionEnd.RESET, ConnectionEnd.OPEN), 1
        )
        kept.close()


async def test_an_idle_connection_is_closed_without_a_word_after_keepalive() -> None:
    """The server ends it although its answer promised to keep it."""
    async with LoopbackServer(keepalive=0.05) as server, aiohttp.ClientSession(server.url) as session:
        await read(session, "/")
        assert await server.await_until_no_connections()
        assert server.connection_ends == {ConnectionEnd.SERVER: 1}


def test_the_upload_it_does_not_read_stays_unread_until_released() -> None:
    """`/noread` answers early, and the rest of the upload is taken only after `release`."""
    size, part = 64 * 2**20, bytes(2**16)
    with LoopbackServer() as server, connect(server) as sock:
        sock.sendall(b"POST /noread HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        while b"answered early" not in sock.recv(2**16):
            pass
        sent = 0
        while sent < size and select.select([], [sock], [], 0.2)[1]:
            sent += sock.send(part)
        assert sent < size
        server.release()
        sock.sendall(bytes(size - sent))


async def test_a_stalled_body_goes_on_when_released() -> None:
    """`/stall` sends a first chunk, and its end only after `release`."""
    async with (
        LoopbackServer() as server,
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/stall") as response,
    ):
        assert await response.content.readline() == b"begun\n"
        assert not response.content.at_eof()
        server.release()
        assert await response.content.read() == b""


@pytest.mark.parametrize("path", ["/hang", "/stall", "/slow?seconds=60"])
async def test_stopping_does_not_wait_for_a_handler_that_hangs(path: str) -> None:
    """The block is left although a request is at work, and its client gets an error."""
    async with aiohttp.ClientSession() as session:
        async with LoopbackServer() as server:
            task = asyncio.create_task(read(session, server.url + path))
            assert await server.await_until(lambda: server.requests_in_flight == 1)
        with pytest.raises(aiohttp.ClientError):
            await task
        assert server.connections_open == 0


def test_stopping_survives_a_handler_that_refuses_to_be_cancelled() -> None:
    """A handler that swallows its cancellation once does not keep the block from ending."""

    def make() -> web.Application:
        async def stubborn(_request: web.Request) -> web.Response:
            for _ in range(2):
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    continue
            return web.Response()

        app = web.Application()
        app.router.add_get("/", stubborn)
        return app

    with LoopbackServer(make) as server:
        sock = connect(server)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.wait_until(lambda: server.requests_in_flight == 1)
    sock.close()
    assert server.connections_open == 0


def test_a_stopped_server_leaves_no_thread_and_no_port() -> None:
    """After the block the thread is gone and nobody listens."""
    before = set(threading.enumerate())  # a server of a wider fixture may run too
    with LoopbackServer() as server:
        assert [thread.name for thread in set(threading.enumerate()) - before] == ["loopback server"]
    assert not set(threading.enumerate()) - before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=1)


def test_waiting_is_bounded_and_says_that_nothing_came() -> None:
    """A wait for what does not happen returns False, on a stopped server as well."""
    with LoopbackServer() as server:
        assert not server.wait_until_connections(1, timeout=0.01)
    assert not server.wait_until_connections(1, timeout=60)


async def test_a_wait_ends_when_the_server_is_stopped() -> None:
    """Whoever still waits is told that it did not come, and is not cancelled."""
    async with LoopbackServer() as server:
        wait = asyncio.create_task(server.await_until_connections(1, timeout=60))
        assert not await server.await_until_connections(1, timeout=0.01)
    assert await wait is False


def test_an_application_that_cannot_be_made_is_an_error_of_start() -> None:
    """What the factory raises is raised where the server was entered."""

    def broken() -> web.Application:
        raise LookupError("no such application")

    with pytest.raises(LookupError, match="no such"), LoopbackServer(broken):
        pass


def test_a_port_in_use_is_an_error_of_start() -> None:
    """Two servers cannot have one port, and the second says so at once."""
    with LoopbackServer() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)), LoopbackServer(port=port):
            pass


def test_a_server_has_no_address_before_it_is_started_and_is_used_once() -> None:
    """Both mistakes are answered by a sentence that says what to do."""
    server = LoopbackServer()
    with pytest.raises(RuntimeError, match="with block"):
        _ = server.url
    with server:
        pass
    with pytest.raises(RuntimeError, match="another"):
        server.start()


async def test_records_show_no_secret() -> None:
    """The repr of a request record has neither query nor headers; both can be looked up."""
    async with LoopbackServer() as server, aiohttp.ClientSession(server.url, headers=SECRET) as session:
        await read(session, "/?token=hunter2")
        (record,) = server.requests
    assert "hunter2" not in repr(record)
    assert (record.query["token"], record.headers["authorization"]) == ("hunter2", "Bearer hunter2")


def test_only_the_newest_records_are_kept() -> None:
    """A server that runs for long does not grow with what it has seen."""
    with LoopbackServer(records_max=2) as server:
        for _ in range(4):
            connect(server).close()
        assert server.wait_until_no_connections()
        assert [record.number for record in server.connections] == [3, 4]
        assert server.connections_opened == 4


def test_the_repr_tells_the_living_state() -> None:
    """Not started, serving with what is open, stopped."""
    server = LoopbackServer()
    assert repr(server) == "<LoopbackServer not started>"
    with server:
        sock = connect(server)
        assert (
            repr(server)
            == f"<LoopbackServer {server.url} serving: 1 connections open of 1, 0 requests in flight>"
        )
        sock.close()
    assert "stopped" in repr(server)


async def test_it_serves_https() -> None:
    """With a context the address is https, and a handshaken connection is counted."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with LoopbackServer(ssl=serving) as server:
        assert server.url.startswith("https://")
        async with aiohttp.ClientSession() as session, session.get(server.url, ssl=trusting) as response:
            assert response.status == 200
        assert await server.await_until_no_connections()
        assert server.connections_opened == 1
