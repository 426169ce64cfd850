"""Pages of runs in a real browser: drawn, quiet, readable at any width, and worked by mouse and keyboard."""

from __future__ import annotations

import json
import time

import pytest
from tests.browser.journals import JOURNALS
from tests.browser.overlaps import cut_off, overlapping

pytestmark = [pytest.mark.browser, pytest.mark.timeout(280)]

LARGEST = {"demo": 300_000}
LARGEST_OF_ANY = 1_000_000
WIDTHS = (400, 1000, 2000)


@pytest.fixture
def opened(browser, page):
    def open_(kind: str, **how):
        browser.open(page(kind), **how)
        return browser

    return open_


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", JOURNALS)
def test_it_is_drawn_says_nothing_and_requests_nothing(  # noqa: PLR0913, PLR0917 - fixtures and variants
    opened, page, kind, width, theme, screenshots
):
    browser = opened(kind, width=width, theme=theme)
    assert browser.js("return document.documentElement.scrollWidth") <= width
    browser.screenshot(screenshots / f"{kind}-{width}-{theme}.png")
    plots = browser.js("return document.querySelectorAll('.plot').length")
    drawn = browser.js("return document.querySelectorAll('.chart :is(path.line, rect.bucket)').length")
    assert plots == drawn == 0 if kind == "empty" else drawn >= plots >= 3
    assert browser.js("return document.title") == f"Report on {kind}.jsonl"
    assert browser.js("return document.images.length") == 0
    assert browser.said == []
    assert {each for each in browser.requested if not each.startswith("data:")} == {page(kind).as_uri()}
    paint = browser.js("return performance.getEntriesByType('paint').map((each) => each.startTime)")
    with (screenshots / "figures.txt").open("a") as file:
        size = page(kind).stat().st_size
        file.write(f"{kind} {width} px, {theme}: {size:,} bytes, first paint {min(paint):.0f} ms\n")


@pytest.mark.parametrize("kind", JOURNALS)
def test_the_file_is_small(page, kind):
    assert page(kind).stat().st_size <= LARGEST.get(kind, LARGEST_OF_ANY)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["demo", "orb", "neural", "ten-million", "ruined", "crowded"])
def test_no_texts_in_a_drawing_overlap(opened, kind, width):
    browser = opened(kind, width=width)
    assert overlapping(browser) == []
    assert cut_off(browser) == []


def test_numbers_are_there_without_the_script(opened):
    browser = opened("demo", script=False)
    try:
        source = browser.driver.page_source
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
    assert "Table: Latency over steps" in source
    assert source.count("<td") > 1000


def test_keys_zoom_all_plots_over_the_run_together(opened):
    browser = opened("ruined")
    ticks = """return [...document.querySelectorAll('.plot[data-kind=memory] text')].map(
        (each) => each.textContent).join()"""
    before = browser.js(ticks)
    browser.js("document.querySelector('.plot[data-kind=latency] svg.chart').focus()")
    browser.keys("ARROW_RIGHT", "+", "+")
    assert browser.js(ticks) != before
    assert not browser.js("return document.querySelector('.plot[data-kind=latency] .row button').hidden")
    browser.keys("ESCAPE")
    assert browser.js(ticks) == before
    assert browser.js("return document.querySelector('.plot[data-kind=latency] .row button').hidden")


def test_dragging_zooms_and_the_button_shows_everything_again(opened):
    from selenium.webdriver.common.action_chains import ActionChains

    browser = opened("ruined")
    chart = browser.find(".plot[data-kind=latency] svg.chart")
    browser.js("arguments[0].scrollIntoView({block: 'center'})", chart)
    ActionChains(browser.driver).move_to_element_with_offset(chart, -100, 0).click_and_hold().move_by_offset(
        150, 0
    ).release().perform()
    button = browser.find(".plot[data-kind=latency] .row button")
    assert button.is_displayed()
    button.click()
    assert not button.is_displayed()


def test_hovering_tells_the_values_in_all_linked_plots(opened):
    from selenium.webdriver.common.action_chains import ActionChains

    browser = opened("ruined")
    chart = browser.find(".plot[data-kind=parts] svg.chart")
    browser.js("arguments[0].scrollIntoView({block: 'center'})", chart)
    ActionChains(browser.driver).move_to_element(chart).perform()
    told = "return [...document.querySelectorAll('.plot .readout')].map((each) => each.textContent)"
    texts = browser.js(told)
    assert any("median" in each and "ms" in each for each in texts)
    assert any("neighbour list" in each for each in texts)
    assert any("resident memory" in each and "MB" in each for each in texts)


