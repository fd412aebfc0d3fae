"""An OpenAI-compatible chat handle over one shared session, a node, and a batch driver."""

try:
    import msgspec as _msgspec  # noqa: F401 - asked for here, so that what is missing is said in a sentence
except ImportError as error:
    raise ImportError('lastcall.llm needs msgspec: pip install "lastcall[llm]"', name=error.name) from error

from .batch import BatchRequest, BatchResult, run_batch
from .chat_stream import ChatStream
from .create import create_openai_api_handle_async
from .errors import (
    AnswerError,
    ConnectionFailedError,
    LLMError,
    RateLimitedError,
    RequestError,
    StatusError,
    TimedOutError,
    TruncatedError,
)
from .handle import ChatHandle
from .node import LLMNode
from .outcome import Outcome
from .timeouts import Timeouts

__all__ = [
    "AnswerError",
    "BatchRequest",
    "BatchResult",
    "ChatHandle",
    "ChatStream",
    "ConnectionFailedError",
    "LLMError",
    "LLMNode",
    "Outcome",
    "RateLimitedError",
    "RequestError",
    "StatusError",
    "TimedOutError",
    "Timeouts",
    "TruncatedError",
    "create_openai_api_handle_async",
    "run_batch",
]
