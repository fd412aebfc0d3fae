"""The deliveries page in a real browser, as a person uses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from browsing import complaints
from lastcall.github import Event, GithubService, Router
from lastcall.github.app import create_app
from lastcall.github.settings import Settings

from .conftest import LIMIT, SECRET, signed
from .serving import in_thread

MARKUP = "<img src=x onerror=\"document.title='hacked'\">"


@pytest.fixture
def repaired() -> threading.Event:
    """Say whether the handler works by now."""
    return threading.Event()


@pytest.fixture
def address(tmp_path: Path, repaired: threading.Event) -> Iterator[str]:
    """Serve an application with a token, and a handler that fails until it is repaired."""
    router = Router()

    @router.register("push")
    async def push(event: Event, github: GithubService) -> None:
        if not repaired.is_set():
            raise RuntimeError(f"cannot {MARKUP}")

    settings = Settings(secrets=(SECRET,), token="t", page_token="page", db=tmp_path / "x.sqlite3")
    with in_thread(create_app(settings, router)) as url:
        yield url


@pytest.mark.slow
def test_a_person_logs_in_reads_why_and_replays(
    address: str, browser: webdriver.Chrome, repaired: threading.Event
) -> None:
    """The token is asked for; state, error and payload are shown as text; Replay makes it done."""
    for name, event in [("first", "push"), ("second", "star")]:
        body = b'{"title": "a payload"}'
        requests.post(f"{address}/webhook", body, headers=signed(body, event, name), timeout=LIMIT)
    wait = WebDriverWait(browser, LIMIT, poll_frequency=0.05)
    browser.get(f"{address}/deliveries")
    field = wait.until(lambda page: (found := page.find_element(By.ID, "token")).is_displayed() and found)
    assert "token is needed" in browser.find_element(By.ID, "state").text
    field.send_keys("page")
    field.submit()
    wait.until(lambda _page: not field.is_displayed())
    row = "article[data-id=first]"
    wait.until(lambda page: MARKUP in page.find_element(By.CSS_SELECTOR, "#list").text)
    assert browser.find_element(By.CSS_SELECTOR, f"{row} .tag").text == "queued"
    assert browser.find_element(By.CSS_SELECTOR, "article[data-id=second] .tag").text == "done"
    assert browser.title == "Deliveries · lastcall"
    browser.find_element(By.CSS_SELECTOR, f"{row} summary").click()
    wait.until(lambda page: '"title": "a payload"' in page.find_element(By.CSS_SELECTOR, f"{row} pre").text)
    browser.find_element(By.CSS_SELECTOR, f"{row} summary").click()
    repaired.set()
    browser.find_element(By.CSS_SELECTOR, f"{row} .head button").click()
    browser.find_element(By.CSS_SELECTOR, "h1").click()
    wait.until(lambda page: "done 2" in page.find_element(By.ID, "states").text)
    browser.find_element(By.ID, "sessions").click()
    wait.until(lambda page: "github" in page.find_element(By.ID, "main").text)
    assert not [line for line in complaints(browser) if "401" not in line]
