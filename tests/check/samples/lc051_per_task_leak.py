import aiohttp


async def fetch_all(urls: list[str]) -> None:
    for url in urls:
        async with aiohttp.ClientSession() as session:  # expect: LC051
            async with session.get(url) as response:
                print(await response.text())
