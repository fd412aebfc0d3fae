import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def is_up(self, url: str) -> bool:
        async with self._session.get(url) as response:
            return response.status == 200

    async def size(self, url: str) -> str:
        response = await self._session.head(url)
        return response.headers["Content-Length"]

    async def text(self, url: str) -> str:
        response = await self._session.get(url)
        return await response.text()

    async def released(self, url: str) -> int:
        response = await self._session.get(url)
        response.release()
        return response.status

    async def given(self, url: str) -> aiohttp.ClientResponse:
        response = await self._session.get(url)
        return response

    async def aclose(self) -> None:
        await self._session.close()


async def is_up(url: str) -> bool:
    async with aiohttp.ClientSession() as session:
        response = await session.get(url)
        return response.status == 200
