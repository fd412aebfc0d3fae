"""OWN: sessions that are shared, owned by a manager, and closed on every way out."""

from .application import application_sessions, check_given
from .calls import OpenRequest
from .closing import ClosedSession
from .connector import SharedConnector
from .keeper import close_on_sigterm
from .manager import SessionManager
from .owner import SessionOwner
from .profile import SessionProfile
from .session import LentSession, SharedSession
from .shared import close_shared_session, get_shared_session, shared_manager

__all__ = [
    "ClosedSession",
    "LentSession",
    "OpenRequest",
    "SessionManager",
    "SessionOwner",
    "SessionProfile",
    "SharedConnector",
    "SharedSession",
    "application_sessions",
    "check_given",
    "close_on_sigterm",
    "close_shared_session",
    "get_shared_session",
    "shared_manager",
]
