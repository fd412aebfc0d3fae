"""The report in a real browser, as a person uses it: by pointer, by keyboard, on a phone, in the dark."""

from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from browsing import Size, complaints, set_screen
from lastcall.llm.report import as_html, make_report
from lastcall.llm.statistics import Statistics

from .feeding import MARKUP, report

pytestmark = pytest.mark.slow

LIMIT = 20.0


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write the report of a streamed run, and return its address."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(as_html(report()), encoding="utf-8")
    return path.as_uri()


def show(browser: webdriver.Chrome, address: str, *, size: Size = "wide", scheme: str = "light") -> None:
    """Open a page in a window of that size, and wait until its charts are drawn."""
    set_screen(browser, size, scheme=scheme)
    browser.get(address)
    drawn = "return [...document.querySelectorAll('.chart > svg')].every(svg => svg.getAttribute('viewBox'))"
    WebDriverWait(browser, LIMIT, poll_frequency=0.02).until(lambda _: browser.execute_script(drawn))


def chart(browser: webdriver.Chrome, title: str) -> WebElement:
    """Return the figure with that title."""
    figures = browser.find_elements("css selector", "figure.chart")
    return next(one for one in figures if one.find_element("css selector", "strong").text == title)


def drawing(figure: WebElement) -> WebElement:
    """Return the SVG of a figure."""
    return figure.find_element("css selector", ":scope > svg")


def until_found(browser: webdriver.Chrome, figure: WebElement, selector: str) -> list[WebElement]:
    """Return what *selector* finds in a figure, as soon as it finds something."""
    return WebDriverWait(browser, LIMIT, poll_frequency=0.02).until(
        lambda _: figure.find_elements("css selector", selector)
    )


def labels(figure: WebElement) -> list[str]:
    """Return what is written along the axis from left to right."""
    return [text.text for text in figure.find_elements("css selector", ".grid text[text-anchor=middle]")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_the_page_shows_the_run(browser: webdriver.Chrome, page: str, size: Size, scheme: str) -> None:
    """All plots and figures are there, in any light and width; nothing is cut off, no script complains."""
    complaints(browser)
    show(browser, page, size=size, scheme=scheme)
    text = browser.find_element("tag name", "body").text
    for words in (
        "Complete", "answered", "requests per second", "median latency", "median to first token",
        "Throughput", "Concurrency", "Latency", "Tokens", "Time to first token", "Between tokens", "Waited",
        "Given up", "timeout (first byte)", "Tried again", "connection", "Ended by", "stop",
        "1 session opened, 1 closed, none leaked", "tiny", MARKUP,
    ):  # fmt: skip
        assert words in text
    assert browser.title == "Batch report · lastcall"
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.execute_script(wide) == 0
    paper = browser.execute_script(
        "return getComputedStyle(document.querySelector('.chart')).backgroundColor"
    )
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert complaints(browser) == []


def test_a_pointer_reads_all_charts_of_the_run_at_once(browser: webdriver.Chrome, page: str) -> None:
    """Where it points in one of them, each shows its figures of that moment; elsewhere none does."""
    show(browser, page)
    throughput, latency = chart(browser, "Throughput"), chart(browser, "Latency")
    ActionChains(browser).move_to_element(drawing(throughput)).perform()
    moment = throughput.find_element("css selector", ".when").text
    assert moment.startswith("0:5")
    assert latency.find_element("css selector", ".when").text == moment
    assert throughput.find_element("css selector", "button.blue .value").text == "36"
    assert latency.find_element("css selector", "button.blue .value").text.endswith(" ms")
    ActionChains(browser).move_to_element(browser.find_element("tag name", "h1")).perform()
    assert throughput.find_element("css selector", ".when").text == ""


def test_dragging_looks_closer_and_a_button_shows_all(browser: webdriver.Chrome, page: str) -> None:
    """The part that was marked fills every chart of the run, until all is asked for again."""
    show(browser, page)
    throughput, tokens = chart(browser, "Throughput"), chart(browser, "Tokens")
    whole = labels(throughput)
    svg = drawing(throughput)
    ActionChains(browser).move_to_element(svg).click_and_hold().move_by_offset(60, 0).release().perform()
    assert labels(throughput) == labels(tokens) != whole
    button = throughput.find_element("css selector", ".whole")
    assert button.is_displayed()
    button.click()
    assert labels(throughput) == labels(tokens) == whole
    assert not button.is_displayed()


def test_a_chart_is_read_by_keyboard(browser: webdriver.Chrome, page: str) -> None:
    """Arrows move from one moment to the next and tell it, plus and minus zoom, Escape shows all."""
    show(browser, page)
    throughput = chart(browser, "Throughput")
    svg, whole = drawing(throughput), labels(throughput)
    browser.execute_script("arguments[0].focus()", svg)
    svg.send_keys(Keys.HOME)
    assert str(svg.get_dom_attribute("aria-valuetext")).startswith("0:00, answered ")
    svg.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert svg.get_dom_attribute("aria-valuenow") == "2"
    svg.send_keys(Keys.END)
    assert svg.get_dom_attribute("aria-valuenow") == svg.get_dom_attribute("aria-valuemax")
    svg.send_keys("+", "+")
    assert labels(throughput) != whole
    svg.send_keys(Keys.ESCAPE)
    assert labels(throughput) == whole
    seen = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert seen == "solid"


def test_a_series_can_be_put_aside(browser: webdriver.Chrome, page: str) -> None:
    """Without the 99th percentile the scale fits the median."""
    show(browser, page)
    latency = chart(browser, "Latency")
    key = latency.find_element("css selector", "button.amber")
    lines = len(latency.find_elements("css selector", ".line"))
    key.click()
    assert key.get_dom_attribute("aria-pressed") == "false"
    assert len(latency.find_elements("css selector", ".line")) == lines - 1


def test_every_chart_is_a_table_too(browser: webdriver.Chrome, page: str) -> None:
    """Who cannot see a plot reads its figures; the table is made when it is opened."""
    show(browser, page)
    for figure in browser.find_elements("css selector", "figure.chart:has(> svg)"):
        figure.find_element("css selector", "summary").click()
        rows = until_found(browser, figure, "tbody tr")
        columns = figure.find_elements("css selector", "th")
        assert len(rows) >= 8
        assert len(rows[0].find_elements("css selector", "td")) == len(columns) >= 2
    assert complaints(browser) == []


def test_a_run_that_was_stopped_at_once_has_a_page(browser: webdriver.Chrome, tmp_path: Path) -> None:
    """Without an answer there is nothing to plot; the page says what happened and does not break."""
    path = tmp_path / "nothing.html"
    path.write_text(
        as_html(make_report(Statistics(), ending="failed", reason="the disk is full")), encoding="utf-8"
    )
    complaints(browser)
    show(browser, path.as_uri())
    text = browser.find_element("tag name", "body").text
    assert "the disk is full" in text
    assert "Stopped" in text
    assert complaints(browser) == []
