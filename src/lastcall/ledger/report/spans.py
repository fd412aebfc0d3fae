"""Lines of styled text, plain or coloured for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable

__all__ = ["Line", "Span", "in_text"]

Span = tuple[str, str]
"""A piece of a line and its style, in rich's words; an empty style is plain."""
Line = list[Span]


def in_text(lines: Iterable[Line], *, color: bool) -> str:
    """Return *lines* as one text without a newline at its end; with *color* there are ANSI escapes in it."""
    if color:
        return _colored(lines)
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def _colored(lines: Iterable[Line]) -> str:
    # Only a coloured report needs rich; `import lastcall` must not.
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system="standard", highlight=False)
    for line in lines:
        console.print(Text.assemble(*line), soft_wrap=True)
    return out.getvalue().rstrip("\n")
