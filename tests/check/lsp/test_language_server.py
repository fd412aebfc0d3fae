"""`lastcall lsp`, with a client over its stdin and stdout."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

LIMIT = 30.0
"""Seconds any answer may take."""

LEAK = """\
import aiohttp


async def fetch(url):
    "😀é"; x = 1
    session = aiohttp.ClientSession()
    await session.get(url)
"""
CALLER = "from factory import make\n\n\nasync def use(url):\n    s = make()\n    await s.get(url)\n"
FACTORY = "import aiohttp\n\n\ndef make():\n    return aiohttp.ClientSession()\n"


@dataclass
class Editor:
    """A client, and what it was told."""

    root: Path
    client: LanguageClient
    told: asyncio.Queue[types.PublishDiagnosticsParams] = field(default_factory=asyncio.Queue)

    def uri(self, name: str) -> str:
        """Return the URI of a file of the project."""
        return (self.root / name).as_uri()

    def open(self, name: str, text: str) -> None:
        """Open a buffer."""
        item = types.TextDocumentItem(self.uri(name), types.LanguageKind.Python, 1, text)
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def change(self, name: str, text: str) -> None:
        """Replace all of a buffer."""
        which = types.VersionedTextDocumentIdentifier(uri=self.uri(name), version=2)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(which, [change]))

    async def diagnostics(self, name: str) -> list[types.Diagnostic]:
        """Return what is told of a file, the next time it is."""
        async with asyncio.timeout(LIMIT):
            while True:
                params = await self.told.get()
                if params.uri == self.uri(name):
                    return list(params.diagnostics)

    async def actions(self, name: str, diagnostic: types.Diagnostic) -> list[types.CodeAction]:
        """Return the quick fixes for a diagnostic."""
        params = types.CodeActionParams(
            types.TextDocumentIdentifier(self.uri(name)),
            diagnostic.range,
            types.CodeActionContext([diagnostic]),
        )
        async with asyncio.timeout(LIMIT):
            found = await self.client.text_document_code_action_async(params)
        return [one for one in found or () if isinstance(one, types.CodeAction)]


@asynccontextmanager
async def editor(root: Path) -> AsyncIterator[Editor]:
    """Start the server on a project, and stop it."""
    client = LanguageClient("test", "1")
    it = Editor(root, client)

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]
    def published(params: types.PublishDiagnosticsParams) -> None:
        it.told.put_nowait(params)

    async with asyncio.timeout(LIMIT):
        await client.start_io(sys.executable, "-m", "lastcall", "lsp")
        await client.initialize_async(
            types.InitializeParams(capabilities=types.ClientCapabilities(), root_uri=root.as_uri())
        )
        client.initialized(types.InitializedParams())
    try:
        yield it
    finally:
        async with asyncio.timeout(LIMIT):
            await client.shutdown_async(None)
            client.exit(None)
            await client.stop()  # type: ignore[no-untyped-call]


def applied(text: str, edits: list[types.TextEdit]) -> str:
    """Return a text after edits in order, as an editor applies them; its lines have ASCII alone there."""
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines) + 1)]
    for edit in sorted(
        edits, key=lambda one: (one.range.start.line, one.range.start.character), reverse=True
    ):
        first = starts[edit.range.start.line] + edit.range.start.character
        last = starts[edit.range.end.line] + edit.range.end.character
        text = text[:first] + edit.new_text + text[last:]
    return text


async def test_a_buffer_that_was_never_saved_is_checked_and_mended(tmp_path: Path) -> None:
    """Diagnostics come by themselves; the fix is offered; when it is done the diagnostic goes."""
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    async with editor(tmp_path) as it:
        it.open("a.py", LEAK)
        (one,) = await it.diagnostics("a.py")
        assert (one.code, one.source, one.severity) == ("LC001", "lastcall", types.DiagnosticSeverity.Error)
        assert (one.range.start.line, one.range.start.character) == (5, 14)
        fix, ignore = await it.actions("a.py", one)
        assert (fix.title, fix.is_preferred) == ("Open the session in `async with`", True)
        assert ignore.title == "Ignore LC001 here"
        assert fix.edit is not None
        assert fix.edit.changes is not None
        text = applied(LEAK, list(fix.edit.changes[it.uri("a.py")]))
        assert "    async with aiohttp.ClientSession() as session:\n        await session.get(url)\n" in text
        it.change("a.py", text)
        assert await it.diagnostics("a.py") == []
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == "x = 1\n"


async def test_columns_are_utf16_units(tmp_path: Path) -> None:
    """As the protocol has them: an emoji is two."""
    text = LEAK.replace("x = 1\n    session", "session")
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    async with editor(tmp_path) as it:
        (one,) = await it.diagnostics("a.py")
        assert text.split("\n")[4].index("aiohttp") == 20
        assert (one.range.start.line, one.range.start.character) == (4, 21)


async def test_the_whole_project_is_seen(tmp_path: Path) -> None:
    """A factory in one buffer, its caller in a file that is not open; related places have their file."""
    (tmp_path / "factory.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "use.py").write_text(CALLER, encoding="utf-8")
    async with editor(tmp_path) as it:
        it.open("factory.py", FACTORY)
        (one,) = await it.diagnostics("use.py")
        assert one.code == "LC001"
        assert one.related_information is not None
        assert [info.location.uri for info in one.related_information] == [it.uri("factory.py")]


async def test_a_wrong_setting_does_not_end_the_server(tmp_path: Path) -> None:
    """It says so, and goes on when that is mended."""
    (tmp_path / "pyproject.toml").write_text("[tool.lastcall.check]\nselects = []\n", encoding="utf-8")
    async with editor(tmp_path) as it:
        shown: asyncio.Queue[types.ShowMessageParams] = asyncio.Queue()

        @it.client.feature(types.WINDOW_SHOW_MESSAGE)  # type: ignore[untyped-decorator]
        def show(params: types.ShowMessageParams) -> None:
            shown.put_nowait(params)

        it.open("a.py", LEAK)
        async with asyncio.timeout(LIMIT):
            assert "Did you mean 'select'?" in (await shown.get()).message
        (tmp_path / "a.py").write_text(LEAK, encoding="utf-8")
        (tmp_path / "pyproject.toml").write_text("[tool.lastcall.check]\n", encoding="utf-8")
        it.change("a.py", LEAK)
        assert await it.diagnostics("a.py")
