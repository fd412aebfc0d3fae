"""A finding before it is written up: where, what and why, without text of the source."""

from __future__ import annotations

from typing import NamedTuple

from lastcall.check.facts.model import Place
from lastcall.check.finding import Confidence

__all__ = ["Draft", "Note"]


class Note(NamedTuple):
    """A related place: its file's number in the program."""

    file: int
    at: Place
    message: str


class Draft(NamedTuple):
    """What a matcher found."""

    code: str
    confidence: Confidence
    file: int
    at: Place
    func: int
    """The function it stands in, which gives the finding's symbol."""

    message: str
    notes: tuple[Note, ...] = ()
    subject: str = ""
