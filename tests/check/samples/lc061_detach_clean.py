import aiohttp


async def fetch(connector: aiohttp.BaseConnector, url: str) -> str:
    session = aiohttp.ClientSession(connector=connector, connector_owner=False)
    try:
        async with session.get(url) as response:
            return await response.text()
    finally:
        session.detach()
