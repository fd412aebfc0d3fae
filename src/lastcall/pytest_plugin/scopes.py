"""Who is at work: the test or fixture that a session is put to, in tasks, threads and foreign runners too."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lastcall.ledger.scopes import Scope, current_scope

__all__ = ["Owner", "Scopes"]

T = TypeVar("T")

_MARK = "_lastcall_scope"


class Owner(Scope):
    """
    A test, or a fixture that outlives one: what is judged for itself.

    Args:
        name: For the reader.

        node: The node id of what is to blame; of a fixture file and name.

        seen_in: What has to be run to see its leaks again, as in a baseline's entry.

        kind: Of what it is the scope.
    """

    __slots__ = ("kind", "node", "seen_in")

    def __init__(self, name: str, node: str, seen_in: str, kind: str) -> None:
        super().__init__(name)
        self.node = node
        self.seen_in = seen_in
        self.kind = kind

    def is_clean(self) -> bool:
        """Tell whether all that was opened in it is closed."""
        return not self.gone and all(opening.closed for opening in self.openings)


class Scopes:
    """
    Keeps the scope that is at work, and has threads and foreign runners know theirs.

    Tasks find it in their context. A thread has a context of its own, and an executor's thread works for one
    test after another; so who starts a thread, or hands it work, is written down.

    Args:
        run: The scope of what happens outside of every test.
    """

    def __init__(self, run: Owner) -> None:
        self.run = run
        self.running: Scope = run
        self._work = threading.local()
        self._undo: list[tuple[type, str, Any, Any]] = []

    def begin(self, scope: Scope) -> None:
        """Let *scope* be at work from now on."""
        self.running = scope
        # Contexts that are copied now, and entered by a test, say nothing: unittest's are made so.
        current_scope.set(scope if scope is not self.run else None)

    def elsewhere(self) -> Scope:
        """Return the scope of this thread, where the context has none."""
        work: Scope | None = getattr(self._work, "scope", None)
        return work or getattr(threading.current_thread(), _MARK, None) or self.running

    def install(self) -> None:
        """Have threads and executors know their scope."""
        self._replace(threading.Thread, "start", self._thread_start)
        self._replace(ThreadPoolExecutor, "submit", self._executor_submit)

    def install_anyio(self) -> None:
        """Have anyio's test runner know the scope: its one task has the context of whom it ran first."""
        try:
            from anyio._backends._asyncio import TestRunner  # noqa: PLC0415 (only where it is used)
        except ImportError:
            return
        if not any(owner is TestRunner for owner, *_ in self._undo):
            self._replace(TestRunner, "_call_in_runner_task", self._runner_call)

    def uninstall(self) -> None:
        """Undo both, but for what others have replaced since."""
        while self._undo:
            owner, name, ours, before = self._undo.pop()
            if owner.__dict__.get(name) is ours:
                setattr(owner, name, before)
        current_scope.set(None)

    def _replace(self, owner: type, name: str, make: Callable[[Any], Any]) -> None:
        before = owner.__dict__.get(name)
        if before is not None:
            ours = make(before)
            ours.__name__, ours.__qualname__, ours.__doc__ = name, f"{owner.__name__}.{name}", before.__doc__
            setattr(owner, name, ours)
            self._undo.append((owner, name, ours, before))

    def _here(self) -> Scope:
        return current_scope.get() or self.elsewhere()

    def _thread_start(self, original: Callable[..., None]) -> Callable[..., None]:
        def start(thread: threading.Thread) -> None:
            setattr(thread, _MARK, self._here())
            original(thread)

        return start

    def _executor_submit(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def submit(executor: ThreadPoolExecutor, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Any:
            return original(executor, self._working_for(self._here(), fn), *args, **kwargs)

        return submit

    def _working_for(self, scope: Scope, function: Callable[..., T]) -> Callable[..., T]:
        def work(*args: Any, **kwargs: Any) -> T:
            before = getattr(self._work, "scope", None)
            self._work.scope = scope
            try:
                return function(*args, **kwargs)
            finally:
                self._work.scope = before

        return work

    def _runner_call(self, original: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def call(runner: Any, func: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> T:
            scope = self._here()
            return await original(runner, lambda *a, **k: _within(scope, func(*a, **k)), *args, **kwargs)

        return call


async def _within(scope: Scope, awaitable: Awaitable[T]) -> T:
    __tracebackhide__ = True
    token = current_scope.set(scope)
    try:
        return await awaitable
    finally:
        current_scope.reset(token)
