"""The report in a real browser, as a person uses it: by pointer, by keyboard, on a phone, in the dark."""

from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from browsing import Size, complaints, set_screen
from lastcall.ledger import Report
from lastcall.ledger.history import merge_histories
from lastcall.ledger.report import as_html

from .stories import MARKUP, recorded, report

pytestmark = pytest.mark.slow

LIMIT = 20.0
MANY = 100_000
PAINTED = """
    const { width, height } = arguments[0];
    return arguments[0].getContext("2d").getImageData(0, 0, width, height).data.some(value => value);
"""


def written(folder: Path, sessions: int) -> str:
    """Write the report of a program that opened so many sessions, and return its address."""
    part = recorded(sessions, sites=20)
    path = folder / "report.html"
    path.write_text(as_html(report(part), merge_histories([part]), of="app.py"), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a report of two thousand sessions."""
    return written(tmp_path_factory.mktemp("report"), 2000)


def show(browser: webdriver.Chrome, address: str, *, size: Size = "wide", scheme: str = "light") -> None:
    """Open a page in a window of that size, and wait until it can be used."""
    set_screen(browser, size, scheme=scheme)
    browser.get(address)
    until(browser, "return document.documentElement.dataset.ready")


def until(browser: webdriver.Chrome, script: str, *arguments: Any) -> Any:
    """Wait until *script* returns something, and return it."""
    return WebDriverWait(browser, LIMIT, poll_frequency=0.02).until(
        lambda _: browser.execute_script(script, *arguments)
    )


def one(browser: webdriver.Chrome, selector: str) -> WebElement:
    """Return the first element *selector* finds."""
    return browser.find_element("css selector", selector)


def texts(browser: webdriver.Chrome, selector: str) -> list[str]:
    """Return the text of every element *selector* finds."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(one => one.innerText ?? one.textContent)",
        selector,
    )
    return found


def button_named(browser: webdriver.Chrome, selector: str, name: str) -> WebElement:
    """Return the first of the buttons *selector* finds whose text begins with *name*."""
    found = browser.find_elements("css selector", selector)
    return next(button for button in found if button.text.startswith(name))


def time_line(browser: webdriver.Chrome) -> WebElement:
    """Give the line of time the focus, and return it."""
    drawing = one(browser, ".stage > svg")
    browser.execute_script("arguments[0].scrollIntoView(); arguments[0].focus()", drawing)
    until(browser, "return arguments[0].querySelector('.grid text')", drawing)
    return drawing


def axis(browser: webdriver.Chrome) -> list[str]:
    """Return what is written along the line of time, from left to right."""
    return texts(browser, ".stage .grid text")


def after_a_frame(browser: webdriver.Chrome) -> None:
    """Wait until what was asked for is drawn."""
    browser.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_the_page_shows_the_program(browser: webdriver.Chrome, page: str, size: Size, scheme: str) -> None:
    """All its parts are there, in any light and width; nothing is cut off, no script complains."""
    complaints(browser)
    show(browser, page, size=size, scheme=scheme)
    text = one(browser, "body").text
    for words in (
        "Sessions of app.py", "leaked", "2,000", "Leaks", "app/clients/fetch_0.py:10", "Line of time",
        "Lines", "Connections", "Requests", "A session for each call", "would have spared", "Processes",
        MARKUP,
    ):  # fmt: skip
        assert words in text
    assert browser.title == "app.py · lastcall"
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wide) == 0
    outside = "return arguments[0].scrollWidth - arguments[0].clientWidth"
    assert browser.execute_script(outside, one(browser, "article:has(> .sites)")) <= 0
    paper = browser.execute_script(
        "return getComputedStyle(document.querySelector('.timeline')).backgroundColor"
    )
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert complaints(browser) == []


