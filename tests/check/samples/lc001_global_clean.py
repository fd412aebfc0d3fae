import aiohttp

_session: aiohttp.ClientSession | None = None


def get_session() -> aiohttp.ClientSession:
    global _session
    if _session is None:
        _session = aiohttp.ClientSession()
    return _session


async def fetch(url: str) -> str:
    async with get_session().get(url) as response:
        return await response.text()


async def close_session() -> None:
    global _session
    if _session is not None:
        await _session.close()
        _session = None
