import aiohttp


class ByName:
    def __init__(self) -> None:
        self._session = aiohttp.ClientSession()
        self._other = aiohttp.ClientSession()

    async def aclose(self) -> None:
        for name in ("_session", "_other"):
            await getattr(self, name).close()


class ByConnector:
    def __init__(self) -> None:
        self._connector = aiohttp.TCPConnector()
        self._session = aiohttp.ClientSession(connector=self._connector)

    async def aclose(self) -> None:
        await self._connector.close()


class ByHand:
    async def __aenter__(self) -> "ByHand":
        self._session = await aiohttp.ClientSession().__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.__aexit__(*exc)


class ByHelper:
    def __init__(self) -> None:
        self._sessions = [aiohttp.ClientSession(), aiohttp.ClientSession()]
        self._more: list[aiohttp.ClientSession] = []

    def add(self) -> None:
        self._more.append(aiohttp.ClientSession())

    async def aclose(self) -> None:
        await shut(self._sessions)
        await shut(self._more)


async def shut(sessions: list[aiohttp.ClientSession]) -> None:
    for session in sessions:
        await session.close()