def test_the_stack_of_a_leak_has_its_source(browser: webdriver.Chrome, page: str) -> None:
    """It opens by keyboard, and shows each line with who called it, and what to do."""
    show(browser, page)
    summary = one(browser, "article.bad summary")
    browser.execute_script("arguments[0].focus()", summary)
    summary.send_keys(Keys.ENTER)
    frames = texts(browser, "article.bad details[open] ol.stack li")
    assert frames[0].splitlines() == [
        "app/clients/fetch_0.py:10 in Client.fetch",
        "session = aiohttp.ClientSession() # 0",
    ]
    assert len(frames) == 3
    assert (
        "ClientSession()" in one(browser, "article.bad .remedy pre").text
        or one(browser, "article.bad .remedy").text
    )


def test_the_table_sorts(browser: webdriver.Chrome, page: str) -> None:
    """A heading sorts by its column, and the other way round when pressed again."""
    show(browser, page)
    heading = button_named(browser, ".sites th button", "opened")
    heading.click()
    counts = [int(text.replace(",", "")) for text in texts(browser, ".sites tbody td:nth-child(2)")]
    assert counts == sorted(counts, reverse=True)
    heading.send_keys(Keys.ENTER)
    counts = [int(text.replace(",", "")) for text in texts(browser, ".sites tbody td:nth-child(2)")]
    assert counts == sorted(counts)
    assert one(browser, ".sites th[aria-sort]").get_dom_attribute("aria-sort") == "ascending"


def test_the_table_filters(browser: webdriver.Chrome, page: str) -> None:
    """By words and by kind; what is left is counted."""
    show(browser, page)
    one(browser, ".filters input").send_keys("upload")
    lines = texts(browser, ".sites tbody td:first-child .site")
    assert lines
    assert all("upload" in line for line in lines)
    assert f"{len(lines)} of 20" in texts(browser, "h2 .count")
    one(browser, ".filters input").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    button_named(browser, ".filters button", "Leaking").click()
    assert len(texts(browser, ".sites tbody tr")) == 2


def test_a_line_opens_and_leads_to_its_sessions(browser: webdriver.Chrome, page: str) -> None:
    """Below it are its stack and how long its sessions lived; from there it is found on the line of time."""
    show(browser, page)
    button = one(browser, ".sites tbody button")
    button.click()
    assert button.get_dom_attribute("aria-expanded") == "true"
    details = one(browser, ".sites tr.more")
    assert "in the median" in details.text
    assert "app/run.py:88 in worker" in details.text
    details.find_element("css selector", "button").click()
    assert one(browser, ".told").text.startswith("app/clients/fetch_0.py:10: opened at ")


def test_the_line_of_time_is_read_and_zoomed_by_keyboard(browser: webdriver.Chrome, page: str) -> None:
    """Arrows go from session to session and tell each; plus and minus zoom, Escape shows all."""
    show(browser, page)
    drawing, whole = time_line(browser), axis(browser)
    drawing.send_keys(Keys.ARROW_RIGHT)
    first = str(drawing.get_dom_attribute("aria-valuetext"))
    assert first.startswith("app/clients/fetch_0.py:10: opened at 0:")
    drawing.send_keys(Keys.ARROW_RIGHT)
    assert drawing.get_dom_attribute("aria-valuetext") != first
    drawing.send_keys(Keys.ARROW_DOWN)
    assert not str(drawing.get_dom_attribute("aria-valuetext")).startswith("app/clients/fetch_0.py")
    drawing.send_keys("+", "+", "+")
    after_a_frame(browser)
    assert axis(browser) != whole
    drawing.send_keys(Keys.ESCAPE)
    after_a_frame(browser)
    assert axis(browser) == whole


