"""Counting without the lock, where there is an interpreter's lock to rely on."""

from __future__ import annotations

import sys
import threading

import pytest

from lastcall.ledger.entries import atomic


class Counter:
    """Something with a lock that tells whether it was held."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen: list[bool] = []

    def count(self) -> None:
        self.seen.append(self.lock.locked())


def test_without_a_gil_the_lock_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a free-threaded interpreter each step is counted under the lock."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    counter = Counter()
    atomic(Counter.count)(counter)
    assert counter.seen == [True]


def test_under_the_gil_a_step_is_the_method_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the GIL makes it one step nothing is put round it."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    assert atomic(Counter.count) is Counter.count
