"""Programs of GitHub's own makers, from npm: fetched into a cache outside the tree, or a reason to skip."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

SECONDS = 240


@cache
def npm(*packages: str) -> Path:
    """
    Return a folder with *packages* installed in it; skip the test, with the reason, if that cannot be.

    They are kept in the system's temporary folder, for this user, so that the next run has them.
    """
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm or node is not installed")
    name = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else "me"
    folder = Path(tempfile.gettempdir()) / f"lastcall-npm-{user}" / name
    if not (folder / "done").exists():
        # Two workers at once: each installs for itself, the first to rename wins.
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        _install(made, packages)
        (made / "done").touch()
        try:
            made.rename(folder)
        except OSError:
            shutil.rmtree(made)
    return folder


def _install(folder: Path, packages: tuple[str, ...]) -> None:
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    try:
        done = subprocess.run(
            [*command, *packages], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm took over {SECONDS} s")
    if done.returncode:
        pytest.skip(f"npm cannot install {' '.join(packages)} (exit status {done.returncode})")
