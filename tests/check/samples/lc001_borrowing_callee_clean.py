import aiohttp


async def get_text(session, url: str) -> str:
    async with session.get(url) as response:
        return await response.text()


async def get_twice_and_close(session, url: str) -> list[str]:
    try:
        return [await get_text(session, url), await get_text(session, url)]
    finally:
        await shut(session)


async def shut(session) -> None:
    await session.close()


async def main() -> None:
    session = aiohttp.ClientSession()
    print(await get_twice_and_close(session, "http://localhost"))
