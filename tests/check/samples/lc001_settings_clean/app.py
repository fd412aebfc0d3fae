import wrapped
from wrapped import Session, open_session, shared_session


async def fetch() -> None:
    async with Session() as session:
        await session.get("http://localhost")


async def fetch_other() -> None:
    session = await open_session()
    wrapped.give_away(session)


async def fetch_shared() -> None:
    async with shared_session().get("http://localhost"):
        pass


class Registry(wrapped.Registry):
    def __init__(self) -> None:
        self.session = Session()
