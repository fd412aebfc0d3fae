import httpx

shared = httpx.AsyncClient()  # expect: LC001


class Client:
    def __init__(self) -> None:
        self._client = httpx.AsyncClient()  # expect: LC002

    async def fetch(self, url: str) -> str:
        return (await self._client.get(url)).text


async def fetch(url: str) -> str:
    client = httpx.AsyncClient()  # expect: LC001
    return (await client.get(url)).text


async def stop(client: httpx.AsyncClient) -> None:
    client.aclose()  # expect: LC005
