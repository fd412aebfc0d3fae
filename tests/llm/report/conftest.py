"""Lanes without a browser's driver still try the rest."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("selenium") else ["test_browser.py"]
