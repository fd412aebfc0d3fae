import aiohttp
from aiohttp import web


async def sessions(app: web.Application):
    app["session"] = aiohttp.ClientSession()
    yield
    await app["session"].close()


async def handler(request: web.Request) -> web.Response:
    async with request.app["session"].get("http://localhost") as response:
        return web.Response(text=await response.text())


async def open_session(app: web.Application) -> None:
    app["other"] = aiohttp.ClientSession()


async def close_session(app: web.Application) -> None:
    await app["other"].close()


app = web.Application()
app.cleanup_ctx.append(sessions)
app.on_startup.append(open_session)
app.on_cleanup.append(close_session)
