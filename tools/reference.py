"""
Write the pages of docs/reference from what they describe, so that the two cannot drift apart.

`cli.md` is made from the commands' own help, `report.md` and `batch-report.md` from the JSON schemas in the
package, `api.md` from the docstrings of the public names. A test makes them anew and compares. Run this
after a change.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import click

import lastcall
import lastcall.llm
from lastcall.cli import lastcall as group
from lastcall.ledger import schema
from lastcall.llm.report import schema as batch_schema

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
WIDTH = 100
CLI_HEAD = """\
# Command line

Data goes to stdout, everything else to stderr. This page is made from the commands' own help, by
`tools/reference.py`.
"""


def cli_page() -> str:
    """Return the page: the help of the group, then of each command, in the order in which it lists them."""
    return "\n".join([CLI_HEAD, *sections("lastcall", group, None)])


def sections(title: str, command: click.Command, parent: click.Context | None) -> Iterator[str]:
    """Yield the section of a command, and of a group those of its commands after it."""
    here = context(command, title.rpartition(" ")[2], parent)
    yield section(title, here)
    if isinstance(command, click.Group):
        for name in command.list_commands(here):
            below = command.get_command(here, name)
            assert below is not None
            yield from sections(f"{title} {name}", below, here)


def context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    """Return the context in which a command writes its help as on a terminal of `WIDTH` columns."""
    return click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        help_option_names=["-h", "--help"],
    )


def section(title: str, context: click.Context) -> str:
    """Return one command's heading and help."""
    help_text = "\n".join(line.rstrip() for line in context.get_help().splitlines())
    return f"## `{title}`\n\n```text\n{help_text}\n```\n"


REPORT_HEAD = """\
# The report as JSON

`lastcall run --report json:PATH` and `lastcall.report().to_json()` write this. Within a version keys may be
added, none goes or changes. The JSON schema is in the package: `lastcall.ledger.schema()`. This page is made
from it.
"""


BATCH_REPORT_HEAD = """\
# The report of a batch as JSON

`lastcall llm batch --report json:PATH` and `lastcall.llm.report.as_json` write this. Within a version keys
may be added, none goes or changes. The JSON schema is in the package: `lastcall.llm.report.schema()`. This
page is made from it.
"""


def report_page() -> str:
    """Return the page of what `lastcall run` reports."""
    return schema_page(REPORT_HEAD, schema())


def batch_report_page() -> str:
    """Return the page of what `lastcall llm batch` reports."""
    return schema_page(BATCH_REPORT_HEAD, batch_schema())


def schema_page(head: str, root: dict[str, Any]) -> str:
    """Return a page: one table for the report, one for each part it is made of."""
    parts = [head, table("report", root, root)]
    parts += [table(name, part, root) for name, part in root["$defs"].items() if part.get("properties")]
    return "\n".join(parts)


def table(name: str, part: dict[str, Any], root: dict[str, Any]) -> str:
    """Return the keys of one object, one a row."""
    lines = [f"## {name}", "", *([part["description"], ""] if "description" in part else [])]
    lines += ["| key | value | meaning |", "| --- | --- | --- |"]
    required = set(part.get("required", ()))
    for key, value in part["properties"].items():
        optional = "" if key in required else " (optional)"
        lines.append(f"| `{key}`{optional} | {kind(value)} | {meaning(value, root)} |")
    return "\n".join([*lines, ""])


def kind(value: dict[str, Any]) -> str:
    """Return what a value may be, in a word or two."""
    match value:
        case {"$ref": str(reference)}:
            return reference.rpartition("/")[2]
        case {"enum": items}:
            return ", ".join(f"`{item}`" for item in items)
        case {"anyOf": items}:
            return " or ".join(kind(item) for item in items)
        case {"type": "array", "items": items}:
            return f"list of {kind(items)}"
        case {"properties": items}:
            return "object of " + ", ".join(f"`{key}`" for key in items)
    return f"`{value['const']}`" if "const" in value else str(value["type"])


def meaning(value: dict[str, Any], root: dict[str, Any]) -> str:
    """Return a value's own description, or that of the definition it refers to."""
    if "description" in value or "$ref" not in value:
        return str(value.get("description", ""))
    definition = root["$defs"][value["$ref"].rpartition("/")[2]]
    return str(definition.get("description", ""))


API_HEAD = """\
# Public names

What `import lastcall` offers, in order of name. This page is made from the docstrings.
"""


LLM_HEAD = """\
# Public names of lastcall.llm

What `import lastcall.llm` offers, in order of name; how to use it is told in
[Ask a language model](../howto/llm.md). This page is made from the docstrings.
"""


def api_page() -> str:
    """Return the page of what `lastcall` itself offers."""
    return names_page(API_HEAD, lastcall)


def llm_page() -> str:
    """Return the page of what `lastcall.llm` offers."""
    return names_page(LLM_HEAD, lastcall.llm)


def names_page(head: str, package: ModuleType) -> str:
    """Return a page of public names, each with signature and docstring, classes with their own methods."""
    parts = [head]
    for name in package.__all__:
        value = getattr(package, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            parts.append(entry(f"{package.__name__}.{name}", value, "##"))
            parts += [entry(f"{name}.{key}", member, "###") for key, member in own_members(value)]
    return "\n".join(parts)


def own_members(value: object) -> list[tuple[str, Any]]:
    """Return the public methods that a class of lastcall defines itself, and how it is called, in order."""
    if not inspect.isclass(value):
        return []
    return [
        (name, member.__func__ if isinstance(member, classmethod) else member)
        for name, member in vars(value).items()
        if (not name.startswith("_") or name == "__call__")
        and (inspect.isfunction(member) or isinstance(member, classmethod))
        and inspect.getdoc(member)
    ]


def entry(title: str, value: Any, level: str) -> str:
    """Return one name with its signature and docstring, as text."""
    # An enum's own constructor says nothing to its users, and differs between Pythons.
    plain = inspect.isclass(value) and issubclass(value, Enum | Exception)
    signature = "" if plain else str(inspect.signature(value))
    documentation = inspect.getdoc(value) or ""
    return f"{level} `{title}`\n\n```text\n{title.rpartition('.')[2]}{signature}\n\n{documentation}\n```\n"


PAGES = {
    "cli.md": cli_page,
    "report.md": report_page,
    "batch-report.md": batch_report_page,
    "api.md": api_page,
    "llm.md": llm_page,
}


def main() -> int:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    print("wrote", *PAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
