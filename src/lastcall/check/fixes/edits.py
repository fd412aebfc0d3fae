"""Edits of text: put together, applied, and shown as a difference."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from lastcall.check.finding import Edit
from lastcall.check.text import lines_of

__all__ = ["apply_edits", "difference", "merged", "overlap"]


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """
    Return *text* after *edits*, with the line ends it had.

    Args:
        text: A whole file.

        edits: Places in it as it is before any of them; not overlapping.
    """
    end = _line_end(text)
    lines = lines_of(text)
    result = "\n".join(lines)
    starts = _starts(lines)
    for edit in sorted(edits, key=lambda one: (one.line, one.column), reverse=True):
        first = _offset(starts, len(result), edit.line, edit.column)
        last = _offset(starts, len(result), edit.end_line, edit.end_column)
        result = result[:first] + edit.text + result[last:]
    return result if end == "\n" else result.replace("\n", end)


def merged(text: str, edits: Sequence[Edit]) -> Edit:
    """Return one edit that does what *edits* do, for those who take only one."""
    first, last = edits[0], edits[-1]
    lines = lines_of(text)
    starts = _starts(lines)
    before = _offset(starts, len(text), first.line, first.column)
    whole = "\n".join(lines)
    after = len(whole) - _offset(starts, len(whole), last.end_line, last.end_column)
    done = lines_of(apply_edits(text, edits))
    changed = "\n".join(done)
    return Edit(
        first.line, first.column, last.end_line, last.end_column, changed[before : len(changed) - after]
    )


def overlap(one: Sequence[Edit], other: Sequence[Edit]) -> bool:
    """Tell whether two fixes touch the same text, or text between the edits of one of them."""
    if not one or not other:
        return False
    starts = [(edits[0].line, edits[0].column) for edits in (one, other)]
    ends = [(edits[-1].end_line, edits[-1].end_column) for edits in (one, other)]
    return starts[0] <= ends[1] and starts[1] <= ends[0]


def difference(path: str, before: str, after: str) -> str:
    """Return the unified difference of two versions of a file; empty if there is none."""
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (before, after))
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(old, new, path, path)
    )


def _line_end(text: str) -> str:
    """Return how the lines of a text end."""
    first = text.find("\n")
    if first > 0 and text[first - 1] == "\r":
        return "\r\n"
    return "\n"


def _starts(lines: list[str]) -> list[int]:
    starts, position = [], 0
    for line in lines:
        starts.append(position)
        position += len(line) + 1
    return starts


def _offset(starts: list[int], length: int, line: int, column: int) -> int:
    """Return where a place is, counted from 0; the end of the text for a line after its last."""
    return min(length, starts[line - 1] + column - 1) if line <= len(starts) else length
