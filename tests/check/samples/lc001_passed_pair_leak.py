import aiohttp


async def connect(url: str):
    session = aiohttp.ClientSession()
    websocket = await session.ws_connect(url)
    return session, websocket


async def listen(url: str) -> None:
    _session, websocket = await connect(url)  # expect: LC001
    async for message in websocket:
        print(message)
