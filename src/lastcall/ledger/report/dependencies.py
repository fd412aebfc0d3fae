"""A text about a leak in a dependency, ready for its tracker."""

from __future__ import annotations

import platform
from importlib import metadata

from lastcall.ledger.records import Frame, Leak

from .words import count, sessions

__all__ = ["issue_text"]


def issue_text(leak: Leak) -> str:
    """
    Return an issue for the tracker of the dependency *leak* lies in: a title, a blank line, a body.

    It names files below site-packages only, and nothing of the reader's own code.
    """
    what = sessions(leak.count) if leak.kind == "session" else count(leak.count, "connector")
    versions = f"Python {platform.python_version()}, aiohttp {metadata.version('aiohttp')}"
    return "\n".join(
        [
            f"aiohttp {leak.kind} opened in {leak.site.function} is never closed",
            "",
            f"{leak.distribution}, {versions}, {platform.system()}",
            "",
            f"{leak.site.file}, line {leak.site.line}, opens an aiohttp {leak.kind} that nobody closes:",
            "",
            f"    {leak.site.source or '(source not at hand)'}",
            "",
            f"Seen: {what}; {leak.evidence.words} ({leak.evidence.value}).",
            "Called by (innermost first):",
            "",
            *(f"    {frame}  in {frame.function}" for frame in _foreign(leak.stack)),
        ]
    )


def _foreign(stack: tuple[Frame, ...]) -> list[Frame]:
    return [frame for frame in stack if frame.distribution is not None]
