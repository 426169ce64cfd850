"""Pages of comparisons, scalings, studies, models, trials and job sizes in a real browser."""

from __future__ import annotations

import json
import time

import pytest
from tests.browser.overlaps import cut_off, overlapping
from tests.browser.results import RESULTS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(280)]

WIDTHS = (400, 1000, 2000)
DRAWN = {
    "comparison": 6 + 7 + 8 + 8,
    "incomparable": 0,
    "scaling": 4,
    "study": 6,
    "models": 4 + 4,
    "trial": 3,
    "job": 0,
}
OUTSIDE = """
const marks = document.querySelectorAll('svg.chart :is(rect.bucket, circle.bucket, path.line)');
return [...marks].filter((mark) => {
  const around = mark.closest('svg.chart').getBoundingClientRect(), box = mark.getBoundingClientRect();
  return box.left < around.left - 6 || box.right > around.right + 6 || box.top < around.top - 6
    || box.bottom > around.bottom + 6;
}).length
"""


@pytest.fixture(scope="session")
def result(tmp_path_factory):
    """Return the page of an experiment, made once."""
    folder = tmp_path_factory.mktemp("results")

    def of(kind: str):
        made = folder / f"{kind}.html"
        if not made.exists():
            RESULTS[kind](made)
        return made

    return of


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", RESULTS)
def test_it_is_drawn_says_nothing_and_requests_nothing(  # noqa: PLR0913, PLR0917 - fixtures and variants
    browser, result, kind, width, theme, screenshots
):
    page = result(kind)
    browser.open(page, width=width, theme=theme)
    assert browser.js("return document.documentElement.scrollWidth") <= width
    browser.screenshot(screenshots / f"{kind}-{width}-{theme}.png")
    assert browser.js("return document.querySelectorAll('.bucket').length") == DRAWN[kind]
    assert browser.js(OUTSIDE) == 0
    assert overlapping(browser) == []
    assert cut_off(browser) == []
    assert browser.js("return document.images.length") == 0
    assert browser.said == []
    assert {each for each in browser.requested if not each.startswith("data:")} == {page.as_uri()}
    assert page.stat().st_size <= 300_000


def test_drawings_and_numbers_are_there_without_the_script(browser, result):
    browser.open(result("comparison"), script=False)
    try:
        source = browser.driver.page_source
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)
    assert source.count('class="bucket"') == DRAWN["comparison"]
    assert "95 % interval" in source


def test_all_numbers_can_be_saved(browser, result):
    browser.open(result("scaling"))
    saved = browser.downloads / "numbers.json"
    saved.unlink(missing_ok=True)
    browser.find("#download").click()
    end = time.monotonic() + 120
    while not saved.exists() and time.monotonic() < end:
        time.sleep(0.1)
    found = json.loads(saved.read_text(encoding="utf-8"))
    assert [each["n_atoms"] for each in found["sizes"]] == [32, 108, 256, 10_000]


def test_hostile_text_is_shown_as_text(browser, result):
    browser.open(result("models"))
    assert browser.js("return document.scripts.length") == 3
    assert "onerror=alert(1)" in browser.js("return document.body.innerText")
    assert browser.said == []
