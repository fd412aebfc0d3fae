"""A node of a program built of nodes: asks through a function handle, and closes it if it is its own."""

import contextlib
import inspect
import weakref
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

__all__ = ["LLMNode"]

_nodes: weakref.WeakKeyDictionary[object, "weakref.WeakSet[LLMNode]"] = weakref.WeakKeyDictionary()
"""From a function handle to the nodes that were made of it and not closed."""


class LLMNode:
    """
    A node that asks a model.

        node = LLMNode(function_handle=create_openai_api_handle_async(base_url, api_key, model))
        try:
            answer = await node(messages)
        finally:
            await node.close_async()

    Args:
        function_handle: What is called: a `ChatHandle`, or any async function. If it has a `close_session`,
            that is what closes it.

        owns: True: closing the node closes the handle. False: it is borrowed, and left open. None: nodes that
            share a handle own it together, and the last of them to be closed closes it.

    Attributes:
        function_handle: As given; it may be called, and closed, directly.
    """

    def __init__(self, function_handle: Callable[..., Awaitable[Any]], *, owns: bool | None = None) -> None:
        self.function_handle = function_handle
        self._owns = owns
        with contextlib.suppress(TypeError):  # what can have no weak reference has one node
            _nodes.setdefault(function_handle, weakref.WeakSet()).add(self)

    async def __call__(self, messages: Any, **kwargs: Any) -> Any:
        """Return what the handle returns."""
        return await self.function_handle(messages, **kwargs)

    async def close_async(self) -> None:
        """Close the handle if the node owns it; a second time, and after it the next call, do no harm."""
        others: weakref.WeakSet[LLMNode] | None = None
        with contextlib.suppress(TypeError):
            others = _nodes.get(self.function_handle)
        if others is not None:
            others.discard(self)
        if self._owns is False or (self._owns is None and others):
            return
        close = getattr(self.function_handle, "close_session", None)
        if close is not None and inspect.isawaitable(closing := close()):
            await closing

    async def __aenter__(self) -> Self:
        """Return the node."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do what `close_async` does."""
        await self.close_async()

    def __repr__(self) -> str:
        """Tell whether it owns or borrows, and what."""
        how = {True: "owns", False: "borrows", None: "shares"}[self._owns]
        return f"<LLMNode {how} {self.function_handle!r}>"
