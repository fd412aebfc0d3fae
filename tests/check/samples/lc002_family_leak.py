import aiohttp


class Base:
    async def fetch(self, url: str) -> str:
        async with self.session.get(url) as response:
            return await response.text()


class Leaking(Base):
    def __init__(self) -> None:
        self.session = aiohttp.ClientSession()  # expect: LC002


class Closing(Base):
    def __init__(self) -> None:
        self.session = aiohttp.ClientSession()

    async def aclose(self) -> None:
        await self.session.close()
