import asyncio

import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def fetch(self, url: str) -> str:
        async with self._session.get(url) as response:
            return await response.text()

    async def aclose(self) -> None:
        await self._session.close()


class Swapping:
    async def start(self) -> None:
        self._session = aiohttp.ClientSession()

    async def stop(self) -> None:
        session, self._session = self._session, None
        await session.close()


class Helped:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def stop(self) -> None:
        await shut(self._session)


async def shut(session: aiohttp.ClientSession) -> None:
    await asyncio.wait_for(session.close(), 5)
