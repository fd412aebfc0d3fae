"""An answer, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

__all__ = ["Answer"]


class Answer:
    """
    What a server answered: any status, redirects and refusals included.

    Args:
        status: Of HTTP.

        headers: In any case.

        body: The whole of it, unpacked if it was packed.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: CIMultiDictProxy[str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        """Tell the status and the size."""
        return f"<Answer {self.status}, {len(self.body)} bytes>"
