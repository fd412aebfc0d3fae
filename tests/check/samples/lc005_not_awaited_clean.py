import asyncio

import aiohttp


class Client:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()
        self._file = open("/dev/null")

    def aclose(self):
        self._file.close()
        return self._session.close()


async def fetch(url: str) -> None:
    session = aiohttp.ClientSession()
    try:
        await session.get(url)
    finally:
        await asyncio.create_task(session.close())


def stop(session: aiohttp.ClientSession) -> None:
    asyncio.run(session.close())
