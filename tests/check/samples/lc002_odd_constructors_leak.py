import aiohttp


class ByNew:
    def __new__(cls, session: aiohttp.ClientSession) -> "ByNew":
        self = super().__new__(cls)
        self.session = session
        return self


class ByDict:
    def __init__(self, **kwargs: object) -> None:
        self.__dict__.update(kwargs)


def make() -> tuple[ByNew, ByDict]:
    by_new = ByNew(aiohttp.ClientSession())  # expect: LC002
    by_dict = ByDict(session=aiohttp.ClientSession())  # expect: LC002 medium
    return by_new, by_dict
