import aiohttp
import pytest


async def fetch(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()


def test_sync_with() -> None:
    with pytest.raises(TypeError), aiohttp.ClientSession():
        pass
