
import aiohttp
from homeassistant.helpers.aiohttp_client import async_get_clientsession


async def fetch(hass, url: str) -> str:
    session = async_get_clientsession(hass)
    async with session.get(url) as response:
        return await response.text()


async def close(session: aiohttp.ClientSession) -> None:
    await session.close()
