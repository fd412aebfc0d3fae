import asyncio

import aiohttp


async def work() -> None:
    async with aiohttp.ClientSession() as session, session.get("http://localhost") as response:
        response.raise_for_status()


def main() -> None:
    asyncio.run(work())


if __name__ == "__main__":
    main()
