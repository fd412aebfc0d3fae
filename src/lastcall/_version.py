"""The version, read by the build and by `lastcall --version`."""

__version__ = "0.1.0"
