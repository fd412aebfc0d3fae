import multiprocessing

import aiohttp


def work(url: str) -> None:
    print(url)


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        process = multiprocessing.Process(target=work, args=("http://localhost",))
        process.start()
        await session.get("http://localhost")
