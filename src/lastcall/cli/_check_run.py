"""What `lastcall check` does: one check, told in the form that was asked for."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lastcall.check import CheckConfig, ConfigError, Finding, Result, UnknownRuleError, run, selected_codes
from lastcall.check.finding import Confidence
from lastcall.check.output import Form, Report, Suppressed, render
from lastcall.check.output.words import count, printable
from lastcall.check.settled import Settled
from lastcall.check.text import Sources, decoded, encoded

from ._terminal import ColorChoice, has_color, width_of, write_all

if TYPE_CHECKING:
    from lastcall.check.fixes.mending import Mended
    from lastcall.check.fixes.overlay import Overlay

    from ._check_baseline import KnownFindings, Settlement

__all__ = ["Check", "Settings", "read_config"]


SHOWING = {"full", "concise"}
"""Forms that say whether there is a fix."""

CARRYING = {"json", "json-lines", "sarif", "rdjson"}
"""Forms that carry the fix itself, which therefore is tried first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the options of `check` say."""

    paths: tuple[str, ...]
    config: CheckConfig
    cache: Path | None
    form: Form
    output_file: Path | None
    statistics: bool
    exit_zero: bool
    quiet: bool
    color: ColorChoice
    known: KnownFindings | None
    fix: bool
    unsafe_fixes: bool
    diff: bool


def read_config(
    paths: tuple[str, ...], select: tuple[str, ...], ignore: tuple[str, ...], confidence: Confidence | None
) -> CheckConfig:
    """
    Return the settings of the project that the first of *paths* lies in, as the options change them.

    Raises:
        click.UsageError: If they cannot be used.
    """
    start = Path(paths[0] if paths else ".").absolute()
    try:
        config = CheckConfig.load(start if start.is_dir() else start.parent)
    except (ConfigError, OSError) as error:
        raise click.UsageError(str(error)) from error
    chosen, dropped = _split(select), _split(ignore)
    if chosen:
        config = config.replace(select=chosen, ignore=())
    if confidence is not None:
        config = config.replace(confidence=confidence)
    return config.replace(ignore=(*config.ignore, *dropped))


def _split(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for value in values for name in value.replace(",", " ").split())


class Check:
    """A project, checked as often as it is asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.notes: list[str] = []
        """What is said on stderr after the findings."""
        self.fails = False
        """Whether the check fails for another reason than its findings."""

    def once(self) -> int:
        """Check, tell, and return the exit code."""
        settings = self.settings
        self.notes, self.fails = [], False
        if settings.diff:
            return self._show_fixes()
        if settings.fix:
            self._fix()
        report = self._report(self._result())
        for problem in report.problems:
            write_all(sys.stderr, f"lastcall: warning: {printable(str(problem))}\n")
        self._write(statistics(report) if settings.statistics else self._rendered(report))
        if not settings.quiet:
            self.notes.append(summary(report))
        # The excerpts of the full form are told apart by blank lines, the summary from the last of them.
        gap = "\n" if self.notes and report.findings and settings.form == "full" else ""
        write_all(sys.stderr, gap + "".join(f"lastcall: {note}\n" for note in self.notes))
        if nothing_was_read(report):
            return 2
        return 1 if (report.findings or self.fails) and not settings.exit_zero else 0

    def _result(self) -> Result:
        try:
            return run(self.settings.paths, self.settings.config, cache=self.settings.cache)
        except (ConfigError, UnknownRuleError) as error:
            raise click.UsageError(str(error)) from error

    def _report(self, result: Result) -> Report:
        sources = Sources()
        settled = self._settled(result, sources)
        told = tuple(one for one in settled.findings if self._is_told(one))
        suppressed = [Suppressed(one, "comment", why) for one, why in settled.ignored if self._is_told(one)]
        if settled.uses_noqa and not self.settings.quiet:
            from ._check_hints import ruff_hints  # noqa: PLC0415

            self.notes += [f"hint: {hint}" for hint in ruff_hints(Path(self.settings.config.root or "."))]
        doubtful = len(settled.findings) - len(told)
        if self.settings.known is not None:
            settlement = self._settle(self.settings.known, told, settled.findings, result)
            told = settlement.fresh
            suppressed += [Suppressed(one, "baseline", note) for one, note in settlement.known]
        return Report(
            findings=self._with_fixes(told, sources),
            suppressed=tuple(suppressed),
            doubtful=doubtful,
            files=result.files,
            problems=result.problems,
            sources=sources,
        )

    def _settled(self, result: Result, sources: Sources) -> Settled:
        if not result.commented:
            return Settled(result.findings)
        from lastcall.check.ignores import settle_ignores  # noqa: PLC0415 (most projects have no such comment)

        return settle_ignores(result, self.settings.config, sources)

    def _settle(
        self, known: KnownFindings, told: tuple[Finding, ...], found: tuple[Finding, ...], result: Result
    ) -> Settlement:
        config = self.settings.config
        settlement = known.settle(
            told,
            found,
            scope=" ".join(sorted(self.settings.paths)),
            codes=selected_codes(config.select, config.ignore),
            is_whole=not result.problems,
        )
        self.notes += [f"note: {note}" for note in settlement.notes]
        self.fails = settlement.fails
        return settlement

    def _mended(self) -> Mended:
        from lastcall.check.fixes.mending import mend  # noqa: PLC0415 (most runs need no engine)

        try:
            return mend(self._overlay(), self._to_mend, unsafe=self.settings.unsafe_fixes)
        except (ConfigError, UnknownRuleError) as error:
            raise click.UsageError(str(error)) from error

    def _overlay(self) -> Overlay:
        from lastcall.check.fixes.overlay import Overlay  # noqa: PLC0415

        return Overlay(self.settings.paths, self.settings.config, cache=self.settings.cache)

    def _to_mend(self, result: Result, sources: Sources) -> list[Finding]:
        """Return the findings that would be told."""
        known = self.settings.known
        settled = self._settled(result, sources)
        told = [one for one in settled.findings if self._is_told(one)]
        return [one for one in told if known is None or not known.knows(one)]

    def _fix(self) -> None:
        mended = self._mended()
        written = write_files(mended)
        fixed = sum(finding.path in written for finding in mended.findings)
        self.notes += [
            f"warning: {path} changed meanwhile, and stays" for path in mended.texts.keys() - written
        ]
        if fixed:
            self.notes.append(f"fixed {count(fixed, 'finding')} in {count(len(written), 'file')}")

    def _show_fixes(self) -> int:
        from lastcall.check.fixes.edits import difference  # noqa: PLC0415

        mended = self._mended()
        parts = [
            difference(path, mended.originals[path], mended.texts[path]) for path in sorted(mended.texts)
        ]
        self._write("".join(parts))
        if not self.settings.quiet:
            would = f"--fix would mend {count(len(mended.findings), 'finding')}"
            write_all(sys.stderr, f"lastcall: {would if mended.findings else 'nothing to fix'}\n")
        return 1 if mended.findings and not self.settings.exit_zero else 0

    def _with_fixes(self, findings: tuple[Finding, ...], sources: Sources) -> tuple[Finding, ...]:
        """Return findings with what may mend them, as far as the form can show it."""
        if not findings or self.settings.statistics or self.settings.form not in SHOWING | CARRYING:
            return findings
        if self.settings.form in SHOWING:
            from lastcall.check.fixes.planning import with_plans  # noqa: PLC0415

            return with_plans(findings, sources)
        from lastcall.check.fixes.mending import with_fixes  # noqa: PLC0415

        return with_fixes(findings, self._overlay(), sources)

    def _is_told(self, finding: Finding) -> bool:
        return finding.confidence == "high" or self.settings.config.confidence == "medium"

    def _rendered(self, report: Report) -> str:
        settings = self.settings
        if settings.output_file is not None:
            return render(report, settings.form)
        color = has_color(sys.stdout, settings.color)
        return render(report, settings.form, color=color, width=width_of(sys.stdout))

    def _write(self, text: str) -> None:
        path = self.settings.output_file
        if path is None:
            write_all(sys.stdout, text)
            return
        try:
            # Names of files may hold bytes that are no text.
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise click.UsageError(f"{path} cannot be written: {error.strerror}") from error


