import aiohttp
from aiohttp import web


async def main(app: web.Application) -> None:
    session = aiohttp.ClientSession()

    async def stop(app: web.Application) -> None:
        await session.close()

    app.on_cleanup.append(stop)
