"""
The command line. One module a command, imported when it is called; nothing else in lastcall prints.

Exit codes, for every command:

    0     nothing to complain of
    1     `check`: findings; else the system refused something, such as a temporary directory
    2     wrong use, said in one sentence
    126   `run`: the command cannot be executed
    127   `run`: the command was not found
    130   stopped by Ctrl-C before there was anything to run

`run` otherwise ends as the program did; its help says more.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import NoReturn

import click

from lastcall._version import __version__

from ._terminal import complain

__all__ = ["main"]

COMMANDS = {
    "run": "Run a program and name every line that leaks a session.",
    "check": "Find the sessions nobody closes in source, before it runs.",
    "explain": "Say what a rule of check means, and how it is mended.",
    "lsp": "Serve an editor with what check finds.",
    "github": "Receive GitHub's webhooks and lose none.",
    "llm": "Send a file of requests to a model server; each answered exactly once.",
}
"""From each command's name, which is also its module's, to the line that `lastcall --help` shows."""


class _LazyGroup(click.Group):
    """A group that imports a command's module when the command is called, not to list it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="lastcall", message="%(prog)s %(version)s")
def lastcall() -> None:
    """
    Every aiohttp session shared, owned and closed; when one is not, the line that leaked it.

    \b
    Examples:
      lastcall run app.py
      lastcall run -m uvicorn app:app
      lastcall check src
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)


def main() -> NoReturn:
    """
    Run the command that `sys.argv` names, and end the process with its exit code.

    Raises:
        SystemExit: Always, unless the program that was run died by a signal: then so does this process.
    """
    try:
        code = lastcall.main(prog_name="lastcall", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()  # on stderr: nothing was asked for, so there is no data to give
        sys.exit(error.exit_code)
    except click.ClickException as error:
        complain(error.format_message())
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # The reader of `lastcall --help | head` has gone: what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
