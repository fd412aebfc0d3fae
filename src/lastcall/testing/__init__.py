"""Real servers on the loopback, for our tests and for yours: they count, and they fail as told."""

from .github import GitHubServer
from .github_pages import LinkForm
from .loopback import AppFactory, LoopbackServer
from .openai import OpenAIServer
from .openai_shapes import completion_text
from .records import ConnectionEnd, ConnectionRecord, RequestRecord
from .routes import built_in_app
from .script import Answer, Call, Cut, RetryAfterForm, Script, Step

__all__ = [
    "Answer",
    "AppFactory",
    "Call",
    "ConnectionEnd",
    "ConnectionRecord",
    "Cut",
    "GitHubServer",
    "LinkForm",
    "LoopbackServer",
    "OpenAIServer",
    "RequestRecord",
    "RetryAfterForm",
    "Script",
    "Step",
    "built_in_app",
    "completion_text",
]
