import asyncio

import aiohttp


async def main(urls: list[str]) -> None:
    sessions = [aiohttp.ClientSession(base_url=url) for url in urls]
    try:
        for session in sessions:
            async with session.get("/") as response:
                response.raise_for_status()
    finally:
        await asyncio.gather(*(session.close() for session in sessions))
