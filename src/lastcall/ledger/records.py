"""What the ledger tells: plain frozen data, with every field explained beside it."""

from __future__ import annotations

from dataclasses import dataclass

from .evidence import Evidence, Grade, Kind

__all__ = [
    "Churn",
    "Distribution",
    "Evidence",
    "ExhaustedPool",
    "Frame",
    "Grade",
    "Kind",
    "Leak",
    "OpenResponse",
    "ProcessInfo",
    "SessionRecord",
    "Site",
]


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution that a line of code belongs to."""

    name: str
    """As its metadata spells it; the top-level module's name where there is no metadata."""
    version: str | None
    """Its version; None if it has no metadata."""

    def __str__(self) -> str:
        """Return "name version"."""
        return f"{self.name} {self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True)
class Frame:
    """One function on the way to a line."""

    file: str
    """As one would type it from the working directory; below site-packages for a dependency."""
    line: int
    """Counted from 1; 0 if unknown."""
    function: str
    """Qualified name, such as `Client.fetch` or `outer.inner`; `<module>` at module level."""
    distribution: Distribution | None = None
    """What was installed it came with; None for the reader's own code and the standard library."""
    source: str = ""
    """The line, stripped, with secrets masked; empty if its source cannot be read."""

    def __str__(self) -> str:
        """Return "file:line"."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Site:
    """The one line that opened something."""

    file: str
    """As one would type it from the working directory; below site-packages for a dependency."""
    line: int
    """Counted from 1; 0 if unknown."""
    function: str
    """Qualified name of the function the line is in; `<module>` at module level."""
    source: str
    """The line, stripped, with secrets masked; empty if its source cannot be read."""

    def __str__(self) -> str:
        """Return "file:line"."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One session that is open now."""

    kind: Kind
    """"session", or "connector" for one that was opened without a session."""
    site: Site
    """The line that opened it."""
    stack: tuple[Frame, ...]
    """From *site*, the innermost, outwards; frames of asyncio, aiohttp and lastcall are cut."""
    fingerprint: str
    """The name of the place, as in `Leak.fingerprint`."""
    opened_at: float
    """Wall clock, seconds since the epoch."""
    age_s: float
    """Seconds (monotonic) since it was opened."""
    task: str | None
    """Name of the task that opened it; None outside a task."""
    thread: str
    """Name of the thread that opened it."""
    loop: str
    """Class of its event loop, and whether it is open, running or closed."""
    label: str | None
    """The text of the innermost `label()` round its opening, if any."""
    owns_connector: bool
    """False if it was opened with `connector_owner=False`: it leaks nothing when forgotten."""
    hosts: tuple[str, ...]
    """Hosts it contacted, with a port that is not the scheme's own; sorted, at most eight."""
    requests: int
    """Requests that asked it for a connection; redirects and retries count."""
    connections: int
    """Connections it opened."""
    peak: int
    """Most connections that were in use at once."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Sessions (or connectors) that one line opened and nobody closed."""

    fingerprint: str
    """Twelve hex digits from relative paths and function names; survives edits and machines."""
    count: int
    """How many, at least 1."""
    evidence: Evidence
    """Why they are called leaked; the same for all of them."""
    site: Site
    """The line that opened them."""
    stack: tuple[Frame, ...]
    """From *site*, the innermost, outwards; frames of asyncio, aiohttp and lastcall are cut."""
    first_opened_at: float
    """When the first of them was opened: wall clock, seconds since the epoch."""
    last_opened_at: float
    """When the last of them was opened: wall clock, seconds since the epoch."""
    oldest_age_s: float
    """Seconds (monotonic) from the first opening to this report."""
    tasks: tuple[str, ...] = ()
    """Names of the first tasks that opened them, in order; at most eight."""
    tasks_more: int = 0
    """How many sessions were opened by tasks not in *tasks*."""
    hosts: tuple[str, ...] = ()
    """Hosts they contacted, sorted; at most eight."""
    requests: int = 0
    """Requests they made, together."""
    connections: int = 0
    """Connections they opened, together."""
    labels: tuple[str, ...] = ()
    """Texts of `label()` round their opening, sorted; at most eight."""
    distribution: Distribution | None = None
    """The dependency *site* belongs to; None if it is the reader's own code."""
    own_site: Site | None = None
    """For a dependency: the reader's own innermost line on the stack, if there is one."""
    kind: Kind = "session"
    """What was left open."""
    scopes: tuple[str, ...] = ()
    """Tests and fixtures that opened them, in order, where they are known; at most eight."""
    scopes_more: int = 0
    """How many sessions were opened by tests and fixtures not in *scopes*."""
    known: int = 0
    """How many of *count* a baseline knows: these fail nothing."""

    @property
    def place(self) -> tuple[str, str, int]:
        """What makes a place one place: fingerprint, file and line."""
        return self.fingerprint, self.site.file, self.site.line

    def fails(self, level: Grade | str) -> bool:
        """Tell whether it is as sure as *level* ("proof", "scope", "suspicion"), and not all known."""
        grade = Grade.named(level) if isinstance(level, str) else level
        return self.count > self.known and self.evidence.grade >= grade


