import logging
import warnings

import aiohttp

warnings.filterwarnings("ignore", category=DeprecationWarning)
warnings.filterwarnings("error", category=ResourceWarning)
warnings.filterwarnings("ignore", message="subprocess", category=ResourceWarning)
warnings.filterwarnings("ignore", message="unclosed.*socket", category=ResourceWarning)
logging.getLogger("asyncio").setLevel(logging.DEBUG)


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        await session.get("http://localhost")
