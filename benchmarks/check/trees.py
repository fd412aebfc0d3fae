"""
The trees that the checker is measured on: wheels and source archives from PyPI, unpacked and never committed.

    python benchmarks/check/trees.py

They are put into `.cache/trees/NAME`. Which were looked at while the rules were tuned, and which only when
they were done, is written beside each.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

TREES = Path(__file__).parents[2] / ".cache" / "trees"

TUNED = (
    "homeassistant==2025.4.4",
    "litellm",
    "ccxt",
    "langchain-community",
    "livekit-agents",
    "pipecat-ai",
    "slack_sdk",
    "web3",
    "gql",
    "discord.py",
    "disnake",
    "fsspec",
    "gcsfs",
    "g4f",
)
"""Looked at while the rules were made."""

UNSEEN = (
    "crawl4ai",
    "sglang",
    "vllm",
    "dashscope",
    "kubernetes_asyncio",
    "matrix-nio",
    "mautrix",
    "twitchio",
    "asyncprawcore",
    "aiogoogle",
    "python-engineio",
    "agentops",
    "vkbottle",
    "uiprotect",
    "interactions.py",
    "edge-tts",
)
"""Looked at once, when the rules were made; what was changed afterwards is told in `triage.md`."""


def fetch(requirement: str) -> None:
    """Download one distribution and unpack its Python files."""
    target = TREES / requirement.partition("==")[0]
    if target.is_dir():
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        wheels = ["--only-binary=:all:", "--python-version", "3.13"]
        done = subprocess.run([*command, *wheels, requirement], check=False)
        if done.returncode:
            subprocess.run([*command, "--no-binary=:all:", requirement], check=True)
        for archive in Path(folder).iterdir():
            unpack(archive, target)


def unpack(archive: Path, target: Path) -> None:
    """Unpack the Python files of a wheel or source archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target, [name for name in wheel.namelist() if name.endswith(".py")])
        return
    with tarfile.open(archive) as source:
        source.extractall(target, [m for m in source if m.name.endswith(".py")], filter="data")


def main() -> None:
    """Fetch what is not there yet."""
    TREES.mkdir(parents=True, exist_ok=True)
    for requirement in (*TUNED, *UNSEEN):
        print(requirement)
        fetch(requirement)


if __name__ == "__main__":
    main()
