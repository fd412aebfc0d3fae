"""Which files are worth parsing: those whose bytes hold one of a few words."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from .ownership.analysis import Analysis
from .ownership.known import Known

__all__ = ["Needle", "contains", "first_needles", "learned_needles"]

Needle = tuple[bytes, ...]
"""Words that have to be in a file together."""

HIDING: tuple[Needle, ...] = (
    (b"aiohttp", b"ResourceWarning"),
    (b"aiohttp", b"Connector.__del__"),
    (b"aiohttp", b"ClientResponse.__del__"),
    (b"aiohttp", b"getLogger", b"CRITICAL"),
    (b"nclosed c", b"nclosed client session"),
    (b"nclosed c", b"nclosed connector"),
)

GENERIC = frozenset({"create_session", "create_client", "get_http_session", "ClientSession"})
"""Names that many projects have, so that their module has to be mentioned as well."""

CLOSING = (b".close()", b"async with session", b"async with async_", b"async with get_", b".detach()")


def first_needles(known: Known) -> tuple[Needle, ...]:
    """Return what a file has to hold to be read at all."""
    direct = tuple((word,) if word == b"ClientSession" else (word, b"import") for word in known.needles)
    borrowed = tuple((*_named(name), closing) for name in sorted(known.accessors) for closing in CLOSING)
    return (*direct, *HIDING, *borrowed)


def _named(full: str) -> tuple[bytes, bytes]:
    """Return the words that a use of a callable mentions: its module or package, and its name."""
    *modules, name = full.split(".")
    plain = [module for module in modules if module.islower()]
    module = plain[-1] if plain and len(plain[-1]) > len("client") else modules[0] if modules else name
    return module.encode(), name.encode()


def learned_needles(analysis: Analysis) -> tuple[Needle, ...]:
    """Return the words that other files need to hold to matter, now that some were read."""
    found: set[Needle] = set()
    program = analysis.program
    for ref in analysis.factories:
        func = program.func(ref)
        if func.cls >= 0 or func.parent != 0:
            continue
        found |= _qualified(func.name, program.files[ref[0]].module)
    for verdict in analysis.verdicts:
        for keep in verdict.reach.keeps:
            name = keep.node.partition("|")[2].removesuffix(".[]").removeprefix("0:")
            if verdict.draft is not None and name.isidentifier():
                found.add((f".{name}.close(".encode(),))
                found.add((f".{name}.aclose(".encode(),))
                owner = program.cls(keep.owner).name if keep.owner else "close"
                found.add((f".{name}".encode(), b"close(", owner.encode()))
    for ref in program.class_refs():
        if any(base in analysis.known.session_types for base in program.foreign_bases.get(ref, ())):
            found |= _qualified(program.cls(ref).name, program.files[ref[0]].module)
    return tuple(sorted(found))


def _qualified(name: str, module: str) -> set[Needle]:
    """Return a name together with the parts of its module that an import of it mentions."""
    if len(name) > len("get_session") and name not in GENERIC:
        return {(name.encode(),)}
    parts = module.split(".")
    return {(name.encode(), part.encode()) for part in {parts[0], parts[-1]}}


def contains(data: bytes, needles: Iterable[Needle]) -> bool:
    """Tell whether *data* holds all words of one of *needles*."""
    return any(
        first in data and any(all(word in data for word in rest) for rest in others)
        for first, others in _grouped(tuple(needles))
    )


@lru_cache(maxsize=64)
def _grouped(needles: tuple[Needle, ...]) -> tuple[tuple[bytes, tuple[Needle, ...]], ...]:
    """Return needles by their first word, which is then looked for once."""
    groups: dict[bytes, list[Needle]] = {}
    for needle in needles:
        groups.setdefault(needle[0], []).append(needle[1:])
    return tuple((first, tuple(rest)) for first, rest in groups.items())
