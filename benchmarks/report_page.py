"""The HTML report of 100,000 sessions: bytes, time to write it and until it can be used, time of a frame."""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

from lastcall.ledger.history import Recorded, merge_histories
from lastcall.ledger.history.rows import Outcome, Row, pack
from lastcall.ledger.report import Report, as_html

MANY = 100_000
SITES = 40
SECONDS = 600.0
ROUNDS = 5
LIMIT = 60.0
FLAGS = (
    "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-dev-shm-usage",
    "disable-background-networking", "disable-component-update", "disable-sync", "window-size=1200,900",
)  # fmt: skip

READY = "return document.documentElement.dataset.ready"
"""Milliseconds from the beginning of loading until everything is on the page; null until then."""

ZOOM = """
    const done = arguments[0], svg = document.querySelector(".stage > svg"), frames = [], work = [];
    svg.scrollIntoView(); svg.focus();
    const draw = Timeline.prototype.drawNow;
    let inScripts = 0, before = performance.now(), number = 0;
    const timed = act => { const began = performance.now(); act(); inScripts += performance.now() - began; };
    Timeline.prototype.drawNow = function() { timed(() => draw.call(this)); };
    function step(now) {
      frames.push(now - before); work.push(inScripts);
      before = now; inScripts = 0;
      if (number === 240) return done({ frames: frames.slice(10), work: work.slice(10) });
      const deltaY = Math.floor(number++ / 40) % 2 ? 100 : -100;
      const wheel = new WheelEvent("wheel", { deltaY, clientX: 600, clientY: 300, cancelable: true });
      timed(() => svg.dispatchEvent(wheel));
      requestAnimationFrame(step);
    }
    requestAnimationFrame(step);
"""
"""Zooms in and out, a step a frame; returns milliseconds between frames, and of scripts in each."""


def recorded(sessions: int) -> Recorded:
    """Return the history of an invented program that opened so many sessions, each used once or twice."""
    chance = random.Random(1)
    counts = [[0, 0, 0] for _ in range(SITES)]
    rows = []
    for _ in range(sessions):
        site = min(SITES - 1, int(chance.expovariate(0.3)))
        opened, lived = chance.random() * SECONDS, chance.expovariate(5.0)
        leaks = site == 0 and chance.random() < 0.01
        ended = SECONDS if leaks else min(SECONDS, opened + lived)
        times = [opened + lived * part for part in (0.1, 0.3, 0.5, 0.8)][: chance.choice([2, 2, 4])]
        outcome = Outcome.SCOPE_ENDED if leaks else Outcome.CLOSED
        rows.append(pack(Row(site, 1, opened, max(ended, times[-1]), len(times) // 2, 1, outcome, times)))
        counts[site][0] += 1
        counts[site][2 if leaks else 1] += 1
    data = b"".join(rows)
    head = {"pid": 1, "is_over": True, "began": 0.0, "began_at": 1.8e9, "until": SECONDS, "left_out": 0}
    flow = {"began": 0.0, "width": 0.64, "steps": [[9, 2, 5, 7]] * int(SECONDS / 0.64)}
    sites = [_site(number, *count) for number, count in enumerate(counts)]
    return Recorded(
        head={**head, "ended_bytes": len(data), "flow": flow, "sites": sites}, ended=data, open=b""
    )


def _site(number: int, opened: int, closed: int, leaked: int) -> dict[str, Any]:
    line = {"file": f"app/part_{number}.py", "line": 10, "function": "fetch", "source": "async with session:"}
    totals = {"opened": opened, "closed": closed, "leaked": leaked, "requests": opened, "connections": opened}
    frame = {**line, "distribution": None}
    return {
        **totals,
        "kind": "session",
        "fingerprint": f"{number:012x}",
        "site": line,
        "distribution": None,
        "stack": [frame] * 4,
    }


def write(sessions: int, path: Path) -> str:
    """Write the page and return what it took."""
    part = recorded(sessions)
    began = time.perf_counter()
    history = merge_histories([part])
    merged = time.perf_counter()
    page = as_html(Report(opened=sessions, closed=sessions), history, of="app.py")
    path.write_text(page, encoding="utf-8")
    ended = time.perf_counter()
    return f"{path.stat().st_size / 1e6:9.2f} MB {merged - began:9.2f} s {ended - merged:9.2f} s"


def browser() -> webdriver.Chrome:
    """Start Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    driver.set_script_timeout(LIMIT)
    return driver


def use(driver: webdriver.Chrome, address: str) -> str:
    """Open the page a few times, zoom it, and return how long things took."""
    ready = []
    wait = WebDriverWait(driver, LIMIT, poll_frequency=0.02)
    for _ in range(ROUNDS):
        driver.get(address)
        ready.append(float(wait.until(lambda _: driver.execute_script(READY))))
    zoomed = driver.execute_async_script(ZOOM)
    figures = [f"{statistics.median(ready):7.0f} ms"]
    for name in ("frames", "work"):
        values = sorted(zoomed[name])
        figures.append(f"{values[len(values) // 2]:7.1f} / {values[int(0.95 * len(values))]:6.1f} ms")
    return "  ".join(figures)


def main() -> None:
    """Print one line for each number of sessions."""
    print(f"{'sessions':>9} {'size':>12} {'merge':>11} {'write':>11} {'usable after':>13}", end="")
    print(f" {'between frames':>19} {'scripts a frame':>20}   (median / 95th percentile)")
    with tempfile.TemporaryDirectory() as folder:
        driver = browser()
        try:
            for sessions in (0, 1_000, MANY, 5 * MANY):
                path = Path(folder) / f"{sessions}.html"
                written = write(sessions, path)
                print(f"{sessions:9,} {written}", end="   ", flush=True)
                print(use(driver, path.as_uri()) if sessions else "", flush=True)
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
