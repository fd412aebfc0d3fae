"""`lastcall lsp`: findings and quick fixes in an editor."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("lsp", context_settings={"max_content_width": 88})
def command() -> None:
    """
    Serve an editor on stdin and stdout, in the Language Server Protocol.

    It tells what `lastcall check` would, while you type, and offers its fixes. The editor starts it, in
    the project's directory; the settings are those of `check`. Needs: pip install 'lastcall[lsp]'

    \b
    Examples:
      lastcall lsp
    """  # noqa: D301 (click's mark for a paragraph that keeps its lines)
    try:
        from lastcall.check.lsp import make_server  # noqa: PLC0415 (the extra is imported when it is needed)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in {"pygls", "lsprotocol", "cattrs"}:
            raise
        raise click.ClickException("this command needs: pip install 'lastcall[lsp]'") from None
    make_server().start_io()
