"""A real browser on a real service: one plant a test run, one browser a test process.

Every page that a test opens is watched: an error in its console or a request to another host fails the test.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from console.plant import PlantProcess, build

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--font-render-hinting=none",
)
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
BUILD_SECONDS_MAX = 600
WAIT_MS_MAX = 60_000  # Of a machine that does much besides.
expect.set_options(timeout=WAIT_MS_MAX)
ALL_DRAWN = """[...document.querySelectorAll("[data-chart]")].every((one) =>
    !one.checkVisibility() || one.dataset.drawn || one.querySelector(".chart-state.bad"))"""


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlantProcess]:
    """The plant, served: built by whichever test process comes first, a copy for each."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root
    built = shared / "plant"
    try:
        (shared / "plant-begun").mkdir()
    except FileExistsError:
        _wait_for(built / "now")
    else:
        building = shared / "plant-building"
        now = build(building)
        (building / "now").write_text(now.isoformat())
        building.rename(built)
    data = tmp_path_factory.mktemp("plant")
    shutil.copytree(built, data, dirs_exist_ok=True)
    process = PlantProcess(data, datetime.fromisoformat((built / "now").read_text()))
    yield process
    process.stop()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + BUILD_SECONDS_MAX
    while not path.exists():
        assert time.monotonic() < deadline, "another test process did not get the plant ready"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    if not Path(CHROMIUM).exists():
        pytest.fail(
            f"The tests of the console need Chromium, and {CHROMIUM} is not there. On Debian or Ubuntu: "
            "'apt-get install chromium'; elsewhere set CHROMIUM to the path of its executable.",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*FLAGS])
        yield launched
        launched.close()


class Eyes:
    """Opens pages of a service and watches them; `troubles` is what must not happen."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self.url = browser, url
        self.troubles: list[str] = []
        self._contexts: list[BrowserContext] = []

    def context(self, *, phone: bool = False, dark: bool = False, **more: Any) -> BrowserContext:
        """A browser of its own: no cookie of another."""
        context = self._browser.new_context(
            base_url=self.url,
            viewport=PHONE if phone else DESKTOP,
            is_mobile=phone,
            has_touch=phone,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            locale="en-GB",
            **more,
        )
        context.set_default_timeout(WAIT_MS_MAX)
        self._contexts.append(context)
        context.on("request", self._check_request)
        context.on("weberror", lambda error: self.troubles.append(f"script: {error.error}"))
        return context

    def look(self, path: str, *, phone: bool = False, dark: bool = False) -> Page:
        """Open a page and wait until its charts are drawn."""
        page = self.context(phone=phone, dark=dark).new_page()
        self.watch(page)
        page.goto(path)
        self.settle(page)
        return page

    def watch(self, page: Page) -> None:
        """Take errors and warnings of the page's console for trouble."""
        page.on(
            "console",
            lambda said: (
                self.troubles.append(f"console: {said.text} ({said.location['url']})")
                if said.type in {"error", "warning"}
                else None
            ),
        )

    def settle(self, page: Page) -> None:
        """Wait until every chart on the page is drawn, or says why not."""
        deadline = time.monotonic() + WAIT_MS_MAX / 1000
        while not page.evaluate(ALL_DRAWN):  # Not wait_for_function: the page's policy forbids what that does.
            assert time.monotonic() < deadline, f"{page.url}: a chart was not drawn"
            page.wait_for_timeout(50)

    @contextmanager
    def forgiving(self, part: str) -> Iterator[None]:
        """Let a trouble happen whose text has a part: the browser logs every answer of 400 and above."""
        before = len(self.troubles)
        yield
        kept = [trouble for trouble in self.troubles[before:] if part not in trouble]
        self.troubles[before:] = kept

    def _check_request(self, request: Request) -> None:
        if not request.url.startswith((self.url + "/", "data:", "blob:")):
            self.troubles.append(f"request to another host: {request.url}")

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def eyes(browser: Browser, plant: PlantProcess) -> Iterator[Eyes]:
    """Looks at the plant's console; at the end nothing must have gone wrong."""
    looking = Eyes(browser, plant.url)
    yield looking
    looking.close()
    assert looking.troubles == []
