import aiohttp


class Client:
    async def connect(self) -> None:
        if self._session is not None:
            await self._session.__aexit__(None, None, None)
        self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        await self._session.close()
