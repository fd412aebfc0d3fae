from . import make_session


async def price(url: str) -> str:
    async with make_session() as session, session.get(url) as response:
        return await response.text()
