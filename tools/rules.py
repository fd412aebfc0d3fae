"""
Write docs/rules from the rules of `lastcall check`: a page for each, and an index.

A test makes the pages anew and compares. Run this after a change.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from lastcall.check.rules import RULES, Rule

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "rules"
NOTE = "This page is made from the rule itself, by `tools/rules.py`.\n"
MODULES = ("asyncio", "atexit", "multiprocessing", "warnings", "aiohttp", "lastcall")
NAMES = {
    "HomeAssistant": "from homeassistant.core import HomeAssistant",
    "async_get_clientsession": "from homeassistant.helpers.aiohttp_client import async_get_clientsession",
}
FIXES = {
    "safe": "`lastcall check --fix` mends what it can be sure of.",
    "unsafe": "`lastcall check --fix --unsafe-fixes` mends it; read what it did.",
    "display": "A fix is shown (`--output-format json` has its text), and left to you.",
    "none": "None: it takes a person.",
}


def pages() -> dict[str, str]:
    """Return the text of every page, by file name."""
    return {"index.md": index(), **{f"{rule.code}.md": page(rule) for rule in RULES}}


def index() -> str:
    """Return the table of all rules."""
    rows = "".join(f"{row(rule)}\n" for rule in RULES)
    head = (
        "# Rules of lastcall check\n\nWherever a code is taken, its name is too. How to use them is told in"
        " [How to find leaks in source](../howto/check.md).\n\n"
        "| code | name | severity | fix | found |\n| --- | --- | --- | --- | --- |\n"
    )
    return f"{head}{rows}\n{NOTE}"


def row(rule: Rule) -> str:
    """Return a rule's line of the table."""
    cells = (f"[{rule.code}]({rule.code}.md)", rule.name, rule.severity, rule.fix, flat(rule.summary))
    return f"| {' | '.join(cells)} |"


def page(rule: Rule) -> str:
    """Return a rule's page."""
    parts = [
        f"# {rule.code} {rule.name}",
        flat(rule.summary),
        f"Severity: {rule.severity}. Since {rule.since}.",
        "## Why it matters",
        rule.why.strip(),
        "## Wrong",
        fence(rule.code, "wrong", rule.wrong),
        "## Right",
        fence(rule.code, "right", rule.right),
    ]
    if rule.exceptions:
        parts += ["## Exceptions", rule.exceptions.strip()]
    parts += ["## Configure", configure(rule), "## Fix", FIXES[rule.fix], NOTE.strip()]
    return "\n\n".join(parts) + "\n"


def configure(rule: Rule) -> str:
    """Return how to change what a rule does."""
    off = [] if rule.on else ["It is off unless it is selected."]
    tests = [] if rule.in_tests else ["It is off in tests and examples, which the setting `tests` names."]
    settings = [rule.configure.strip()] if rule.configure else []
    severity = f'```toml\n[tool.lastcall.check]\nignore = ["{rule.code}"]            # nowhere\n'
    severity += f'severity = {{ {rule.code} = "info" }}  # or another severity\n```'
    place = f"One place: `# lastcall: ignore[{rule.code}] -- reason`, on the line or above it."
    return "\n\n".join([*settings, *off, *tests, severity, place])


def fence(code: str, form: str, text: str) -> str:
    """Return an example with the imports it needs, titled so that it is not run."""
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    bound = {line.removeprefix("import ") for line in text.splitlines() if line.startswith("import ")}
    imports = [f"import {name}" for name in MODULES if name in used - bound]
    imports += [line for name, line in NAMES.items() if name in used]
    gap = "\n\n\n" if text.startswith(("async def", "def", "class", "@")) else "\n\n"
    head = "\n".join(imports) + gap if imports else ""
    return f'```python title="{code}_{form}.py"\n{head}{text.strip()}\n```'


def flat(text: str) -> str:
    """Return prose in one line."""
    return " ".join(text.split())


def main() -> int:
    """Write the pages, and remove those of rules that are gone."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for path in FOLDER.glob("*.md"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print("wrote", len(made), "pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
