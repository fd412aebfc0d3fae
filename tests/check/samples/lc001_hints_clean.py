
import aiohttp

REGISTRY = CACHE = object()


def register(
    session,  # lastcall: owns
):
    REGISTRY.take(session)


async def main() -> None:
    session = aiohttp.ClientSession()
    register(session)
