"""Every aiohttp session shared, owned and closed, and when one is not, the line that leaked it."""

from ._version import __version__

__all__ = ["__version__"]
