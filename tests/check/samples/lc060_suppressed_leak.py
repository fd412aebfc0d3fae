import logging
import warnings

import aiohttp

warnings.filterwarnings("ignore", category=ResourceWarning)  # expect: LC060
warnings.simplefilter("ignore", ResourceWarning)  # expect: LC060
warnings.filterwarnings("ignore", message="Unclosed client session")  # expect: LC060
logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # expect: LC060


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        await session.get("http://localhost")
