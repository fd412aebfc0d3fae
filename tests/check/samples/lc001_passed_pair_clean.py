import aiohttp


async def connect(url: str):
    session = aiohttp.ClientSession()
    websocket = await session.ws_connect(url)
    return session, websocket


async def listen(url: str) -> None:
    session, websocket = await connect(url)
    try:
        async for message in websocket:
            print(message)
    finally:
        await session.close()
