from aiohttp import *


async def start() -> None:
    global session
    session = ClientSession()  # expect: LC001


async def fetch(url: str) -> str:
    async with session.get(url) as response:
        return await response.text()
