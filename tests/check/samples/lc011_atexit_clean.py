
import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def stop(self) -> None:
        await self._session.close()
