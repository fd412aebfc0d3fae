"""The page in a real browser, as a person uses it."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from browsing import complaints, set_screen

LIMIT = 20.0
OBSERVE = """
    document.querySelector("details").open = true;
    window.shown = 0;
    const observer = new MutationObserver(() => window.shown++);
    observer.observe(document.querySelector("main"), {subtree: true, characterData: true});
"""


@pytest.fixture(autouse=True)
def on_a_phone(browser: webdriver.Chrome) -> None:
    """Show pages as narrow as a phone does."""
    set_screen(browser, "phone")


@pytest.fixture
def served() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start the application under uvicorn; the socket is ours, so nobody else can take the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://localhost:{listening.getsockname()[1]}"
        command = [sys.executable, str(Path(__file__).with_name("served.py")), str(listening.fileno())]
        process = subprocess.Popen(command, pass_fds=[listening.fileno()])
    with process:
        try:
            yield url, process
        finally:
            process.kill()


def until(browser: webdriver.Chrome, holds: Callable[[], Any]) -> Any:
    """Wait until *holds*, and return what it returns."""
    return WebDriverWait(browser, LIMIT, poll_frequency=0.05).until(lambda _: holds())


def text_of(browser: webdriver.Chrome, selector: str) -> str:
    """Return what a person reads in the first element that *selector* finds; empty if there is none."""
    return str(
        browser.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
    )


@pytest.mark.slow
def test_a_person_reads_what_sessions_do(
    served: tuple[str, subprocess.Popen[bytes]], browser: webdriver.Chrome
) -> None:
    """Leaks, pools, responses and churn are shown as text; Pause holds it; an end of the server is said."""
    url, process = served
    browser.get("about:blank")  # the page of another test may still ask a server that is gone
    complaints(browser)
    browser.get(f"{url}/lastcall")
    until(browser, lambda: text_of(browser, "#state") == "Live")
    until(browser, lambda: "requests waiting for a free connection" in text_of(browser, "main"))
    text = text_of(browser, "main")
    for words in (
        "3 sessions", "served.py:", "in leak", "<b>not markup</b>", "garbage-collected while open",
        "by <img src=x onerror", "get_shared_session", "profile small", "at most 1 in all", "GET 127.0.0.1",
        "/hang", "12 sessions for 12 requests", "running",
    ):  # fmt: skip
        assert words in text
    assert browser.title == "Open sessions · lastcall"
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wide) == 0

    # Details that are open stay open when the page refreshes itself.
    browser.execute_script(OBSERVE)
    until(browser, lambda: browser.execute_script("return window.shown"))
    assert browser.execute_script("return document.querySelector('details').open")

    # By keyboard: the button is the first thing that Tab reaches.
    browser.switch_to.active_element.send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert text_of(browser, "#state") == "Paused"
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    until(browser, lambda: text_of(browser, "#state") == "Live")
    assert complaints(browser) == []

    process.kill()
    process.wait()
    until(browser, lambda: text_of(browser, "#state").startswith("No answer: last seen at"))


@pytest.mark.slow
def test_a_token_is_asked_for_and_kept(
    served: tuple[str, subprocess.Popen[bytes]], browser: webdriver.Chrome
) -> None:
    """The page asks for its token, says when it is wrong, and shows the data when it is right."""
    url, _ = served
    browser.get(f"{url}/locked")
    field = browser.find_element("id", "token")
    until(browser, field.is_displayed)
    field.send_keys("wrong")
    field.submit()
    until(browser, lambda: text_of(browser, "#refused") == "This is not the token.")
    field.clear()
    field.send_keys("sesame")
    field.submit()
    until(browser, lambda: text_of(browser, "#state") == "Live")
    assert not field.is_displayed()
    assert "token" not in browser.current_url
    browser.refresh()
    until(browser, lambda: text_of(browser, "#state") == "Live")
