"""Which handlers an event has."""

import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from .event import Event

__all__ = ["ErrorHandler", "Failure", "Handler", "Router"]

Handler = Callable[..., Awaitable[object]]
"""Called as `handler(event, github, **context)`."""

ErrorHandler = Callable[..., Awaitable[object]]
"""Called as `handler(failure, github, **context)`, with a `Failure`."""

_AnyHandler = TypeVar("_AnyHandler", bound=Callable[..., Awaitable[object]])

ANY = "*"


@dataclass(frozen=True, slots=True)
class Failure:
    """A handler that failed, for error handlers."""

    event: Event
    handler: str
    """Its name, "module.function"."""

    error: BaseException
    final: bool
    """Whether it will not be tried again."""


@dataclass(frozen=True, slots=True)
class _Route:
    event: str
    details: tuple[tuple[str, object], ...]
    handler: Handler
    name: str

    def fits(self, event: Event) -> bool:
        if self.event not in {ANY, event.event}:
            return False
        missing = object()  # equal to nothing a payload can hold
        return all(event.data.get(name, missing) == value for name, value in self.details)


class Router:
    """
    Handlers by event; what gidgethub's router does, and any event, several details, and error handlers.

        router = Router()

        @router.register("pull_request", action="opened")
        async def welcome(event, github): ...

    Args:
        routers: Whose handlers it has too, as they are now.
    """

    def __init__(self, *routers: "Router") -> None:
        self._routes: list[_Route] = [route for router in routers for route in router._routes]
        self._on_error: list[ErrorHandler] = [one for router in routers for one in router._on_error]

    def register(self, event: str, /, **details: object) -> Callable[[_AnyHandler], _AnyHandler]:
        """
        Return a decorator that registers a handler.

        Args:
            event: Its kind, for example "pull_request", or "*" for every one.

            details: Each names a field at the top of the payload and the value it must have.

        Raises:
            TypeError: By the decorator, for what is not `async def`.
        """

        def decorate(handler: _AnyHandler) -> _AnyHandler:
            self.add(handler, event, **details)
            return handler

        return decorate

    def add(self, handler: Handler, event: str, /, **details: object) -> None:
        """Register *handler*, without a decorator."""
        self._routes.append(_Route(event, tuple(details.items()), _asynchronous(handler), _name(handler)))

    def on_error(self, handler: _AnyHandler) -> _AnyHandler:
        """Register a handler of failures, as a decorator; it is told of each, before the next attempt."""
        self._on_error.append(_asynchronous(handler))
        return handler

    @property
    def error_handlers(self) -> tuple[ErrorHandler, ...]:
        """Handlers of failures, in order of registration."""
        return tuple(self._on_error)

    @property
    def events(self) -> frozenset[str]:
        """Kinds of event that some handler wants; may hold "*"."""
        return frozenset(route.event for route in self._routes)

    def handlers(self, event: Event) -> dict[str, Handler]:
        """
        Return those that want *event*.

        Returns:
            From a name that stays the same over restarts to the handler, in order of registration; a handler
            registered twice is there once. Often empty.
        """
        found: dict[str, Handler] = {}
        for route in self._routes:
            if route.fits(event) and route.handler not in found.values():
                found[next(name for name in _names(route.name) if name not in found)] = route.handler
        return found


def _names(name: str) -> Iterator[str]:
    """Yield a handler's name, then that name with numbers, for those that share one."""
    yield name
    for number in range(2, 1000):
        yield f"{name}#{number}"


def _name(handler: Handler) -> str:
    function = inspect.unwrap(getattr(handler, "func", handler))
    owner = function if hasattr(function, "__qualname__") else type(function)
    return f"{owner.__module__}.{owner.__qualname__}"


def _asynchronous(handler: Any) -> Any:
    if inspect.isfunction(handler) and not inspect.iscoroutinefunction(handler):
        raise TypeError(
            f"{handler.__qualname__} is not `async def`, and would stop the event loop while it runs:"
            " make it async, and give what blocks to asyncio.to_thread(...)"
        )
    return handler
