"""The text of source files, read when it is asked for."""

from __future__ import annotations

import codecs
import io
import tokenize
from collections.abc import Mapping
from pathlib import Path

__all__ = ["Sources", "decoded", "encoded", "lines_of"]


class Sources:
    """
    Text by path, as in `Finding.path`.

    A file that cannot be read any more is empty; nothing is raised.
    """

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        """
        Make a source of texts.

        Args:
            texts: From path to a text that stands for what is in the file, such as a buffer not yet saved.
        """
        self._texts: dict[str, str] = dict(texts or {})
        self._lines: dict[str, list[str]] = {}

    def text(self, path: str) -> str:
        """Return all of a file, its line ends as they are."""
        if path not in self._texts:
            try:
                self._texts[path] = decoded(Path(path).read_bytes())
            except (OSError, ValueError, SyntaxError, LookupError):
                self._texts[path] = ""
        return self._texts[path]

    def line(self, path: str, number: int) -> str:
        """Return a line, counted from 1, without its end; empty if there is none."""
        lines = self.lines(path)
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def lines(self, path: str) -> list[str]:
        """Return all lines of a file, without their ends."""
        if path not in self._lines:
            self._lines[path] = lines_of(self.text(path))
        return self._lines[path]


def decoded(data: bytes) -> str:
    """
    Return a source file's text, in the encoding that it declares, its line ends as they are.

    Raises:
        SyntaxError: If the declared encoding is unknown or contradicts a byte order mark.

        UnicodeDecodeError: If the text is not in that encoding.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


def encoded(text: str, like: bytes = b"") -> bytes:
    """
    Return a source file's bytes, in the encoding that its text declares.

    Args:
        text: The file.

        like: What it was before: a byte order mark there is kept.
    """
    encoding, _ = tokenize.detect_encoding(io.BytesIO(text.encode("utf-8", "surrogatepass")).readline)
    mark = codecs.BOM_UTF8 if like.startswith(codecs.BOM_UTF8) else b""
    return mark + text.encode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")


def lines_of(text: str) -> list[str]:
    """Return the lines of a text as Python counts them: ended by LF, CR LF or CR, and by nothing else."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
