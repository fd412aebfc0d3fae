import httpx


class Client:
    def __init__(self) -> None:
        self._client = httpx.AsyncClient()

    async def fetch(self, url: str) -> str:
        return (await self._client.get(url)).text

    async def aclose(self) -> None:
        await self._client.aclose()


async def fetch(url: str) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).text
