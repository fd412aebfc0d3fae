"""Patterns in the syntax of .gitignore."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["Patterns"]


class _Pattern(NamedTuple):
    regex: re.Pattern[str]
    negated: bool
    folders_only: bool


class Patterns:
    """
    The patterns of one place, for paths relative to it.

    Of the syntax of gitignore(5): comments, `!`, a trailing `/`, `*`, `?`, `[...]`, `**`, and the rule that a
    pattern with a `/` before its end is anchored.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._patterns = tuple(_compiled(lines))
        self._simple = not any(pattern.negated for pattern in self._patterns)
        self._files = _combined(pattern for pattern in self._patterns if not pattern.folders_only)
        self._folders = _combined(self._patterns)

    def __bool__(self) -> bool:
        """Tell whether there are any patterns."""
        return bool(self._patterns)

    def match(self, path: str, *, is_folder: bool = False) -> bool | None:
        """
        Return whether *path* is to be left out, None if no pattern says anything about it.

        Args:
            path: Relative to the place of the patterns, with `/`.

            is_folder: Whether it is a directory. What lies in a directory left out need not be asked for.
        """
        if self._simple:
            # Without `!` the order does not matter, and one expression does for all.
            combined = self._folders if is_folder else self._files
            return True if combined is not None and combined.fullmatch(path) else None
        verdict = None
        for pattern in self._patterns:
            if (is_folder or not pattern.folders_only) and pattern.regex.fullmatch(path):
                verdict = not pattern.negated
        return verdict

    def match_any(self, path: str) -> bool:
        """Return whether a file, or a directory it lies in, matches."""
        parts = path.split("/")
        folders = ("/".join(parts[:end]) for end in range(1, len(parts)))
        return bool(self.match(path)) or any(self.match(folder, is_folder=True) for folder in folders)


def _combined(patterns: Iterable[_Pattern]) -> re.Pattern[str] | None:
    """Return one expression that matches what any of *patterns* does, None if there are none."""
    parts = [f"(?:{pattern.regex.pattern})" for pattern in patterns]
    return re.compile("|".join(parts), re.DOTALL) if parts else None


def _compiled(lines: Iterable[str]) -> Iterator[_Pattern]:
    for line in lines:
        text = line.rstrip("\r\n")
        text = re.sub(r"(?<!\\)\s+$", "", text)
        if not text or text.startswith("#"):
            continue
        negated = text.startswith("!")
        text = text.removeprefix("!").removeprefix("\\")
        folders_only = text.endswith("/")
        text = text.rstrip("/")
        anchored = "/" in text
        if not text:
            continue
        try:
            regex = re.compile(
                ("" if anchored else "(?:.*/)?") + _translated(text.removeprefix("/")), re.DOTALL
            )
        except re.error:
            continue
        yield _Pattern(regex, negated, folders_only)


def _translated(text: str) -> str:
    """Return a pattern as a regular expression."""
    out, position = "", 0
    while position < len(text):
        rest = text[position:]
        if rest.startswith("**/"):
            out, position = out + "(?:.*/)?", position + 3
        elif rest == "**":
            out, position = out + ".+", position + 2
        elif rest[0] == "*":
            out, position = out + "[^/]*", position + 1
        elif rest[0] == "?":
            out, position = out + "[^/]", position + 1
        elif rest[0] == "[" and "]" in rest[2:]:
            end = rest.index("]", 2)
            inner = rest[1:end].replace("\\", "\\\\")
            out += "[" + ("^" + inner[1:] if inner[0] in "!^" else inner) + "]"
            position += end + 1
        elif rest[0] == "\\" and len(rest) > 1:
            out, position = out + re.escape(rest[1]), position + 2
        else:
            out, position = out + re.escape(rest[0]), position + 1
    return out
