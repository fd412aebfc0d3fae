"""The check of aiohttp's parts, and what closes the short way."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import BaseConnector
from aiohttp.streams import StreamReader

from lastcall.llm import compat
from lastcall.llm import wire as wire_module
from lastcall.llm.target import Target
from lastcall.llm.timeouts import Timeouts
from lastcall.llm.wire import Wire
from lastcall.testing import OpenAIServer


def test_this_aiohttp_is_known() -> None:
    """The short way is open on every version the suite runs on."""
    assert compat.REASON is None


def _without_timeout(self: object, req: object, traces: object) -> None:
    """Stand for a `connect` of another aiohttp."""


def _never_feeds(self: object, data: bytes) -> None:
    """Stand for a `data_received` that works in another way."""


class _Slower(StreamReader):
    """Stands for a reader of another layout."""


@pytest.mark.parametrize(
    ("owner", "name", "changed"),
    [
        (BaseConnector, "connect", _without_timeout),
        (ResponseHandler, "data_received", _never_feeds),
        (ResponseHandler, "set_response_params", _without_timeout),
        (StreamReader, "feed_eof", _without_timeout),
        (StreamReader, "on_eof", _never_feeds),
    ],
)
def test_a_part_that_is_not_as_it_is_known_closes_the_short_way(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, changed: Any
) -> None:
    """Whatever was renamed, lost an argument or works otherwise is found, and named or described."""
    monkeypatch.setattr(owner, name, changed)
    assert compat._reason()


def test_a_part_that_is_gone_closes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """No exception of a check reaches whoever imports the package."""
    monkeypatch.delattr(ResponseHandler, "_reschedule_timeout")
    assert "_reschedule_timeout" in (compat._reason() or "")


async def test_requests_of_an_unknown_aiohttp_take_its_own_way(
    monkeypatch: pytest.MonkeyPatch, server: OpenAIServer, chat: Target, patient: Timeouts
) -> None:
    """They work all the same, and the wire says why."""
    monkeypatch.setattr(wire_module, "REASON", "a part")
    async with aiohttp.ClientSession() as session:
        wire = Wire(session)
        assert wire.reason == "a part"
        assert (await wire.post(chat, b"{}", patient)).status == 400


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, None),
        ({"headers": {"X": "1"}, "timeout": aiohttp.ClientTimeout(total=5), "raise_for_status": True}, None),
        ({"trust_env": True}, "trust_env"),
        ({"proxy": "http://127.0.0.1:1"}, "proxy"),
        ({"trace_configs": [aiohttp.TraceConfig()]}, "trace_configs"),
        ({"version": aiohttp.HttpVersion10}, "a way of its own"),
    ],
)
async def test_options_of_a_session_that_the_short_way_does_not_know_close_it(
    options: dict[str, Any], reason: str | None
) -> None:
    """A borrowed session keeps all that it was told to do."""
    async with aiohttp.ClientSession(**options) as session:
        told = Wire(session).reason
        assert told == reason if reason is None else reason in (told or "")
