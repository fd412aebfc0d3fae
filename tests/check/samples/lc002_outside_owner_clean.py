import aiohttp


class Client:
    def __init__(self) -> None:
        self.session = aiohttp.ClientSession()


class Owner:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def aclose(self) -> None:
        await self._client.session.close()
