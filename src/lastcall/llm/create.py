"""Where handles are made."""

from collections.abc import Mapping
from typing import Any

from aiohttp import ClientSession

from .errors import RequestError
from .handle import ChatHandle
from .settings import Servers, Settings, environment
from .timeouts import Timeouts

__all__ = ["create_openai_api_handle_async"]


def create_openai_api_handle_async(
    base_url: Servers | None = None,
    api_key: str | None = None,
    model: str | None = None,
    clear_proxy: bool = True,  # noqa: FBT001, FBT002 - the fourth of those by place, as programs call it
    *,
    timeouts: Timeouts | float = Timeouts(),  # noqa: B008 - frozen
    max_retries: int = 2,
    wait_max: float = 120.0,
    concurrency: int | None = None,
    rpm: float | None = None,
    tpm: float | None = None,
    adaptive: bool = False,
    session: ClientSession | None = None,
    profile: str = "llm",
    headers: Mapping[str, str] | None = None,
    ssl: Any = True,
) -> ChatHandle:
    """
    Make a handle on a model behind an OpenAI-compatible API; opens nothing, and needs no running loop.

    Limits (`concurrency`, `rpm`, `tpm`, `adaptive`, and a server's own cool-downs) hold for all handles of
    one server and key on a loop together, the lowest of each.

    Args:
        base_url: As OpenAI's client takes it, with `/v1` where the server has it; None for OPENAI_BASE_URL.
            Several are a list of "URL", "URL=weight" or (URL, weight): requests go to the one with the least
            under way for its weight, and around those that fail.

        api_key: The bearer token; None for OPENAI_API_KEY, "" for none. Never shown, not even where a server
            repeats it.

        model: Of requests that name none; None for OPENAI_MODEL.

        clear_proxy: Ignore the proxies that the environment names; False uses them. It concerns this handle
            alone: the environment is never changed.

        timeouts: `Timeouts`, or seconds for each attempt.

        max_retries: How often a request is sent again at most, where that is right.

        wait_max: Seconds; a server that asks for a longer wait has its error given back at once.

        concurrency: Requests under way at once; None for no limit. With `adaptive` the most it grows to.

        rpm: Requests a minute; None for no limit.

        tpm: Tokens a minute, prompt and answer, estimated before and corrected after; None for no limit.

        adaptive: Seek the number at once that the server bears: it grows while latency is flat, and shrinks
            on 429 and on timeouts.

        session: One to borrow instead of the shared one; whoever opened it closes it.

        profile: The shared session's: "llm", or any that was declared with `lastcall.shared_manager().add()`.

        headers: Sent with each request, in place of the handle's own of the same name.

        ssl: As aiohttp takes it: an `ssl.SSLContext` for a certificate authority of one's own.

    Raises:
        RequestError: If no server is named, or a value cannot be.
    """
    if not isinstance(timeouts, Timeouts):
        try:
            timeouts = Timeouts(attempt=timeouts)
        except ValueError as error:
            raise RequestError(str(error)) from error
    return ChatHandle(
        Settings(
            **environment(base_url, api_key, model),
            clear_proxy=clear_proxy,
            timeouts=timeouts,
            max_retries=max_retries,
            wait_max=wait_max,
            concurrency=concurrency,
            rpm=rpm,
            tpm=tpm,
            adaptive=adaptive,
            session=session,
            profile=profile,
            headers=dict(headers or {}),
            ssl=ssl,
        )
    )
