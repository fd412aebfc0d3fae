"""What a `LoopbackServer` answers when it is given no application of its own."""

from __future__ import annotations

import asyncio
import math

from aiohttp import WSMsgType, web

BYTES_MAX = 256 * 2**20
"""The largest body `/bytes/{n}` sends, so that a slip of the keyboard does not eat the memory."""

_CHUNK = bytes(range(256)) * 256


def built_in_app(released: asyncio.Event) -> web.Application:
    """
    Return an application with one route for each way a server can behave.

    Args:
        released: Once it is set, `/hang` answers and `/noread` reads.

    Returns:
        An application with these routes, each for any method unless said otherwise:

        - `/`: `{"ok": true}`;
        - `/bytes/{n}`: n bytes, with their length said beforehand;
        - `/status/{n}`: an empty answer with that status;
        - `/slow?seconds=0.2`: `{"ok": true}` after that time;
        - `/stream?chunks=10&seconds=0.01`: numbered lines, one a chunk, that long apart;
        - `/stall`: the head and the first chunk of a body that does not go on until *released*;
        - `/echo`: the request's body, with its content type;
        - `/hang`: no answer until *released*;
        - `/noread`: answers at once and leaves the upload unread until *released*;
        - `/websocket` (GET): sends every message back.
    """
    app = web.Application(client_max_size=BYTES_MAX)
    app.router.add_route("*", "/", _ok)
    app.router.add_route("*", "/bytes/{n:[0-9]{1,12}}", _bytes)
    app.router.add_route("*", "/status/{n:[2-5][0-9][0-9]}", _status)
    app.router.add_route("*", "/slow", _slow)
    app.router.add_route("*", "/stream", _stream)
    app.router.add_route("*", "/echo", _echo)
    app.router.add_get("/websocket", _websocket)

    async def hang(request: web.Request) -> web.Response:
        await released.wait()
        return await _ok(request)

    async def stall(request: web.Request) -> web.StreamResponse:
        response = await _begin(request)
        await response.write(b"begun\n")
        await released.wait()
        return response

    async def noread(request: web.Request) -> web.StreamResponse:
        response = await _begin(request)
        await response.write_eof(b"answered early\n")
        if request.transport is not None:
            request.transport.pause_reading()
            await released.wait()
            request.transport.resume_reading()
        return response

    app.router.add_route("*", "/hang", hang)
    app.router.add_route("*", "/stall", stall)
    app.router.add_route("*", "/noread", noread)
    return app


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    return response


async def _ok(_request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _bytes(request: web.Request) -> web.StreamResponse:
    left = int(request.match_info["n"])
    if left > BYTES_MAX:
        raise web.HTTPBadRequest(text=f"/bytes gives at most {BYTES_MAX} bytes, {left} were asked for\n")
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = left
    await response.prepare(request)
    while left:
        await response.write(_CHUNK[:left])
        left -= min(left, len(_CHUNK))
    return response


async def _status(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["n"]))


async def _slow(request: web.Request) -> web.Response:
    await asyncio.sleep(_number(request, "seconds", 0.2, most=600))
    return await _ok(request)


async def _stream(request: web.Request) -> web.StreamResponse:
    chunks = int(_number(request, "chunks", 10, most=1_000_000))
    seconds = _number(request, "seconds", 0.01, most=600)
    response = await _begin(request)
    for number in range(chunks):
        await response.write(b"line %d\n" % number)
        await asyncio.sleep(seconds)
    return response


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read(), content_type=request.content_type)


async def _websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


def _number(request: web.Request, name: str, default: float, *, most: float) -> float:
    text = request.query.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        raise web.HTTPBadRequest(text=f"{name} must be a number from 0 to {most:g}, not {text!r}\n")
    return value
