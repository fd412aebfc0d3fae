import multiprocessing

import aiohttp


def work(session) -> None:
    print(session)


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        process = multiprocessing.Process(target=work, args=(session,))  # expect: LC071
        process.start()
