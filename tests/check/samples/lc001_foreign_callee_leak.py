import aiohttp
from elsewhere import Client


async def main() -> None:
    session = aiohttp.ClientSession()  # expect: LC001 medium
    client = Client(session)
    await client.work()
