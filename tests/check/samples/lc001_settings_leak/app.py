import wrapped
from wrapped import Session, open_session, shared_session


async def fetch() -> None:
    session = Session()  # expect: LC001
    await session.get("http://localhost")


async def fetch_other() -> None:
    session = await open_session()  # expect: LC001
    await session.get("http://localhost")


async def fetch_shared() -> None:
    session = shared_session()
    await session.close()  # expect: LC032


class Registry(wrapped.OtherRegistry):
    def __init__(self) -> None:
        self.session = Session()  # expect: LC002
