"""The extra that `lastcall github` needs, asked for in one sentence where it is missing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

__all__ = ["needs_extra"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_PACKAGES = {
    "aiohttp",
    "cryptography",
    "dotenv",
    "fastapi",
    "gidgethub",
    "jwt",
    "msgspec",
    "pydantic",
    "starlette",
    "uvicorn",
}


def needs_extra(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Turn a missing package of the extra into a sentence that names the extra."""

    @functools.wraps(function)
    def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        try:
            return function(*args, **kwargs)
        except ImportError as error:
            if (error.name or "").partition(".")[0] not in _PACKAGES:
                raise
            raise click.ClickException(
                f"{error.name} is not installed; this command needs: pip install 'lastcall[github]'"
            ) from None

    return run
