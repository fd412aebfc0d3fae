"""`lastcall explain`: what a rule of `lastcall check` means, offline."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator

import click

from lastcall.check.rules import RULES, Rule, UnknownRuleError, find_rule

from ._terminal import ColorChoice, color_option, has_color, width_of, write_all

__all__ = ["command"]

FIXES = {
    "safe": "`lastcall check --fix` mends what it can be sure of.",
    "unsafe": "`lastcall check --fix --unsafe-fixes` mends it; read what it did.",
    "display": "A fix is shown, and left to you.",
    "none": "",
}


@click.command("explain", context_settings={"max_content_width": 88})
@color_option
@click.argument("rule", required=False)
def command(rule: str | None, color: ColorChoice) -> None:
    """
    Say what RULE means, why it matters, and how it is mended; without RULE, list them all.

    \b
    Examples:
      lastcall explain LC002
      lastcall explain session-never-closed
      lastcall explain
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)
    lines = _table() if rule is None else _page(_found(rule), width_of(sys.stdout))
    colored = has_color(sys.stdout, color)
    text = "".join(f"{_styled(line, style, colored=colored)}\n" for line, style in lines)
    write_all(sys.stdout, text)


def _found(name: str) -> Rule:
    try:
        return find_rule(name)
    except UnknownRuleError as error:
        raise click.UsageError(str(error)) from error


def _styled(line: str, style: str, *, colored: bool) -> str:
    return f"\x1b[{style}m{line}\x1b[0m" if colored and style and line else line


def _table() -> Iterator[tuple[str, str]]:
    longest = max(len(rule.name) for rule in RULES)
    for rule in RULES:
        yield f"{rule.code}  {rule.name:<{longest}}  {' '.join(rule.summary.split())}", ""


def _page(rule: Rule, width: int) -> Iterator[tuple[str, str]]:
    """Yield the lines of a rule's explanation, each with its style as ANSI numbers."""
    yield f"{rule.code} {rule.name}", "1"
    yield from _prose(rule.summary, width)
    yield from _section("Why it matters", _prose(rule.why, width))
    yield from _section("Wrong", _code(rule.wrong))
    yield from _section("Right", _code(rule.right))
    yield from _section("Exceptions", _prose(rule.exceptions, width))
    yield from _section("Configure", _prose(_configure(rule), width))
    yield from _section("Fix", _prose(FIXES[rule.fix], width))


def _section(title: str, lines: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    first = next(lines, None)
    if first is None:
        return
    yield "", ""
    yield title, "1"
    yield first
    yield from lines


def _prose(text: str, width: int) -> Iterator[tuple[str, str]]:
    for line in textwrap.wrap(" ".join(text.split()), max(width - 2, 40), break_on_hyphens=False):
        yield f"  {line}", ""


def _code(text: str) -> Iterator[tuple[str, str]]:
    for line in text.rstrip("\n").splitlines():
        yield f"      {line}" if line else "", "36"


def _configure(rule: Rule) -> str:
    tests = " Off in tests and examples (`tests` says which those are)." if not rule.in_tests else ""
    off = "" if rule.on else f' Off unless it is asked for: `select = ["{rule.code}"]`.'
    ours = (
        f"Severity: {rule.severity}; another is set with"
        f' `[tool.lastcall.check.severity] {rule.code} = "..."`.{tests}{off}'
        f" One place is ignored with `# lastcall: ignore[{rule.code}] -- reason`."
    )
    return f"{rule.configure} {ours}" if rule.configure else ours
