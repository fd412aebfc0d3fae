import aiohttp

_session: aiohttp.ClientSession | None = None


def get_session() -> aiohttp.ClientSession:
    global _session
    if _session is None:
        _session = aiohttp.ClientSession()  # expect: LC001
    return _session


async def fetch(url: str) -> str:
    async with get_session().get(url) as response:
        return await response.text()
