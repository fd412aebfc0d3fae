"""
The errors and warnings of lastcall.

    LastcallError
    ├── ProfileError (ValueError)             a profile that cannot be: its option, value or name
    ├── UnknownProfileError (LookupError)     a name under which no profile was declared
    ├── SessionClosedError                    the session is closing or closed; says by whom
    │   (aiohttp.ClientConnectionError, RuntimeError)
    ├── OwnershipError (RuntimeError)         a service that owns its session is used outside `async with`
    └── SetupError (RuntimeError)             a web application has no manager where one is asked for

    LastcallWarning (UserWarning)
    └── BorrowedSessionWarning                a borrower tried to close what it does not own

Every error carries its data as attributes and can be pickled.
"""

import difflib
import time
from collections.abc import Iterable

import aiohttp

__all__ = [
    "BorrowedSessionWarning",
    "LastcallError",
    "LastcallWarning",
    "OwnershipError",
    "ProfileError",
    "SessionClosedError",
    "SetupError",
    "UnknownProfileError",
]


class LastcallError(Exception):
    """Base of every error that lastcall raises of its own accord."""


class ProfileError(LastcallError, ValueError):
    """
    A profile that cannot be: an unknown option, a value out of range, or a name declared twice.

    Attributes:
        profile: The profile's name.

        problem: What is wrong, in one sentence.

        option: The option at fault, or None when the profile as a whole is.

        suggestion: The option that was probably meant, or None.
    """

    def __init__(
        self, profile: str, problem: str, option: str | None = None, suggestion: str | None = None
    ) -> None:
        super().__init__(profile, problem, option, suggestion)
        self.profile = profile
        self.problem = problem
        self.option = option
        self.suggestion = suggestion

    def __str__(self) -> str:
        """Return the problem, what was probably meant, and where options are documented."""
        meant = f" Did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"profile {self.profile!r}: {self.problem}{meant}"

    @classmethod
    def unknown_option(cls, profile: str, option: str, known: Iterable[str]) -> "ProfileError":
        """Return the error for an option that nobody knows, with the nearest of the *known*."""
        near = difflib.get_close_matches(option, list(known), n=1)
        problem = (
            f"unknown option {option!r}. Options are the parameters of lastcall.SessionProfile, and those of"
            " aiohttp.ClientSession and aiohttp.TCPConnector (docs.aiohttp.org, Client Reference)."
        )
        return cls(profile, problem, option, near[0] if near else None)


class UnknownProfileError(LastcallError, LookupError):
    """
    A session was asked for under a name that no profile has.

    Attributes:
        name: The name asked for.

        declared: Names of the profiles there are, in order of declaration; never empty.
    """

    def __init__(self, name: str, declared: tuple[str, ...]) -> None:
        super().__init__(name, declared)
        self.name = name
        self.declared = declared

    def __str__(self) -> str:
        """Return what was asked for, what is declared, and the line to add."""
        near = difflib.get_close_matches(self.name, self.declared, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        return (
            f"no profile {self.name!r}; declared: {', '.join(map(repr, self.declared))}.{meant}"
            f" To declare it: sessions.add(SessionProfile({self.name!r}, ...))"
        )


class SessionClosedError(LastcallError, aiohttp.ClientConnectionError, RuntimeError):
    """
    The session, or its manager, is closing or closed.

    New calls get it, and so do those who were waiting or reading when the session was closed under them. It
    is a `RuntimeError` too, because that is what aiohttp raises for a closed session.

    Attributes:
        session: What was closed: the session's profile, or "manager".

        closed_by: Who closed it: "file:line" of the call, or "the keeper at the end of the loop".

        closed_at: When closing began, in seconds of the wall clock since the epoch.
    """

    def __init__(self, session: str, closed_by: str, closed_at: float) -> None:
        super().__init__(session, closed_by, closed_at)
        self.session = session
        self.closed_by = closed_by
        self.closed_at = closed_at

    def __str__(self) -> str:
        """Return what was closed, by whom and when."""
        when = time.strftime("%H:%M:%S", time.localtime(self.closed_at))
        what = "the session manager" if self.session == "manager" else f"session {self.session!r}"
        return f"{what} was closed by {self.closed_by} at {when}"


class OwnershipError(LastcallError, RuntimeError):
    """
    A service that owns its session was used outside `async with`, or entered twice at once.

    Attributes:
        service: Name of the service's class.

        problem: What is wrong, in one sentence.

        wrong: The form that leads here, as code.
    """

    def __init__(self, service: str, problem: str, wrong: str) -> None:
        super().__init__(service, problem, wrong)
        self.service = service
        self.problem = problem
        self.wrong = wrong

    def __str__(self) -> str:
        """Return the problem, the wrong form and the right ones."""
        return (
            f"{self.service}: {self.problem}.\n"
            f"  wrong:  {self.wrong}\n"
            f"  right:  async with {self.service}(...) as service: await service.call()\n"
            f"  right:  service = {self.service}(..., session=shared); await service.call()"
        )


class SetupError(LastcallError, RuntimeError):
    """A web application has no manager where one is asked for, or two; the message says what to do."""


class LastcallWarning(UserWarning):
    """Base of every warning that lastcall issues."""


class BorrowedSessionWarning(LastcallWarning):
    """A borrower called `close()` or `detach()` on a shared session or its connector; nothing was closed."""
