"""Why an open session is called a leak, and how sure that is."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Literal, Self

__all__ = ["Evidence", "Grade", "Kind"]

Kind = Literal["session", "connector"]
"""What was left open: a session, or a connector that was opened without one."""


class Grade(Enum):
    """How sure an evidence is. A surer one is greater."""

    SUSPICION = 1
    SCOPE = 2
    PROOF = 3

    @classmethod
    def named(cls, name: str) -> Self:
        """
        Return the grade called *name*: "proof", "scope" or "suspicion", in any case.

        Raises:
            ValueError: If no grade has that name.
        """
        try:
            return cls[name.upper()]
        except KeyError:
            known = ", ".join(grade.name.lower() for grade in reversed(cls))
            raise ValueError(f"{name!r} is no grade of evidence; there are {known}") from None

    def __ge__(self, other: Grade) -> bool:
        """Tell whether this grade is as sure as *other* or surer."""
        return bool(self.value >= other.value)


class Evidence(StrEnum):
    """Why an open session is called a leak."""

    COLLECTED_OPEN = "COLLECTED_OPEN"
    """It was garbage-collected while open: nobody can close it any more."""

    LOOP_CLOSED = "LOOP_CLOSED"
    """Its event loop was closed while it was open: it can no longer be closed in order."""

    SCOPE_ENDED = "SCOPE_ENDED"
    """The process or test it was opened in has ended. No longer said if it is closed after all."""

    IDLE = "IDLE"
    """It is open and was not used for long. Withdrawn, and counted as such, if it is closed later."""

    @property
    def grade(self) -> Grade:
        """How sure this evidence is."""
        return _GRADES[self]

    @property
    def words(self) -> str:
        """What happened, in a few words that follow "it was" or stand alone."""
        return _WORDS[self]


_GRADES = {
    Evidence.COLLECTED_OPEN: Grade.PROOF,
    Evidence.LOOP_CLOSED: Grade.PROOF,
    Evidence.SCOPE_ENDED: Grade.SCOPE,
    Evidence.IDLE: Grade.SUSPICION,
}
_WORDS = {
    Evidence.COLLECTED_OPEN: "garbage-collected while open",
    Evidence.LOOP_CLOSED: "its loop closed under it",
    Evidence.SCOPE_ENDED: "still open at the end",
    Evidence.IDLE: "open, and idle for long",
}
