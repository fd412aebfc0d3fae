import aiohttp


class Client:
    async def connect(self) -> None:
        if self._session is not None:
            self._session.__aexit__(None, None, None)  # expect: LC005
        self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        await self._session.close()
