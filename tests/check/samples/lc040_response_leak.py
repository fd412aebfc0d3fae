import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def is_up(self, url: str) -> bool:
        response = await self._session.get(url)  # expect: LC040
        return response.status == 200

    async def notify(self, url: str) -> None:
        await self._session.post(url)  # expect: LC040

    async def aclose(self) -> None:
        await self._session.close()


async def is_up(session: aiohttp.ClientSession, url: str) -> bool:
    response = await session.get(url)  # expect: LC040 medium
    return response.status == 200
