import aiohttp


async def main(urls: list[str]) -> None:
    async with aiohttp.ClientSession() as session:
        for url in urls:
            async with session.get(url) as response:
                print(await response.text())
