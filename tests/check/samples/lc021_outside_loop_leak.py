import asyncio

import aiohttp


async def work(session: aiohttp.ClientSession) -> None:
    async with session.get("http://localhost") as response:
        response.raise_for_status()


def main() -> None:
    session = aiohttp.ClientSession()  # expect: LC021
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work(session))
    loop.run_until_complete(session.close())


if __name__ == "__main__":
    asyncio.run(work(aiohttp.ClientSession()))  # expect: LC021
