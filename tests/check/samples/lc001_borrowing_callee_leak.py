import aiohttp


async def get_text(session, url: str) -> str:
    async with session.get(url) as response:
        return await response.text()


async def get_twice(session, url: str) -> list[str]:
    return [await get_text(session, url), await get_text(session, url)]


async def main() -> None:
    session = aiohttp.ClientSession()  # expect: LC001
    print(await get_twice(session, "http://localhost"))
