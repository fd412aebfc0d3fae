"""
See to it that the browser tests have Chromium and its driver; where they cannot be had, say so.

Installs Debian's packages when this runs as root on a machine with apt-get. Never fails: without a
browser those tests are skipped, with this reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

COMMANDS = ("chromium", "chromedriver")
PACKAGES = ("chromium", "chromium-driver")
SECONDS = 300


def main() -> int:
    """Install what is missing, if that can be done here."""
    if not missing():
        return 0
    reason = why_not() or install()
    if reason:
        print(f"browser tests will be skipped: {', '.join(missing())} not found, and {reason}", flush=True)
    return 0


def missing() -> list[str]:
    """Return the commands that are not on the path."""
    return [command for command in COMMANDS if shutil.which(command) is None]


def why_not() -> str | None:
    """Return why nothing can be installed here, None if it can be tried."""
    if shutil.which("apt-get") is None:
        return "there is no apt-get to install them with"
    if os.geteuid() != 0:
        return f"only root can install them: apt-get install {' '.join(PACKAGES)}"
    return None


def install() -> str | None:
    """Install Debian's packages; return why that did not work, None if it did."""
    print(f"installing {' and '.join(PACKAGES)} for the browser tests ...", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        try:
            done = subprocess.run(
                ["apt-get", "-qq", *command],
                env=env,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"apt-get {command[0]} took over {SECONDS} s"
        if done.returncode:
            return f"apt-get {command[0]} failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}"
    return None


if __name__ == "__main__":
    sys.exit(main())
