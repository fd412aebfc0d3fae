import aiohttp


async def main(urls: list[str]) -> None:
    sessions = [aiohttp.ClientSession(base_url=url) for url in urls]  # expect: LC001
    for session in sessions:
        async with session.get("/") as response:
            response.raise_for_status()
