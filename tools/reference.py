"""
Write docs/reference/cli.md from the commands' own help, so that the two cannot drift apart.

A test regenerates the text and compares. Run this after changing a command's help.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lastcall.cli import main as group

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"
WIDTH = 100
HEAD = """\
# Command line

Data goes to stdout, everything else to stderr. This page is made from the commands' own help by `tools/reference.py`.
"""


def reference() -> str:
    """Return the page: the help of the group, then of each command, in order of name."""
    context = click.Context(group, info_name="lastcall", terminal_width=WIDTH, max_content_width=WIDTH)
    parts = [HEAD, section("lastcall", group, context)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            inner = click.Context(
                command, info_name=name, parent=context, terminal_width=WIDTH, max_content_width=WIDTH
            )
            parts.append(section(f"lastcall {name}", command, inner))
    return "\n".join(parts)


def section(title: str, command: click.Command, context: click.Context) -> str:
    """Return one command's heading and help."""
    help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## `{title}`\n\n```text\n{help_text}\n```\n"


def main() -> int:
    """Write the page."""
    TARGET.write_text(reference(), encoding="utf-8")
    print(f"wrote {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
