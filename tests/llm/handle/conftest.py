"""A scripted model server, and handles on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lastcall.llm import ChatHandle, create_openai_api_handle_async
from lastcall.testing import OpenAIServer

KEY = "sk-a-key-that-nobody-may-see"
HELLO = [{"role": "user", "content": "hello"}]

MakeHandle = Callable[..., ChatHandle]


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    """A model server with a script, in a thread of its own."""
    with OpenAIServer() as running:
        yield running


@pytest.fixture
def make(server: OpenAIServer) -> MakeHandle:
    """Makes handles on that server; the keeper closes what a test leaves open."""

    def handle(**options: Any) -> ChatHandle:
        return create_openai_api_handle_async(server.base_url, KEY, "tiny", **options)

    return handle


@pytest.fixture
def handle(make: MakeHandle) -> ChatHandle:
    """A handle without limits."""
    return make()
