import aiohttp


async def setup(bot) -> None:
    bot.http_session = aiohttp.ClientSession()


async def teardown(bot) -> None:
    await bot.http_session.close()


async def lifespan(app):
    app.state.http = aiohttp.ClientSession()
    yield
    await app.state.http.close()
