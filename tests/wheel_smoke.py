"""Run by the wheel lane: the installed wheel alone, with no extra and no source tree, does its job."""

import importlib.metadata
import json
import pathlib
import subprocess
import sys

LEAKY = """
import asyncio, aiohttp

async def main():
    kept.append(aiohttp.ClientSession())

kept = []
asyncio.run(main())
"""


def main() -> None:
    """Fail with an assertion when the wheel lacks a file, a dependency or a command."""
    import lastcall
    from lastcall.ledger import schema

    assert "site-packages" in str(lastcall.__file__), lastcall.__file__
    assert (pathlib.Path(lastcall.__file__).parent / "py.typed").exists()
    assert schema()["type"] == "object"
    installed = {item.metadata["Name"].lower() for item in importlib.metadata.distributions()}
    assert not installed & {"fastapi", "gidgethub", "msgspec", "pytest", "uvloop"}, installed
    version = subprocess.run(
        [sys.executable, "-m", "lastcall", "--version"], capture_output=True, text=True, check=True
    )
    assert lastcall.__version__ in version.stdout

    pathlib.Path("leaky.py").write_text(LEAKY)
    command = [
        "run",
        "--report",
        "json:report.json",
        "--report",
        "html:report.html",
        "--fail-on",
        "proof",
        "leaky.py",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "lastcall", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 70, done.stderr
    assert "kept.append" in pathlib.Path("report.html").read_text()
    checked = subprocess.run(
        [sys.executable, "-m", "lastcall", "check", "leaky.py"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, "LC" in checked.stdout) == (1, True), checked
    (leak,) = json.loads(pathlib.Path("report.json").read_text())["leaks"]
    assert (leak["site"]["file"], leak["site"]["line"]) == ("leaky.py", 5), leak
    print("1 passed, 0 failed")


if __name__ == "__main__":
    main()
