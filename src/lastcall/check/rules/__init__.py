"""The rules of the checker: what `lastcall explain`, the pages in docs and the tables are made from."""

from __future__ import annotations

from collections.abc import Iterable

from . import closing, hiding, opening
from .rule import Fixability, Rule

__all__ = ["BY_CODE", "RULES", "Fixability", "Rule", "UnknownRuleError", "find_rule", "selected_codes"]

RULES: tuple[Rule, ...] = (*closing.RULES, *opening.RULES, *hiding.RULES)
"""Every rule, in the order of codes."""

BY_CODE = {rule.code: rule for rule in RULES}
"""From code to rule."""

_BY_NAME = {rule.name: rule for rule in RULES}


class UnknownRuleError(LookupError):
    """A rule was asked for that does not exist; the message says which one was probably meant."""


def find_rule(name: str) -> Rule:
    """
    Return the rule whose code or readable name is *name*, in any case.

    Raises:
        UnknownRuleError: If there is none.
    """
    rule = BY_CODE.get(name.upper()) or _BY_NAME.get(name.lower())
    if rule is None:
        import difflib  # noqa: PLC0415 (only mistakes need it)

        near = difflib.get_close_matches(name.lower(), [*map(str.lower, BY_CODE), *_BY_NAME], n=1, cutoff=0.5)
        meant = f" Did you mean {near[0].upper() if near[0].startswith('lc') else near[0]!r}?" if near else ""
        raise UnknownRuleError(f"no rule {name!r}.{meant}")
    return rule


def selected_codes(select: Iterable[str] = (), ignore: Iterable[str] = ()) -> frozenset[str]:
    """
    Return the codes that apply.

    Args:
        select: Codes, names, beginnings of codes, or "ALL". Empty: the rules that are on by default.

        ignore: The same; wins.

    Raises:
        UnknownRuleError: If one of them matches no rule.
    """
    chosen = list(select)
    codes = _expand(chosen) if chosen else {rule.code for rule in RULES if rule.on}
    return frozenset(codes - _expand(ignore))


def _expand(names: Iterable[str]) -> set[str]:
    codes: set[str] = set()
    for name in names:
        matching = {
            code for code in BY_CODE if name.upper().startswith("LC") and code.startswith(name.upper())
        }
        if name.upper() == "ALL":
            matching = set(BY_CODE)
        codes |= matching or {find_rule(name).code}
    return codes
