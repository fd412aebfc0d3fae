import contextlib

import aiohttp


@contextlib.asynccontextmanager
async def client():
    session = aiohttp.ClientSession()  # expect: LC003
    yield session
    await session.close()


@contextlib.asynccontextmanager
async def lifespan(app):
    session = aiohttp.ClientSession()  # expect: LC003
    app.state.session = session
    yield
    await session.close()
