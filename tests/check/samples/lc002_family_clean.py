import aiohttp


class Base:
    async def aclose(self) -> None:
        await self.session.close()


class Middle(Base):
    pass


class Client(Middle):
    def __init__(self) -> None:
        self.session = aiohttp.ClientSession()


class Opened:
    def __init__(self) -> None:
        self.session = aiohttp.ClientSession()


class ClosedBelow(Opened):
    async def aclose(self) -> None:
        await self.session.close()
