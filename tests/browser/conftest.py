"""A real browser, headless, and the pages of runs of many kinds.

Chromium and its driver are the system's; `BROWSER_SCREENSHOTS` names a folder to keep the screenshots in.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.browser.journals import JOURNALS

from instrumented_calc.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEIGHT = 1400  # of the view, in pixels
PATIENCE_S = 120  # a busy machine is no reason to fail
SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
)


class Browser:
    """Chromium, and what it said and requested.

    Args:
        driver: Its driver.
        downloads: Folder for downloads.
    """

    def __init__(self, driver, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads

    def command(self, name: str, **parameters):
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, parameters)

    def open(self, page: Path, width: int = 1000, theme: str = "light", *, script: bool = True) -> None:
        """Open a page and wait until it is drawn."""
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        self.command("Emulation.setScriptExecutionDisabled", value=not script)
        self.command(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}]
        )
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=HEIGHT,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.driver.get(page.as_uri())
        if script:
            self.wait("return document.body.dataset.drawn === 'yes'")

    def screenshot(self, path: Path) -> None:
        """Keep a picture of what is in view."""
        self.driver.save_screenshot(str(path))

    def js(self, code: str, *arguments):
        """Run a script in the page and return its result."""
        return self.driver.execute_script(code, *arguments)

    def find(self, selector: str):
        """Return the first element of a CSS selector."""
        return self.driver.find_element("css selector", selector)

    def wait(self, code: str):
        """Wait until a script returns something true, and return that."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, PATIENCE_S).until(lambda driver: driver.execute_script(code))

    def keys(self, *pressed: str) -> None:
        """Press keys, by the names that selenium has for them."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        for each in pressed:
            ActionChains(self.driver).send_keys(getattr(Keys, each, each)).perform()

    @property
    def said(self) -> list[str]:
        """Messages in the console since the last page was opened."""
        return [each["message"] for each in self.driver.get_log("browser")]

    @property
    def requested(self) -> set[str]:
        """Addresses requested since then."""
        found = set()
        for each in self.driver.get_log("performance"):
            message = json.loads(each["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.add(message["params"]["request"]["url"])
        return found


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[Browser]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    profile = tmp_path_factory.mktemp("profile")
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    downloads = tmp_path_factory.mktemp("downloads")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        made = Browser(driver, downloads)
        made.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))
        yield made
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def page(tmp_path_factory) -> Callable[[str], Path]:
    """Return the page of a run of some kind, made once by the command."""
    folder = tmp_path_factory.mktemp("pages")

    def of(kind: str) -> Path:
        made = folder / f"{kind}.html"
        if not made.exists():
            journal = folder / f"{kind}.jsonl"
            JOURNALS[kind](journal)
            assert main(["report", str(journal), "--html", str(made)]) == 0
        return made

    return of


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory) -> Path:
    """Return the folder for screenshots."""
    wanted = os.environ.get("BROWSER_SCREENSHOTS")
    folder = Path(wanted) if wanted else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
