import aiohttp
from aiohttp import web


async def sessions(app: web.Application):
    app["session"] = aiohttp.ClientSession()  # expect: LC001 medium
    yield


async def handler(request: web.Request) -> web.Response:
    async with request.app["session"].get("http://localhost") as response:
        return web.Response(text=await response.text())


app = web.Application()
app.cleanup_ctx.append(sessions)
