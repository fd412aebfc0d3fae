import asyncio
import atexit
import weakref

import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()  # expect: LC011
        atexit.register(self._stop)

    def _stop(self) -> None:
        asyncio.run(self._session.close())


class Other:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()  # expect: LC011
        weakref.finalize(self, lambda: asyncio.run(self._session.close()))
