import aiohttp
from aiohttp import web


async def main(app: web.Application) -> None:
    session = aiohttp.ClientSession()  # expect: LC001

    async def work(app: web.Application) -> None:
        async with session.get("http://localhost") as response:
            response.raise_for_status()

    app.on_startup.append(work)
