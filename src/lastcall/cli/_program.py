"""What `lastcall run` is asked to run, looked at before anything is started."""

from __future__ import annotations

import importlib.machinery
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

__all__ = [
    "CannotExecuteError",
    "CannotRunError",
    "Ended",
    "Form",
    "Program",
    "resolve_program",
    "split_arguments",
]

Form = Literal["script", "module", "command"]
"""How the program was named: `app.py`, `-m app`, or `-- command`."""

_BLIND_OPTIONS = "IES"
"""Python's options that keep PYTHONPATH or `site`, and so us, out of a process."""


class CannotRunError(click.ClickException):
    """There is no such script or module, or none is named."""

    exit_code = 2


class CannotExecuteError(CannotRunError):
    """The command is there, but the system does not execute it. The exit code is a shell's."""

    exit_code = 126


class CommandNotFoundError(CannotRunError):
    """There is no such command. The exit code is a shell's."""

    exit_code = 127


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is there and can be started."""

    file: str
    """The executable."""
    argv: tuple[str, ...]
    """What it gets as its arguments, its own name first."""
    name: str
    """What to call it, without arguments: they may hold secrets."""
    blind_option: str | None = None
    """The option (-I, -E or -S) with which Python will not load the watch; None in most cases."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    pid: int
    """The number it had."""
    code: int
    """Its exit code; -N if it died by signal N."""
    at: float
    """When: wall clock, seconds since the epoch."""


def split_arguments(
    arguments: Sequence[str], value_options: Iterable[str]
) -> tuple[list[str], Form, list[str]]:
    """
    Split a command line where the program begins, by Python's own rule.

    Args:
        arguments: What follows `lastcall run`.

        value_options: The options of ours that take a value.

    Returns:
        Our options; how the program is named; its name and arguments, empty if none is named.
    """
    takes_value = set(value_options)
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        ours = list(arguments[:index])
        if argument == "--":
            return ours, "command", list(arguments[index + 1 :])
        if argument.startswith("-m"):
            attached = [argument[2:]] if argument[2:] else []
            return ours, "module", [*attached, *arguments[index + 1 :]]
        if not argument.startswith("-") or argument == "-":
            return ours, "script", list(arguments[index:])
        index += 2 if argument in takes_value else 1
    return list(arguments), "script", []


def resolve_program(form: Form, words: Sequence[str]) -> Program:
    """
    Return how to start the program, having looked that it is there. Nothing is imported.

    Raises:
        CannotRunError: If it is not there, or cannot be read or executed; with one sentence.
    """
    if not words:
        missing = {"script": "a script", "module": "a module after -m", "command": "a command after --"}[form]
        raise CannotRunError(f"name {missing} to run: lastcall run [options] app.py [arguments]")
    if form == "command":
        return Program(_find_command(words[0]), tuple(words), Path(words[0]).name, _blind_option(words))
    if form == "module":
        _check_module(words[0])
        return Program(sys.executable, (sys.executable, "-m", *words), f"-m {words[0]}")
    _check_script(words[0])
    return Program(sys.executable, (sys.executable, *words), Path(words[0]).name)


def _check_script(script: str) -> None:
    if script == "-":
        return
    path = Path(script)
    if not path.exists():
        raise CannotRunError(f"there is no file {script!r}")
    if path.is_dir():
        if not (path / "__main__.py").exists():
            raise CannotRunError(f"{script!r} is a directory without a __main__.py")
    elif not os.access(script, os.R_OK):
        raise CannotRunError(f"{script!r} cannot be read")


def _check_module(module: str) -> None:
    parts = module.split(".")
    if not all(parts):
        raise CannotRunError(f"{module!r} is no name of a module")
    path: list[str] | None = [str(Path.cwd()), *sys.path]
    for count, _ in enumerate(parts, 1):
        name = ".".join(parts[:count])
        spec = _find_spec(name, path)
        if spec is None:
            raise CannotRunError(f"there is no module {name!r} (looked for from {Path.cwd()} on)")
        locations = spec.submodule_search_locations
        path = None if locations is None else list(locations)
        if path is None and count < len(parts):
            raise CannotRunError(f"{name!r} is a module, not a package: there is no {module!r} in it")
    if path is not None and _find_spec(f"{module}.__main__", path) is None:
        raise CannotRunError(f"{module!r} is a package without a __main__ module and cannot be run")


def _find_spec(name: str, path: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    # Every finder is asked, not only PathFinder: editable installs bring their own.
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return None


def _find_command(command: str) -> str:
    found = shutil.which(command)
    if found is not None:
        return found
    # With this mode `which` also finds what may not be executed.
    there = shutil.which(command, mode=os.F_OK)
    if there is None and Path(command).name != command and Path(command).exists():
        there = command
    if there is not None:
        reason = "is a directory" if Path(there).is_dir() else "is not executable"
        raise CannotExecuteError(f"{command!r} {reason}")
    raise CommandNotFoundError(f"command {command!r} was not found")


def _blind_option(words: Sequence[str]) -> str | None:
    """Return the option that will hide this Python command from us, if there is one."""
    if not Path(words[0]).name.startswith(("python", "pypy")):
        return None
    for word in words[1:]:
        if not word.startswith("-") or word.startswith("--"):
            return None
        for letter in word[1:]:
            if letter in _BLIND_OPTIONS:
                return f"-{letter}"
            if letter in "mcXW":
                return None
    return None