def test_tables_sort_by_a_column_both_ways_and_back(opened):
    browser = opened("neural")
    column = """return [...document.querySelectorAll('#run1-contractions table tbody')[0].rows].map(
        (row) => row.cells[3].textContent.trim().replaceAll(',', ''))"""
    before = browser.js(column)
    button = browser.find("#run1-contractions thead th:nth-child(4) button")
    browser.js("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert browser.js(column) == sorted(before, key=float, reverse=True)
    head = (
        "return document.querySelector('#run1-contractions thead th:nth-child(4)').getAttribute('aria-sort')"
    )
    assert browser.js(head) == "descending"
    button.click()
    assert browser.js(column) == sorted(before, key=float)
    button.click()
    assert browser.js(column) == before
    assert browser.js(head) is None


def test_the_theme_can_be_chosen(opened):
    browser = opened("demo", theme="light")
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = browser.js(ground)
    browser.find("#theme").click()
    assert browser.js(ground) != light
    browser.find("#theme").click()
    assert browser.js(ground) == light
    opened("demo", theme="dark")
    assert browser.js(ground) != light


def test_the_flame_is_worked_by_keys(opened):
    browser = opened("neural")
    browser.js("document.querySelector('.piece').focus()")
    browser.keys("ARROW_DOWN", "ARROW_DOWN")
    name = browser.js("return document.activeElement.getAttribute('aria-label')")
    assert name.startswith("graph: ")
    width = "return parseFloat(document.activeElement.getAttribute('width'))"
    assert browser.js(width) < 50
    browser.keys("ENTER")
    assert browser.js(width) == 100
    assert browser.js("return document.querySelector('.flame .readout').textContent").startswith("graph: ")
    browser.keys("ARROW_UP", "ESCAPE")
    assert browser.js("return document.activeElement.getAttribute('aria-label')").startswith("wall time")
    assert browser.js("return document.querySelectorAll('.piece[visibility=hidden]').length") == 0


def test_a_click_on_a_piece_enlarges_it(opened):
    browser = opened("neural")
    browser.find(".piece.component").click()
    assert browser.js("return document.querySelector('.piece.component').getAttribute('width')") == "100%"


def test_a_finding_jumps_to_its_evidence(opened):
    browser = opened("ruined")
    link = browser.find("a.jump[data-at]")
    at = int(link.get_attribute("data-at"))
    browser.js("arguments[0].scrollIntoView({block: 'center'})", link)
    link.click()
    assert browser.js("return location.hash") in {"#run1-state", "#run1-latency"}
    visible = """const box = document.querySelector(location.hash).getBoundingClientRect();
        return box.top >= -5 && box.top < innerHeight;"""
    assert browser.wait(visible)
    told = "return document.querySelector('.plot[data-kind=latency] .readout').textContent"
    first, _, last = (
        browser.js(told).partition(":")[0].removeprefix("call ").replace(",", "").partition(" to ")
    )
    assert int(first) - 10 <= at <= int(last or first) + 10


def test_numbers_can_be_saved(opened):
    browser = opened("demo")
    saved = browser.downloads / "numbers.json"
    saved.unlink(missing_ok=True)
    browser.find("#download").click()
    end = time.monotonic() + 120
    while not saved.exists() and time.monotonic() < end:
        time.sleep(0.1)
    found = json.loads(saved.read_text(encoding="utf-8"))
    assert found["plots"]["run1"]["bins"]["calls"]
    assert found["journals"][0]["latency"]["calls"] > 0
    assert browser.said == []


def test_hostile_text_is_shown_as_text(opened):
    browser = opened("hostile")
    assert browser.js("return document.title") == "Report on hostile.jsonl"
    assert browser.js("return document.scripts.length") == 3
    assert "onerror=alert(1)" in browser.js("return document.body.innerText")
    assert browser.said == []


def test_it_prints(opened):
    browser = opened("demo")
    printed = browser.command("Page.printToPDF", printBackground=True)
    assert len(printed["data"]) > 20_000
