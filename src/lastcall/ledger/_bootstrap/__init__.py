"""
How `lastcall run` gets into a process: `path/` stands in front of PYTHONPATH, `site` runs the one file in it.

That file waits for aiohttp; when it comes, `process` puts the ledger under it.
"""

from pathlib import Path

__all__ = ["SEARCH_PATH", "SPOOL_VARIABLE"]

SEARCH_PATH = str(Path(__file__).resolve().parent / "path")
"""The directory to put in front of PYTHONPATH; it holds nothing but a `sitecustomize`."""

SPOOL_VARIABLE = "LASTCALL_SPOOL"
"""The environment variable that names the spool; `path/sitecustomize.py` has its own copy."""
