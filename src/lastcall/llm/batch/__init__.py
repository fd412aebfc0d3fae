"""Batches: many requests at once, each answered exactly once; the command is `lastcall llm batch`."""

from .driver import Handle
from .requests import BatchRequest, LineError
from .results import BatchResult, Usage
from .run import run_batch

__all__ = ["BatchRequest", "BatchResult", "Handle", "LineError", "Usage", "run_batch"]