def test_the_line_of_time_is_zoomed_by_wheel_and_by_dragging(browser: webdriver.Chrome, page: str) -> None:
    """Once chosen, the wheel zooms it; the charts below follow, and a button shows all again."""
    show(browser, page)
    drawing, whole = time_line(browser), axis(browser)
    chart = "figure.chart:not(.timeline) .grid text[text-anchor=middle]"
    below = texts(browser, chart)
    browser.execute_script(
        "const box = arguments[0].getBoundingClientRect();"
        "arguments[0].dispatchEvent(new WheelEvent('wheel',"
        " {deltaY: -300, clientX: box.left + 400, clientY: box.top + 60, cancelable: true}))",
        drawing,
    )
    after_a_frame(browser)
    wheeled = axis(browser)
    assert wheeled != whole
    assert texts(browser, chart) != below
    ActionChains(browser).move_to_element_with_offset(drawing, -200, -200).click_and_hold().move_by_offset(
        120, 0
    ).release().perform()
    after_a_frame(browser)
    assert axis(browser) != wheeled
    next(
        found for found in browser.find_elements("css selector", ".tools button") if found.text == "All"
    ).click()
    after_a_frame(browser)
    assert axis(browser) == whole


def test_a_pointer_reads_a_bar_and_a_band_folds(browser: webdriver.Chrome, page: str) -> None:
    """What lies under the pointer is told; a folded band tells how many were open."""
    show(browser, page)
    time_line(browser)
    band = one(browser, ".band")
    canvas, button = (band.find_element("css selector", name) for name in ("canvas", "button"))
    browser.execute_script("window.scrollBy(0, -100)")
    ActionChains(browser).move_to_element_with_offset(canvas, 300, 3 - canvas.size["height"] // 2).perform()
    assert one(browser, ".told").text.startswith("app/clients/fetch_0.py:10: ")
    tall = canvas.size["height"]
    button.click()
    after_a_frame(browser)
    assert button.get_dom_attribute("aria-expanded") == "false"
    assert canvas.size["height"] < tall
    ActionChains(browser).move_to_element_with_offset(canvas, 300, 0).perform()
    assert " open" in one(browser, ".told").text


def test_the_next_leak_is_found(browser: webdriver.Chrome, page: str) -> None:
    """A button goes from leak to leak."""
    show(browser, page)
    time_line(browser)
    button = one(browser, ".tools button")
    assert button.text == "Next leak"
    told = set()
    for _ in range(3):
        button.click()
        told.add(one(browser, ".told").text)
    assert len(told) == 3
    assert all("while open" in text or "still open at the end" in text for text in told)


def test_a_hundred_thousand_sessions_can_be_used(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """The page opens, zooms to single sessions and unfolds every band without a complaint."""
    address = written(tmp_path, MANY)
    complaints(browser)
    show(browser, address)
    drawing = time_line(browser)
    painted = (
        "return [...arguments[0].getContext('2d').getImageData(0, 0, arguments[0].width, arguments[0].height)"
    )
    canvas = one(browser, ".band canvas")
    assert browser.execute_script(f"{painted}.data].some(value => value)", canvas)
    drawing.send_keys(Keys.ARROW_RIGHT, *"+" * 12)
    after_a_frame(browser)
    assert "." in axis(browser)[0]
    browser.execute_script(
        "for (const button of document.querySelectorAll('.band button[aria-expanded=false]')) button.click()"
    )
    after_a_frame(browser)
    drawing.send_keys(Keys.ESCAPE)
    after_a_frame(browser)
    assert complaints(browser) == []


@pytest.mark.parametrize("told", [Report(), report(recorded(40))], ids=["nothing", "without a history"])
def test_a_report_with_little_in_it_is_a_page(
    browser: webdriver.Chrome, tmp_path: Path, told: Report
) -> None:
    """Of a program that opened no session, and of reports that carry no times."""
    path = tmp_path / "little.html"
    path.write_text(as_html(told), encoding="utf-8")
    complaints(browser)
    show(browser, path.as_uri())
    assert texts(browser, "h1") == ["Sessions"]
    assert not browser.find_elements("css selector", ".timeline")
    assert complaints(browser) == []
