"""The page of a fleet in a real browser."""

import pytest
from tests.browser.overlaps import cut_off, overlapping
from tests.fleets import Made, write_fleet, write_run

from instrumented_calc.cli import main

pytestmark = [pytest.mark.browser, pytest.mark.timeout(280)]
SHOWN = "return [...document.querySelectorAll('{}')].filter((each) => each.offsetParent !== null).length"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleet")
    write_fleet(folder, runs=60, nodes=11, torn=2, foreign=3, slow_runs=5)
    for number in range(6):
        write_run(folder / f"old-{number}.jsonl", Made(f"old{number % 3}", 25.0, cpu="an older processor"))
    made = folder / "r.html"
    assert main(["report", str(folder / "*.jsonl"), "--html", str(made)]) == 0
    return made


@pytest.mark.parametrize("width", [400, 1000, 2000])
def test_it_is_drawn_says_nothing_and_requests_nothing(browser, page, width, screenshots):
    browser.open(page, width=width)
    browser.screenshot(screenshots / f"fleet-{width}.png")
    assert browser.js("return document.documentElement.scrollWidth") <= width
    assert overlapping(browser) == []
    assert cut_off(browser) == []
    assert browser.js(SHOWN.format(".charts section.panel")) == 2
    assert browser.said == []
    assert {each for each in browser.requested if not each.startswith("data:")} == {page.as_uri()}


def test_words_filter_rows_and_figures(browser, page):
    browser.open(page)
    field = browser.find("p.filter input")
    field.send_keys("older processor")
    assert browser.js(SHOWN.format(".charts section.panel")) == 1
    field.clear()
    field.send_keys("slow run-")
    assert browser.js(SHOWN.format("table.data tbody tr")) == 5
    assert browser.find("p.filter output").text.startswith("5 of ")
    assert browser.js(SHOWN.format(".charts section.panel")) == 0


def test_without_the_script_it_is_a_table_of_all_runs(browser, page):
    browser.open(page, script=False)
    try:
        source = browser.driver.page_source
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
    assert all(f"run-{number}.jsonl" in source for number in range(60))
    assert source.count('class="bucket"') == 12 + 3
