import aiohttp
from elsewhere import Client


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        client = Client(session)
        await client.work()
