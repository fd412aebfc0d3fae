"""Paths as other programs want them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

__all__ = ["is_relative", "uri"]


def is_relative(path: str) -> bool:
    """Tell whether a finding's path lies below the directory the check started in."""
    return not Path(path).is_absolute()


def uri(path: str) -> str:
    """Return a path as a URI: relative if it is, else with `file://`; escaped."""
    if not is_relative(path):
        return Path(path).as_uri()
    return quote(os.fsencode(path), safe="/@!$&'()*+,;=~")
