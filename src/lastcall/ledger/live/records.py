"""What is open at this moment, by the line that opened it: plain frozen data, as JSON, and added up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lastcall.ledger.records import Distribution, Kind, Site
from lastcall.ledger.report.forms import read_record, write_record

__all__ = [
    "HOSTS_KEPT",
    "NAMES_KEPT",
    "HostState",
    "OpenSite",
    "busiest",
    "in_order",
    "merge_sites",
    "read_site",
]

HOSTS_KEPT = 16
"""How many hosts of one line are written as JSON."""
NAMES_KEPT = 8
"""How many names of tasks and labels are listed for one line."""


@dataclass(frozen=True, slots=True)
class HostState:
    """The connections of one line's pools to one host."""

    host: str
    """Its name or address, without a port."""
    port: int
    """Its port, the scheme's own included."""
    in_use: int
    """Connections that a request holds."""
    idle: int
    """Connections that wait in a pool."""
    waiting: int
    """Requests that wait for a free connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSite:
    """The sessions that one line opened and that are open now, and the pools beneath them."""

    fingerprint: str
    """The name of the place, as in `Leak.fingerprint`."""
    site: Site
    """The line that opened them."""
    kind: Kind
    """"session", or "connector" for those that were opened without one."""
    profile: str | None
    """For sessions of a `SessionManager` the name of their profile; None for all others."""
    count: int
    """How many, at least 1."""
    closing: int
    """Those of *count* that refuse new requests, because their manager is closing them."""
    oldest_age_s: float
    """Seconds (monotonic) since the oldest was opened."""
    tasks: tuple[str, ...]
    """Names of tasks that opened them; at most eight."""
    labels: tuple[str, ...]
    """Texts of `label()` round their opening, sorted; at most eight."""
    requests: int
    """Requests that asked them for a connection."""
    connections: int
    """Connections they opened."""
    limit: int | None
    """Connections one pool may hold in all; 0 means no limit, None that none of them was used yet."""
    limit_per_host: int | None
    """Connections one pool may hold to one host; 0 and None as for *limit*."""
    in_use: int
    """Connections that a request holds or is opening."""
    idle: int
    """Connections that wait in the pools."""
    waiting: int
    """Requests that wait for a free connection."""
    hosts: int
    """To how many hosts there are connections, or requests that wait for one."""
    by_host: tuple[HostState, ...]
    """The same by host; connections that are still being opened belong to none. As JSON at most sixteen."""
    distribution: Distribution | None
    """The dependency *site* belongs to; None if it is the reader's own code."""

    def to_json(self) -> dict[str, Any]:
        """Return it as the report's schema describes it."""
        return write_record(dataclasses.replace(self, by_host=self.by_host[:HOSTS_KEPT]))


def read_site(document: Mapping[str, Any]) -> OpenSite:
    """Return what `OpenSite.to_json` wrote."""
    site = read_record(OpenSite, document)
    return dataclasses.replace(site, by_host=tuple(HostState(**host) for host in document["by_host"]))


def in_order(sites: Iterable[OpenSite]) -> tuple[OpenSite, ...]:
    """Sort: those that make requests wait come first, then the busiest, then the most numerous."""
    return tuple(sorted(sites, key=lambda site: (-site.waiting, -site.in_use, -site.count, str(site.site))))


def merge_sites(sites: Iterable[OpenSite]) -> tuple[OpenSite, ...]:
    """Make one of each line, as of the processes of one program."""
    merged: dict[object, OpenSite] = {}
    for site in sites:
        key = site.fingerprint, site.site.file, site.site.line, site.kind, site.profile
        merged[key] = _add(merged[key], site) if key in merged else site
    return in_order(merged.values())


def _add(one: OpenSite, other: OpenSite) -> OpenSite:
    by_host = _add_hosts(one.by_host + other.by_host)
    summed = ("count", "closing", "requests", "connections", "in_use", "idle", "waiting")
    changes: dict[str, Any] = {name: getattr(one, name) + getattr(other, name) for name in summed}
    return dataclasses.replace(
        one,
        **changes,
        oldest_age_s=max(one.oldest_age_s, other.oldest_age_s),
        tasks=tuple(dict.fromkeys(one.tasks + other.tasks))[:NAMES_KEPT],
        labels=tuple(sorted({*one.labels, *other.labels}))[:NAMES_KEPT],
        limit=other.limit if one.limit is None else one.limit,
        limit_per_host=other.limit_per_host if one.limit_per_host is None else one.limit_per_host,
        hosts=max(one.hosts, other.hosts, len(by_host)),
        by_host=by_host,
    )


def _add_hosts(states: Iterable[HostState]) -> tuple[HostState, ...]:
    merged: dict[tuple[str, int], HostState] = {}
    for state in states:
        key = state.host, state.port
        if (before := merged.get(key)) is not None:
            state = HostState(  # noqa: PLW2901
                *key,
                before.in_use + state.in_use,
                before.idle + state.idle,
                before.waiting + state.waiting,
            )
        merged[key] = state
    return busiest(merged.values())


def busiest(states: Iterable[HostState]) -> tuple[HostState, ...]:
    """Sort: those that requests wait for come first, then the busiest."""
    return tuple(sorted(states, key=lambda one: (-one.waiting, -one.in_use, -one.idle, one.host, one.port)))