@dataclass(frozen=True, slots=True)
class Churn:
    """A line that opens and closes a session for about every request."""

    fingerprint: str
    """The name of the place, as in `Leak.fingerprint`."""
    site: Site
    """The line that opens them."""
    sessions: int
    """Sessions opened there and closed again."""
    requests: int
    """Requests they made, together."""
    connections: int
    """Connections they opened, together."""
    connect_s: float
    """Seconds their requests spent opening connections, together."""
    spared: int
    """Connections that one shared session would not have opened, at most."""
    spared_s: float
    """The part of *connect_s* that goes with *spared*."""
    distribution: Distribution | None = None
    """The dependency *site* belongs to; None if it is the reader's own code."""


@dataclass(frozen=True, slots=True)
class OpenResponse:
    """A line whose responses are not released: each holds a connection of its pool."""

    fingerprint: str
    """The name of the place, as in `Leak.fingerprint`."""
    site: Site
    """The line that made the requests."""
    count: int
    """Responses still open, requests still waiting for one included."""
    waiting: int
    """Those of *count* that have no response yet."""
    method: str
    """Of the oldest."""
    host: str
    """Of the oldest, with a port that is not the scheme's own."""
    path: str
    """Of the oldest, without query and fragment."""
    oldest_age_s: float
    """Seconds (monotonic) since the oldest request was made."""
    distribution: Distribution | None = None
    """The dependency *site* belongs to; None if it is the reader's own code."""


@dataclass(frozen=True, slots=True)
class ExhaustedPool:
    """A pool whose requests waited over a second for a free connection, or in vain."""

    site: Site | None
    """The line that opened the session; None if it was opened before the watch."""
    host: str
    """The host they wanted a connection to."""
    limit: int
    """Connections the pool may hold in all; 0 means no limit."""
    limit_per_host: int
    """Connections the pool may hold to one host; 0 means no limit."""
    waits: int
    """Requests that waited over a second, or in vain."""
    failed: int
    """Those of *waits* that were given up: by a timeout, a cancellation or a close."""
    longest_wait_s: float
    """Seconds the longest of them waited."""
    peak_waiting: int
    """Most requests that were waiting at once."""
    holders: tuple[tuple[Site, int], ...]
    """Who held it at the longest wait: (line, responses), most first; empty below level "responses"."""

    @property
    def limits(self) -> str:
        """The limits in force, in words."""
        both = f"at most {self.limit:,} connections" if self.limit else "no limit in all"
        return f"{both}, {self.limit_per_host:,} to one host" if self.limit_per_host else both


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One watched process."""

    pid: int
    """Its number."""
    parent: int
    """The number of its parent when it was first watched."""
    program: str
    """The script or module it runs, without arguments."""
    python: str
    """Version of Python."""
    aiohttp: str
    """Version of aiohttp."""
    started_at: float
    """When the watch began: wall clock, seconds since the epoch."""
    reported_at: float
    """When this was written down: wall clock, seconds since the epoch."""
    state: str
    """"running", "ended", or what else became of it, in a few words."""
    opened: int
    """Sessions it opened."""
    closed: int
    """Sessions it closed."""
    leaked: int
    """Sessions it leaked."""
