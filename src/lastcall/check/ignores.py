"""
What ignore comments do: findings they take away, and findings about them.

    session = make()  # lastcall: ignore[LC001] -- closed by the framework
    # lastcall: ignore[session-never-closed] -- the same, for the statement below
    # lastcall: ignore-file[LC050] -- for the whole file
    session = make()  # noqa: LC001
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from .comments import Ignore, Named, read_ignores
from .config import CheckConfig
from .finding import Finding, Fix, Related, Result, fingerprint
from .rules import BY_CODE, UnknownRuleError, find_rule, selected_codes
from .settled import Settled
from .text import Sources

__all__ = ["settle_ignores"]

UNUSED, UNKNOWN = "LC090", "LC091"


def settle_ignores(result: Result, config: CheckConfig, sources: Sources | None = None) -> Settled:
    """
    Return the findings of *result* that no comment ignores, and those about comments that ignore nothing.

    Args:
        result: As `run` returned it.

        config: The settings it was made with.

        sources: The text of the files; None to read it.
    """
    sources = sources or Sources()
    codes = selected_codes(config.select, config.ignore)
    comments = {path: read_ignores(sources.text(path)) for path in result.commented}
    kept: list[Finding] = []
    ignored: list[tuple[Finding, str]] = []
    for finding in result.findings:
        _sort(finding, comments, config, kept, ignored)
    for path, ignores in comments.items():
        for finding in _about(path, ignores, codes, config, sources):
            _sort(finding, comments, config, kept, ignored)
    return Settled(
        tuple(sorted(kept, key=lambda one: (one.path, one.line, one.column, one.rule))),
        tuple(ignored),
        any(ignore.is_noqa for ignores in comments.values() for ignore in ignores),
    )


def _sort(
    finding: Finding,
    comments: Mapping[str, list[Ignore]],
    config: CheckConfig,
    kept: list[Finding],
    ignored: list[tuple[Finding, str]],
) -> None:
    """Put a finding with those kept or those ignored, and note which comment was of use."""
    by = None
    for ignore in comments.get(finding.path, ()):
        for name in ignore.names:
            if name.code == finding.rule and ignore.covers(finding.line, finding.end_line):
                name.used = True
                by = ignore if by is None or not by.reason else by
    if by is None:
        kept.append(finding)
    elif config.require_reason and not by.reason:
        note = Related(
            finding.path,
            by.line,
            by.column,
            "not ignored: this gives no reason after `--`, which is required",
        )
        kept.append(replace(finding, related=(*finding.related, note)))
    else:
        ignored.append((finding, by.reason))


def _about(
    path: str, ignores: Iterable[Ignore], codes: frozenset[str], config: CheckConfig, sources: Sources
) -> Iterable[Finding]:
    severities = {find_rule(name).code: value for name, value in (config.severity or {}).items()}
    ordinals: dict[tuple[str, str], int] = {}
    for ignore in ignores:
        for rule, message, names in (*_unknown(ignore), *_unused(ignore, codes)):
            if rule not in codes:
                continue
            text = sources.line(path, ignore.line)
            ordinal = ordinals.setdefault((rule, text.strip()), 0)
            ordinals[rule, text.strip()] += 1
            column = names[0].column if names else ignore.column
            yield Finding(
                rule,
                BY_CODE[rule].name,
                severities.get(rule, BY_CODE[rule].severity),
                "high",
                path,
                ignore.line,
                column,
                ignore.line,
                column + len(names[0].text) if names else ignore.end,
                message,
                fingerprint=fingerprint(rule, path, "", text, ordinal),
                fix=Fix("safe", "Remove what ignores nothing", (ignore.without(names),)) if names else None,
            )


def _unknown(ignore: Ignore) -> Iterable[tuple[str, str, list[Named]]]:
    if not ignore.names:
        yield UNKNOWN, "This ignores nothing: name the rule, as in `# lastcall: ignore[LC001] -- reason`.", []
    for name in ignore.names:
        if not name.code:
            yield UNKNOWN, f"This ignores nothing: {_meant(name.text)}", [name]


def _meant(text: str) -> str:
    try:
        find_rule(text)
    except UnknownRuleError as error:
        words = str(error)
        return words if words.endswith((".", "?")) else f"{words}."
    return ""


def _unused(ignore: Ignore, codes: frozenset[str]) -> Iterable[tuple[str, str, list[Named]]]:
    names = [
        name
        for name in ignore.names
        if name.code in codes and not name.used and name.code not in {UNUSED, UNKNOWN}
    ]
    if names:
        what = " and ".join(f"`{name.text}`" for name in names)
        where = "in this file" if ignore.whole_file else "here"
        yield UNUSED, f"Nothing {where} is {what}: the comment would hide the next mistake.", names
