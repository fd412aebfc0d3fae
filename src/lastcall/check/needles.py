"""Which files are worth parsing: those whose bytes hold one of a few words."""

from __future__ import annotations

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
    (b"aiohttp", b"nclosed connector"),
    (b"nclosed client session",),
)
"""The first word of a needle is looked for once for all that begin with it: the fewer of them, the faster."""

DEEP = 3
"""Parts of a module's name from which its top package says little: everything in the project mentions it."""

CLOSING = (b".close()", b"async with session", b"async with async_", b"async with get_", b".detach()")


def first_needles(known: Known) -> tuple[Needle, ...]:
    """Return what a file has to hold to be read at all."""
    direct = [_gated(name, known) for name in sorted(known.session_types | known.factories)]
    borrowed = [(*_gated(name, known), closing) for name in sorted(known.accessors) for closing in CLOSING]
    return tuple(dict.fromkeys((*direct, *HIDING, *borrowed)))


def _gated(full: str, known: Known) -> Needle:
    """Return the words that a use of a name mentions: its package, its module and itself."""
    *modules, name = full.split(".")
    # A project's own names may be imported relatively, without a word of the package.
    if name == "ClientSession" or not modules or full in known.others:
        return (name.encode(),)
    package = "aiohttp" if any("aiohttp" in module for module in modules) else modules[0]
    plain = [module for module in modules if module.islower() and len(module) > len("client")]
    words = dict.fromkeys([package, plain[-1] if plain else package, name])
    return tuple(word.encode() for word in words)


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
    """Return a name together with what an import of it mentions: its module, the package, or the same one."""
    parts = module.split(".")
    beside = {part.encode() for part in (parts[0], *parts[-2:])} - {name.encode()}
    if len(parts) > DEEP:
        beside.discard(parts[0].encode())
    return {(name.encode(), word) for word in (*beside, b"from . import")}


def contains(data: bytes, needles: tuple[Needle, ...]) -> bool:
    """Tell whether *data* holds all words of one of *needles*."""
    firsts, groups = _grouped(needles)
    # Most files hold none of the first words, and are done with here.
    if not any(map(data.__contains__, firsts)):
        return False
    return any(
        first in data and any(all(map(data.__contains__, rest)) for rest in others)
        for first, others in groups
    )


@lru_cache(maxsize=64)
def _grouped(
    needles: tuple[Needle, ...],
) -> tuple[tuple[bytes, ...], tuple[tuple[bytes, tuple[Needle, ...]], ...]]:
    """Return the first words of needles, and with each what else has to be there."""
    groups: dict[bytes, list[Needle]] = {}
    for needle in needles:
        groups.setdefault(needle[0], []).append(needle[1:])
    return tuple(groups), tuple((first, tuple(rest)) for first, rest in groups.items())
