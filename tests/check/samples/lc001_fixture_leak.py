import aiohttp
import pytest


@pytest.fixture
async def session():
    yield aiohttp.ClientSession()  # expect: LC001


@pytest.fixture
async def other_session():
    session = aiohttp.ClientSession()  # expect: LC001
    yield session
