"""GitHub: a service that owns or borrows its session, for scripts, applications and Apps."""

try:
    from .auth import AppAuth, InstallationAuth, TokenAuth
    from .client import GitHubClient
except ImportError as error:
    raise ImportError(
        "lastcall.github needs gidgethub, PyJWT and cryptography: pip install 'lastcall[github]'",
        name=error.name,
    ) from error
from .errors import AppAuthError, ForeignUrlError, RateLimitError
from .event import Event
from .options import Options, Wait
from .router import Router
from .service import GithubService

__all__ = [
    "AppAuth",
    "AppAuthError",
    "Event",
    "ForeignUrlError",
    "GitHubClient",
    "GithubService",
    "InstallationAuth",
    "Options",
    "RateLimitError",
    "Router",
    "TokenAuth",
    "Wait",
]
