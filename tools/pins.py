"""
Renew requirements/dev.txt: the newest versions of the tools named here, with all they need.

Makes a fresh virtual environment, installs, and writes one plain `name==version` line each.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = (
    "aiohttp click rich pytest pytest-asyncio pytest-xdist pytest-timeout pytest-randomly mypy ruff "
    "codespell uvloop anyio uvicorn nest_asyncio jsonschema types-jsonschema trustme build twine hatchling "
    "coverage fastapi httpx hypercorn granian opentelemetry-api opentelemetry-sdk prometheus-client "
    "schemathesis selenium gidgethub pyjwt[crypto] python-dotenv httptools msgspec zstandard openai "
    "pygls flake8"
)
MARKERS = {
    "uvloop": 'sys_platform != "win32"',
    "SecretStorage": 'sys_platform == "linux"',
    "jeepney": 'sys_platform == "linux"',
    "backports.tarfile": 'python_version < "3.12"',
    "importlib_metadata": 'python_version < "3.12"',
}
HEAD = "# Everything the suite, the checks and the benchmarks run with, pinned. Renew with: make pins"


def main() -> int:
    """Write the file and say how many packages it pins."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "-q", "install", *TOOLS.split()], check=True)
        frozen = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True)
    pins = [mark(line) for line in frozen.stdout.splitlines() if re.fullmatch(r"[\w.-]+==[\w.+!-]+", line)]
    (ROOT / "requirements" / "dev.txt").write_text("\n".join([HEAD, *pins]) + "\n")
    print(f"{len(pins)} packages pinned")
    return 0


def mark(pin: str) -> str:
    """Add the environment marker of a package that not every platform has."""
    marker = MARKERS.get(pin.partition("==")[0])
    return f"{pin}; {marker}" if marker else pin


if __name__ == "__main__":
    sys.exit(main())
