"""Real servers on the loopback, for our tests and for yours: they count, and they fail as told."""

from .github import GitHubServer
from .github_pages import LinkForm
from .loopback import AppFactory, LoopbackServer
from .openai import OpenAIServer
from .openai_completion import completion_text
from .records import ConnectionEnd, ConnectionRecord, RequestRecord
from .routes import built_in_app
from .script import Answer, Call, Cut, LineEnd, RetryAfterForm, Script, Step, StreamUsage, ToolCall
from .tls import TLSContexts, tls_contexts

__all__ = [
    "Answer",
    "AppFactory",
    "Call",
    "ConnectionEnd",
    "ConnectionRecord",
    "Cut",
    "GitHubServer",
    "LineEnd",
    "LinkForm",
    "LoopbackServer",
    "OpenAIServer",
    "RequestRecord",
    "RetryAfterForm",
    "Script",
    "Step",
    "StreamUsage",
    "TLSContexts",
    "ToolCall",
    "built_in_app",
    "completion_text",
    "tls_contexts",
]
