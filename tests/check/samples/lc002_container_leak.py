import aiohttp


class Pool:
    def __init__(self) -> None:
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def session_for(self, host: str) -> aiohttp.ClientSession:
        if host not in self._sessions:
            self._sessions[host] = aiohttp.ClientSession(base_url=host)  # expect: LC002
        return self._sessions[host]
