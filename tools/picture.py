"""
Draw the report pictured in the README: run a leaking program under `lastcall run`, export it as SVG.

The picture is a real report: the program below is run, against a server on the loopback, and what
lastcall printed is drawn as it is.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from lastcall.testing import LoopbackServer

TARGET = Path(__file__).resolve().parent.parent / "docs" / "report.svg"
COLUMNS = 82
PROGRAM = """\
import asyncio
import os

import aiohttp


class Chat:
    def __init__(self):
        self.http = aiohttp.ClientSession()

    async def ask(self, number):
        async with self.http.get(os.environ["API"], params={"item": number}) as response:
            return await response.json()


async def main():
    await asyncio.gather(*(Chat().ask(number) for number in range(500)))


asyncio.run(main())
"""


def main() -> int:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder, LoopbackServer() as server:
        (Path(folder) / "chat.py").write_text(PROGRAM, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "lastcall", "run", "--color", "always", "chat.py"],
            cwd=folder,
            env={**os.environ, "API": str(server.url), "COLUMNS": str(COLUMNS)},
            capture_output=True,
            text=True,
            check=True,
        )
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.assemble(("$ ", "bold green"), ("lastcall run chat.py", "bold")))
    console.print(Text.from_ansi(done.stderr.rstrip()))
    svg = console.export_svg(title="lastcall", unique_id="lastcall")
    # The web fonts that rich names would be fetched from the network by whoever looks.
    TARGET.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")
    print(f"wrote {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
