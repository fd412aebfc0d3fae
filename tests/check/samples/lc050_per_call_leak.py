import asyncio

import aiohttp


async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session:  # expect: LC050
        async with session.get(url) as response:
            return await response.text()


async def fetch_all(urls: list[str]) -> list[str]:
    return await asyncio.gather(*(fetch(url) for url in urls))


class Client:
    async def fetch(self, url: str) -> str:
        async with aiohttp.ClientSession() as session:  # expect: LC050 medium
            async with session.get(url) as response:
                return await response.text()
