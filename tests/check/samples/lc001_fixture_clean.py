import aiohttp
import pytest


@pytest.fixture
async def session():
    session = aiohttp.ClientSession()
    yield session
    await session.close()


@pytest.fixture
async def other_session():
    async with aiohttp.ClientSession() as session:
        yield session
