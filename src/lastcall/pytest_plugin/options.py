"""The options, and whether any was given: all that runs where nobody asked for the plugin."""

from __future__ import annotations

import pytest

__all__ = ["MARKER", "add_options", "is_asked_for"]

MARKER = "lastcall(level=None, *, allow=0, demand=None, reason=''): what the test may, or has to, leave open."
"""What `pytest --markers` says."""

_UPDATE = "--lastcall-update-baseline"
_OPTIONS = ("lastcall", "lastcall_baseline", "lastcall_report", "lastcall_gc", "lastcall_update_baseline")


def add_options(parser: pytest.Parser) -> None:
    """Add the options of the command line and the ini file to *parser*."""
    group = parser.getgroup("lastcall", "sessions left open")
    group.addoption(
        "--lastcall",
        dest="lastcall",
        metavar="LEVEL",
        help="proof: fail a test that leaks a session for certain; scope: also one that leaves one open;"
        " off: do nothing, the default.",
    )
    group.addoption(
        "--lastcall-baseline",
        dest="lastcall_baseline",
        metavar="FILE",
        help="Known leaks, by fingerprint: only others fail a test.",
    )
    group.addoption(
        "--lastcall-report",
        dest="lastcall_report",
        action="append",
        default=[],
        metavar="FORM:PATH",
        help="Write json or html to a file. May be given again.",
    )
    group.addoption(
        "--lastcall-gc",
        dest="lastcall_gc",
        action="store_true",
        help="Collect garbage after each test that opened a session.",
    )
    update = {
        "dest": "lastcall_update_baseline",
        "action": "store_true",
        "help": "Write what is found to the baseline, and fail no test.",
    }
    try:
        group.addoption(_UPDATE, "--update-baseline", **update)
    except ValueError:
        # Another plugin has the short name.
        group.addoption(_UPDATE, **update)
    parser.addini("lastcall", "Default for --lastcall.", default=None)
    parser.addini("lastcall_baseline", "Default for --lastcall-baseline, from the ini file on.", default=None)


def is_asked_for(config: pytest.Config) -> bool:
    """Tell whether there is anything to read, by `read_settings`."""
    return bool(config.getini("lastcall")) or any(config.getoption(name) for name in _OPTIONS)
