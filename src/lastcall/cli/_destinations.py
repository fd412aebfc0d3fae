"""Where reports go, and in which form: what `--report` says."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import click

from lastcall.ledger.report import Report
from lastcall.ledger.report.text import render

from ._terminal import ColorChoice, complain, has_color, width_of, write_all

__all__ = ["Destination", "parse_destinations", "write_reports"]

Form = Literal["text", "json", "html"]

_FORMS = ("text", "json", "html")


@dataclass(frozen=True, slots=True)
class Destination:
    """One report to be made."""

    form: Form
    """What it looks like."""
    path: Path | None
    """The file it goes to, absolute; None for stderr (text) or stdout (json)."""

    @property
    def is_for_people(self) -> bool:
        """Whether it is the text that appears when the program is over."""
        return self.form == "text" and self.path is None

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        return "stderr" if self.form == "text" else "stdout"


def parse_destinations(texts: Iterable[str]) -> tuple[Destination, ...]:
    """
    Read the values of `--report`, and look whether each file can be written. Nothing is created.

    Raises:
        click.UsageError: If a form is unknown, a file cannot be written, or two reports go to one place.
    """
    destinations: list[Destination] = []
    for text in texts:
        destination = _parse(text)
        if any(_is_same(destination, other) for other in destinations):
            raise click.UsageError(f"two reports cannot both go to {destination}")
        destinations.append(destination)
    return tuple(destinations)


def _parse(text: str) -> Destination:
    form, colon, name = text.partition(":")
    if form not in _FORMS:
        raise click.UsageError(f"there is no report form {form!r}; there are text, json and html")
    if colon and not name:
        raise click.UsageError(f"--report {text} names no file after the colon")
    if form == "html" and not name:
        raise click.UsageError(f"--report {text} needs a file: --report html:PATH")
    path = Path(name).expanduser().absolute() if name else None
    if path is not None:
        _check_writable(path)
    return Destination(cast("Form", form), path)


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise click.UsageError(f"the report cannot be written to {path}: it is a directory")
    if not path.parent.is_dir():
        raise click.UsageError(f"the report cannot be written to {path}: there is no directory {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.UsageError(f"the report cannot be written to {path}: permission denied")


def _is_same(one: Destination, other: Destination) -> bool:
    if one.path is None or other.path is None:
        return one == other
    try:
        return one.path.samefile(other.path)
    except OSError:  # one does not exist yet
        return one.path.resolve() == other.path.resolve()


def write_reports(
    report: Report, destinations: Iterable[Destination], color: ColorChoice, *, page: Callable[[], str]
) -> None:
    """
    Write *report* everywhere; files come first, so that a closed terminal cannot lose them.

    Args:
        report: What there is to say.

        destinations: Where to.

        color: What the user said of colours.

        page: Makes the HTML.
    """
    for destination in sorted(destinations, key=lambda destination: destination.path is None):
        if destination.path is not None:
            text = page() if destination.form == "html" else _in_form(report, destination.form)
            _write_file(destination.path, text)
        elif destination.form == "json":
            write_all(sys.stdout, _in_form(report, "json"))
        else:
            text = render(report, color=has_color(sys.stderr, color), width=width_of(sys.stderr))
            write_all(sys.stderr, text.rstrip("\n") + "\n")


def _in_form(report: Report, form: Form) -> str:
    if form == "text":
        return render(report, color=False, width=80).rstrip("\n") + "\n"
    return json.dumps(report.to_json(), separators=(",", ":"), ensure_ascii=False) + "\n"


def _write_file(path: Path, text: str) -> None:
    try:
        # Names of files may hold bytes that are no text.
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        complain(f"the report could not be written to {path}: {error.strerror}")
