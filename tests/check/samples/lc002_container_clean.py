import asyncio

import aiohttp


class Pool:
    def __init__(self) -> None:
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._others: list[aiohttp.ClientSession] = []

    def session_for(self, host: str) -> aiohttp.ClientSession:
        if host not in self._sessions:
            self._sessions[host] = aiohttp.ClientSession(base_url=host)
        return self._sessions[host]

    def other(self) -> aiohttp.ClientSession:
        self._others.append(aiohttp.ClientSession())
        return self._others[-1]

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()
        await asyncio.gather(*[session.close() for session in self._others])
