"""The extra that `lastcall llm` needs, asked for in one sentence where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

__all__ = ["extra_or_sentence"]

_PACKAGES = {"msgspec", "zstandard"}


@contextmanager
def extra_or_sentence() -> Iterator[None]:
    """Turn a missing package of the extra into a sentence that names the extra."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES and "lastcall[llm]" not in str(error):
            raise
        raise click.ClickException("this command needs: pip install 'lastcall[llm]'") from None
