"""The small application that `lastcall github new` writes."""

import errno
import os
from importlib.resources import files
from pathlib import Path

__all__ = ["write_application"]

_FILES = {
    "handlers.py": "handlers.py.txt",
    "test_handlers.py": "test_handlers.py.txt",
    "payload.json": "payload.json",
    ".env.example": "env.example",
    "README.md": "README.md",
}
"""From the file to the template; a template of Python is no module of this package."""


def write_application(directory: Path) -> list[Path]:
    """
    Write the application into *directory*, which is made if need be.

    Returns:
        The files written.

    Raises:
        FileExistsError: If one of the files is there already; then nothing was written.

        OSError: If something cannot be written.
    """
    paths = {directory / name: template for name, template in _FILES.items()}
    for path in paths:
        if path.exists():
            raise FileExistsError(errno.EEXIST, f"{path.name} is there already", os.fspath(path))
    directory.mkdir(parents=True, exist_ok=True)
    templates = files(__package__) / "templates"
    for path, template in paths.items():
        path.write_text((templates / template).read_text(encoding="utf-8"), encoding="utf-8")
    return list(paths)
