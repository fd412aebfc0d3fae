import aiohttp


class ByNew:
    def __new__(cls, session: aiohttp.ClientSession) -> "ByNew":
        self = super().__new__(cls)
        self.session = session
        return self

    async def aclose(self) -> None:
        await self.session.close()


def make() -> ByNew:
    return ByNew(aiohttp.ClientSession())
