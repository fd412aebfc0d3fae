import asyncio

import aiohttp


class Client:
    def __init__(self) -> None:
        self.session = aiohttp.ClientSession()  # expect: LC002


class Twin:
    def __init__(self) -> None:
        self.session = aiohttp.ClientSession()


async def main() -> None:
    twin = Twin()
    client = Client()
    try:
        await asyncio.sleep(0)
    finally:
        await twin.session.close()
    print(client)
