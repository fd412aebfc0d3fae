import asyncio

import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()  # expect: LC010

    def __del__(self) -> None:
        asyncio.get_event_loop().create_task(self._session.close())
