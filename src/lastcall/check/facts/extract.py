"""From the text of one file to its facts."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings

from .model import Facts
from .statements import Statements

__all__ = ["UnreadableError", "extract", "parse"]

MAX_BYTES = 5_000_000
"""Larger files are data, not source: the standard library's largest module has a tenth of this."""

HINT = re.compile(r"#\s*lastcall:\s*(owns|borrows)\b")


class UnreadableError(Exception):
    """A file that is not Python we can read; the message says why, in one line."""


def parse(source: bytes) -> tuple[ast.Module, str]:
    """
    Return the tree and the text of a file.

    Raises:
        UnreadableError: If it is too large, wrongly encoded, no Python, or nested too deeply.
    """
    if len(source) > MAX_BYTES:
        raise UnreadableError(f"too large to be source: {len(source):,} bytes")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text = source.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        raise UnreadableError(f"cannot be decoded: {error}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text), text
    except SyntaxError as error:
        raise UnreadableError(f"no valid Python: line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise UnreadableError(f"cannot be parsed: {str(error) or 'nested too deeply'}") from error


def extract(source: bytes, module: str, *, is_package: bool = False) -> Facts:
    """
    Return what a file says about sessions.

    Args:
        source: The file's bytes.

        module: Its full module name.

        is_package: Whether it is a package's `__init__`.

    Raises:
        UnreadableError: See `parse`.
    """
    tree, text = parse(source)
    hints = _hints(text) if "lastcall:" in text else {}
    run = Statements(module, hints, is_package=is_package)
    try:
        imports = run.module_body(tree.body, _globals(tree) if "global " in text else set())
    except RecursionError as error:
        raise UnreadableError("nested too deeply") from error
    rows = {str(line): hint for line, hint in hints.items()}
    return Facts(
        run.classes, run.funcs, run.calls, run.flows, run.closes, run.flags, imports, rows, run.spots
    )


def _globals(tree: ast.Module) -> set[str]:
    return {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}


def _hints(text: str) -> dict[int, str]:
    """Return the ownership hints in comments, by line."""
    return {
        number: match.group(1)
        for number, line in enumerate(text.splitlines(), 1)
        if (match := HINT.search(line))
    }
