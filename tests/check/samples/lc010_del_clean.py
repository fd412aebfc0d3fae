import asyncio

import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        await self._session.close()

    def __del__(self) -> None:
        if not self._session.closed:
            asyncio.get_event_loop().create_task(self._session.close())