def write_files(mended: Mended) -> set[str]:
    """Write the new texts, and return the paths of those that were: a file that changed meanwhile stays."""
    written = set()
    for path, text in mended.texts.items():
        try:
            data = Path(path).read_bytes()
            if decoded(data) != mended.originals[path]:
                continue
            Path(path).write_bytes(encoded(text, like=data))
        except OSError as error:
            raise click.ClickException(f"{path} cannot be written: {error.strerror}") from error
        written.add(path)
    return written


def nothing_was_read(report: Report) -> bool:
    """Tell whether there was something to check, and all of it failed."""
    unread = sum(Path(problem.path).is_file() for problem in report.problems)
    return bool(report.problems) and report.files <= unread


def statistics(report: Report) -> str:
    """Return how many findings each rule has, the most first."""
    counts = Counter((finding.rule, finding.name) for finding in report.findings)
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return "".join(f"{number:>6}  {code}  {name}\n" for (code, name), number in rows)


def summary(report: Report) -> str:
    """Return the last line: how many findings in how many files, and what more there is."""
    checked = f"{count(report.files, 'file')} checked"
    if report.findings:
        places = len({finding.path for finding in report.findings})
        text = f"{count(len(report.findings), 'finding')} in {count(places, 'file')}, {checked}"
    elif nothing_was_read(report):
        text = "nothing could be read"
    else:
        text = f"nothing found, {checked}" if report.files else "no Python files here"
    known = sum(one.by == "baseline" for one in report.suppressed)
    if known:
        text += f"; {known:,} known"
    if report.doubtful:
        text += f"; {report.doubtful:,} more with --confidence medium"
    return text
