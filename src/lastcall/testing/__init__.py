"""Real servers on the loopback, for our tests and for yours: they count, and they fail as told."""

from .loopback import AppFactory, LoopbackServer
from .records import ConnectionEnd, ConnectionRecord, RequestRecord
from .routes import built_in_app

__all__ = [
    "AppFactory",
    "ConnectionEnd",
    "ConnectionRecord",
    "LoopbackServer",
    "RequestRecord",
    "built_in_app",
]
