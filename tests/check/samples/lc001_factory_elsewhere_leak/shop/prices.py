from . import make_session


async def price(url: str) -> str:
    session = make_session()  # expect: LC001
    async with session.get(url) as response:
        return await response.text()
