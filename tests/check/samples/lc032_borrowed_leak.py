from typing import Annotated

import aiohttp
from homeassistant.helpers.aiohttp_client import async_get_clientsession

import lastcall


async def fetch(hass, url: str) -> str:
    session = async_get_clientsession(hass)
    async with session.get(url) as response:
        text = await response.text()
    await session.close()  # expect: LC032
    return text


async def fetch_inside(hass, url: str) -> str:
    session = async_get_clientsession(hass)
    async with session:  # expect: LC030
        async with session.get(url) as response:
            return await response.text()


async def use(session: Annotated[aiohttp.ClientSession, lastcall.Borrowed]) -> None:
    await session.close()  # expect: LC032
