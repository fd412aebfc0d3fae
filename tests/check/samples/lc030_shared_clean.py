import asyncio

import aiohttp


class Client:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def fetch(self, url: str) -> str:
        async with self._session.get(url) as response:
            return await response.text()


class Program:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def run(self) -> None:
        async with self._session:
            await asyncio.sleep(1)
