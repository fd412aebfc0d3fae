"""
A language server: findings as you type, and quick fixes. Needs the extra `lsp`.

It checks the whole project, open buffers in place of their files, a moment after each change.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from lastcall._version import __version__

from .config import CheckConfig, ConfigError
from .finding import Edit, Finding, Fix
from .fixes.mending import with_fixes
from .fixes.overlay import Overlay
from .ignores import settle_ignores
from .rules import UnknownRuleError
from .text import Sources

__all__ = ["make_server"]

QUIET_S = 0.3
"""Seconds without a change after which the project is checked."""

SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "info": types.DiagnosticSeverity.Information,
}


class _Project:
    """What the server knows: the open buffers, and the findings of the last check."""

    def __init__(self, server: LanguageServer) -> None:
        self.server = server
        self.open: dict[str, str] = {}
        """From path, as in `Finding.path`, to URI."""
        self.findings: dict[str, list[Finding]] = {}
        self.sources = Sources()
        self.published: set[str] = set()
        self._checking: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Check soon; what a check under way will find is out of date."""
        if self._checking is not None:
            self._checking.cancel()
        self._checking = asyncio.create_task(self._check_soon())

    async def _check_soon(self) -> None:
        await asyncio.sleep(QUIET_S)
        texts = self.texts()
        try:
            findings = await asyncio.to_thread(self._check, texts)
        except (ConfigError, UnknownRuleError) as error:
            message = types.ShowMessageParams(types.MessageType.Error, f"lastcall: {error}")
            self.server.window_show_message(message)
            return
        self.sources = Sources(texts)
        self.findings = {}
        for finding in findings:
            self.findings.setdefault(finding.path, []).append(finding)
        self.publish()

    def texts(self) -> dict[str, str]:
        """Return the text of every open buffer, by path."""
        documents = self.server.workspace
        return {path: documents.get_text_document(uri).source for path, uri in self.open.items()}

    def _check(self, texts: dict[str, str]) -> list[Finding]:
        config = CheckConfig.load(Path.cwd())
        settled = settle_ignores(self.overlay(config).check(texts), config, Sources(texts))
        return [one for one in settled.findings if one.confidence == "high" or config.confidence == "medium"]

    def overlay(self, config: CheckConfig) -> Overlay:
        """Return the project, to be checked with other texts."""
        return Overlay(["."], config, cache=Path(config.root or ".") / ".lastcall_cache")

    def publish(self) -> None:
        """Tell of every file with findings, and of those that have none any more."""
        for path in self.published | self.findings.keys():
            diagnostics = [self.diagnostic(one) for one in self.findings.get(path, ())]
            params = types.PublishDiagnosticsParams(uri=self.uri(path), diagnostics=diagnostics)
            self.server.text_document_publish_diagnostics(params)
        self.published = set(self.findings)

    def uri(self, path: str) -> str:
        """Return a path's URI: the editor's own, if the file is open."""
        return self.open.get(path) or Path(path).absolute().as_uri()

    def diagnostic(self, finding: Finding) -> types.Diagnostic:
        """Return a finding as editors take it."""
        place = self.range(finding.path, finding.line, finding.column, finding.end_line, finding.end_column)
        related = []
        for one in finding.related:
            where = self.range(one.path, one.line, one.column, one.line, one.column)
            location = types.Location(self.uri(one.path), where)
            related.append(types.DiagnosticRelatedInformation(location, one.message))
        return types.Diagnostic(
            range=place,
            message=finding.message,
            severity=SEVERITIES[finding.severity],
            code=finding.rule,
            source="lastcall",
            related_information=related,
            data=finding.fingerprint,
        )

    def range(self, path: str, line: int, column: int, end_line: int, end_column: int) -> types.Range:
        """Return a place in the protocol's terms: lines from 0, columns in UTF-16 units."""
        return types.Range(self._position(path, line, column), self._position(path, end_line, end_column))

    def _position(self, path: str, line: int, column: int) -> types.Position:
        before = self.sources.line(path, line)[: column - 1]
        return types.Position(line - 1, len(before.encode("utf-16-le", "surrogatepass")) // 2)

    async def actions(self, uri: str, wanted: types.Range) -> list[types.CodeAction]:
        """Return the quick fixes for a range of a file, each of them tried."""
        path = shown(uri)
        here = [one for one in self.findings.get(path, ()) if self._meets(one, wanted)]
        texts = self.texts()
        if not here or (path in texts and texts[path] != self.sources.text(path)):
            return []
        try:
            overlay = self.overlay(CheckConfig.load(Path.cwd()))
        except ConfigError:
            return []
        tried = await asyncio.to_thread(with_fixes, here, overlay, self.sources, texts)
        return [action for one in tried for action in self._actions(one)]

    def _meets(self, finding: Finding, wanted: types.Range) -> bool:
        return finding.line - 1 <= wanted.end.line and wanted.start.line <= finding.end_line - 1

    def _actions(self, finding: Finding) -> Iterator[types.CodeAction]:
        if finding.fix is not None and finding.fix.applicability != "display":
            is_safe = finding.fix.applicability == "safe"
            title = finding.fix.message if is_safe else f"{finding.fix.message} (read what it does)"
            yield self._action(finding, finding.fix, title, is_preferred=is_safe)
        if finding.rule not in {"LC090", "LC091"}:
            text = f"  # lastcall: ignore[{finding.rule}]"
            column = len(self.sources.line(finding.path, finding.end_line)) + 1
            edit = Edit(finding.end_line, column, finding.end_line, column, text)
            yield self._action(
                finding, Fix("safe", "", (edit,)), f"Ignore {finding.rule} here", is_preferred=False
            )

    def _action(self, finding: Finding, fix: Fix, title: str, *, is_preferred: bool) -> types.CodeAction:
        edits = [
            types.TextEdit(
                self.range(finding.path, edit.line, edit.column, edit.end_line, edit.end_column), edit.text
            )
            for edit in fix.edits
        ]
        return types.CodeAction(
            title=title,
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[self.diagnostic(finding)],
            is_preferred=is_preferred,
            edit=types.WorkspaceEdit(changes={self.uri(finding.path): edits}),
        )


def shown(uri: str) -> str:
    """Return a URI's path as findings have it: relative to the directory of the project, if it lies below."""
    path = os.path.realpath(to_fs_path(uri) or "")
    below = os.path.realpath(".").rstrip(os.sep) + os.sep
    return path.removeprefix(below).replace(os.sep, "/")


def make_server() -> LanguageServer:
    """Return a server that is not started yet; `start_io()` serves one editor on stdin and stdout."""
    server = LanguageServer("lastcall", __version__)
    project = _Project(server)

    @server.feature(types.INITIALIZED)
    def initialized(_: types.InitializedParams) -> None:
        root = server.workspace.root_path
        if root:
            with contextlib.suppress(OSError):
                os.chdir(root)
        project.changed()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: types.DidOpenTextDocumentParams) -> None:
        project.open[shown(params.text_document.uri)] = params.text_document.uri
        project.changed()

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        project.open.pop(shown(params.text_document.uri), None)
        project.changed()

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def edited(_: types.DidChangeTextDocumentParams) -> None:
        project.changed()

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(_: types.DidSaveTextDocumentParams) -> None:
        project.changed()

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def moved(_: types.DidChangeWatchedFilesParams) -> None:
        project.changed()

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix]),
    )
    async def asked(params: types.CodeActionParams) -> list[types.CodeAction]:
        return await project.actions(params.text_document.uri, params.range)

    return server
