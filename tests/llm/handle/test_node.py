"""Nodes: what they own, what they borrow, and the program that they come from."""

import asyncio
from typing import Any

import lastcall
from lastcall.llm import LLMNode, create_openai_api_handle_async
from lastcall.testing import Answer, OpenAIServer

from .conftest import HELLO, KEY, MakeHandle


async def test_the_program_that_it_comes_from_works_as_written(server: OpenAIServer) -> None:
    """Five hundred nodes, each with a handle of its own, closed in `finally` blocks: one session in all."""

    async def task(number: int) -> str:
        llm_node = None
        try:
            handle = create_openai_api_handle_async(server.base_url, KEY, "tiny", True)
            llm_node = LLMNode(function_handle=handle)
            answer = await llm_node([{"role": "user", "content": str(number)}], temperature=0)
            return str(answer["choices"][0]["message"]["content"])
        finally:
            if "llm_node" in locals() and llm_node:
                await llm_node.close_async()
                if hasattr(llm_node.function_handle, "close_session"):
                    await llm_node.function_handle.close_session()

    with lastcall.watch():
        texts = await asyncio.gather(*map(task, range(500)))
        assert lastcall.count_unclosed_sessions() == 0
        report = lastcall.report()
    assert all(f'"{number}"' in text for number, text in enumerate(texts))
    assert (report.opened, report.closed) == (1, 1)


async def test_nodes_that_share_a_handle_close_it_with_the_last(
    server: OpenAIServer, make: MakeHandle
) -> None:
    """One of them closes while the other waits for its answer."""
    server.script.default = Answer(delay=0.1)
    handle = make()
    one, other = LLMNode(handle), LLMNode(function_handle=handle)
    await one(HELLO)
    session = handle._session()
    assert session is not None
    waiting = asyncio.create_task(other(HELLO))
    await asyncio.sleep(0.01)
    await one.close_async()
    await one.close_async()
    assert not session.closed
    await waiting
    await other.close_async()
    assert session.closed
    assert "shares" in repr(one)


async def test_a_node_that_borrows_leaves_the_handle_open(make: MakeHandle) -> None:
    """Whoever made it closes it."""
    handle = make()
    async with LLMNode(handle, owns=False) as node:
        await node(HELLO)
    session = handle._session()
    assert session is not None
    assert not session.closed
    async with LLMNode(handle, owns=True) as node:
        assert node.function_handle is handle
    assert session.closed
    assert "borrows" in repr(LLMNode(handle, owns=False))


async def test_any_async_function_can_be_a_handle() -> None:
    """One without a `close_session`, one with, and one whose `close_session` is no coroutine."""
    closed: list[str] = []

    async def plain(messages: Any, **options: Any) -> Any:
        return messages, options

    async def closing(messages: Any) -> Any:
        return messages

    async def close() -> None:
        closed.append("async")

    async def sync_closing(messages: Any) -> Any:
        return messages

    class Bound:
        __slots__ = ()

        async def ask(self, messages: Any) -> Any:
            return messages

        async def __call__(self, messages: Any) -> Any:
            return messages

    closing.close_session = close  # type: ignore[attr-defined]
    sync_closing.close_session = lambda: closed.append("sync")  # type: ignore[attr-defined]
    for function in (plain, closing, sync_closing, Bound().ask, Bound()):
        async with LLMNode(function) as node:
            await node(1)
    assert await LLMNode(plain)(1, a=2) == (1, {"a": 2})
    assert closed == ["async", "sync"]
