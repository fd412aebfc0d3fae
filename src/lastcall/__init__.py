"""Every aiohttp session shared, owned and closed, and when one is not, the line that leaked it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from ._hints import Borrowed
    from .errors import (
        BorrowedSessionWarning,
        LastcallError,
        LastcallWarning,
        OwnershipError,
        ProfileError,
        SessionClosedError,
        SetupError,
        UnknownProfileError,
    )
    from .ledger import (
        Churn,
        Evidence,
        Grade,
        Leak,
        Report,
        SessionRecord,
        Site,
        count_unclosed_sessions,
        label,
        leaks,
        open_sessions,
        report,
        silence_unclosed_messages,
        unwatch,
        watch,
    )
    from .sessions import (
        SessionManager,
        SessionOwner,
        SessionProfile,
        SharedSession,
        close_on_sigterm,
        close_shared_session,
        get_shared_session,
        shared_manager,
    )

__all__ = [
    "Borrowed",
    "BorrowedSessionWarning",
    "Churn",
    "Evidence",
    "Grade",
    "LastcallError",
    "LastcallWarning",
    "Leak",
    "OwnershipError",
    "ProfileError",
    "Report",
    "SessionClosedError",
    "SessionManager",
    "SessionOwner",
    "SessionProfile",
    "SessionRecord",
    "SetupError",
    "SharedSession",
    "Site",
    "UnknownProfileError",
    "__version__",
    "close_on_sigterm",
    "close_shared_session",
    "count_unclosed_sessions",
    "get_shared_session",
    "label",
    "leaks",
    "open_sessions",
    "report",
    "shared_manager",
    "silence_unclosed_messages",
    "unwatch",
    "watch",
]

_ROOMS = ("_hints", "errors", "ledger", "sessions")


def __getattr__(name: str) -> Any:
    # Every pytest run where lastcall is installed imports this package to find the plugin; it shall not take
    # the quarter of a second of importing aiohttp. So a name is looked up when it is first used.
    if name in __all__ or name in _ROOMS:
        for room in _ROOMS:
            module = import_module(f".{room}", __name__)
            if name == room:
                return module
            if name in module.__all__:
                value = globals()[name] = getattr(module, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
