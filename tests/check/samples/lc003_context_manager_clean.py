import contextlib

import aiohttp


@contextlib.asynccontextmanager
async def client():
    session = aiohttp.ClientSession()
    try:
        yield session
    finally:
        await session.close()


@contextlib.asynccontextmanager
async def lifespan(app):
    async with aiohttp.ClientSession() as session:
        app.state.session = session
        yield
