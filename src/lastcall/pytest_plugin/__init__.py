"""
The pytest plugin: a test that leaves a session open fails, with the line that opened it.

It is installed with the package and does nothing until `--lastcall=proof` or `--lastcall=scope`, or
`lastcall = "scope"` in the ini file, asks for it; until then nothing of aiohttp is imported.
"""

from __future__ import annotations

import pytest

from .options import MARKER, add_options, is_asked_for

__all__ = ["pytest_addoption", "pytest_configure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Begin the watch, if it is asked for."""
    config.addinivalue_line("markers", MARKER)
    if is_asked_for(config):
        # Only now: most runs on a machine where lastcall is installed have nothing to do with it.
        from .settings import read_settings  # noqa: PLC0415

        settings = read_settings(config)
        if settings is not None:
            from .plugin import LastcallPlugin  # noqa: PLC0415

            config.pluginmanager.register(LastcallPlugin(config, settings), "lastcall-watch")
