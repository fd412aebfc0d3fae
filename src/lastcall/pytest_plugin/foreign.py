"""Plugins under which a session cannot be put to its test."""

from __future__ import annotations

import pytest

__all__ = ["refuse_foreign_loops"]

_KNOWN = ("_pytest", "xdist", "lastcall")


def refuse_foreign_loops(config: pytest.Config) -> None:
    """
    Look for a plugin that runs the tests by itself, as those do that run several on one event loop.

    Raises:
        pytest.UsageError: If there is one.
    """
    for hook in config.hook.pytest_runtestloop.get_hookimpls():
        if hook.hookwrapper or getattr(hook, "wrapper", False):
            continue
        module = getattr(hook.plugin, "__name__", None) or type(hook.plugin).__module__
        if module.partition(".")[0] not in _KNOWN:
            raise pytest.UsageError(
                f"the plugin {hook.plugin_name} replaces the loop that runs the tests, and no session can be"
                f" put to its test; run without it (-p no:{hook.plugin_name}), or with --lastcall=off"
            )
