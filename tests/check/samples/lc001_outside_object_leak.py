import aiohttp


async def setup(bot) -> None:
    bot.http_session = aiohttp.ClientSession()  # expect: LC001


async def fetch(bot, url: str) -> str:
    async with bot.http_session.get(url) as response:
        return await response.text()


async def lifespan(app):
    app.state.http = aiohttp.ClientSession()  # expect: LC001
    yield
