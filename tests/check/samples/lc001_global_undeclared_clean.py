from aiohttp import *


async def start() -> None:
    global session
    session = ClientSession()


async def fetch(url: str) -> str:
    async with session.get(url) as response:
        return await response.text()


async def stop() -> None:
    await session.close()
