import aiohttp


def make_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()
