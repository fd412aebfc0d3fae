"""Which files are worth parsing: those whose bytes hold one of a few words."""

from __future__ import annotations

from collections.abc import Iterable

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
    names = sorted({name.rpartition(".")[2].encode() for name in known.accessors})
    borrowed = tuple((name, closing) for name in names if len(name) > len(b"get") for closing in CLOSING)
    return (*direct, *HIDING, *borrowed)


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
    absent: set[bytes] = set()
    for needle in needles:
        # A word that several needles begin with is looked for once.
        if needle[0] in absent:
            continue
        if needle[0] not in data:
            absent.add(needle[0])
        elif all(word in data for word in needle[1:]):
            return True
    return False
