"""Every page, on a desk and on a phone, in the light and in the dark: axe finds nothing, and nothing sticks out."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from console.conftest import DESKTOP, PHONE, Eyes
from console.keyboard import Hands, astray
from console.plant import PlantProcess
from console.test_models import another_version

# One page of each kind, in the states that matter.
PATHS = [
    "/",
    "/datasets",
    "/datasets/air-handler",
    "/datasets/air-handler?sensor=unit%5CSupply_Air_Temperature&sensor=unit%5CMixed_Air_Temperature",
    "/datasets/empty",
    "/datasets/empty/ingest",
    "/new/dataset",
    "/models",
    "/models/air-handler",
    "/models/compressor",
    "/models/spare",
    "/models/spare/versions",
    "/models/air-handler/what-if?factor=1.3",
    "/models/compressor/what-if",
    "/models/air-handler/retraining",
    "/models/spare/retraining",
    "/live/reactor-live",
    "/live/air-handler-live",
    "/live/air-handler-live/edit",
    "/models/spare/live",
    "/new/scheduler",
    "/new/scheduler?model=spare",
    "/new/scheduler?model=compressor",
    "/new/model",
    "/new/model?dataset=air-handler&labels=drawn&off_sensor=unit%5CSupply_Air_Temperature&off_value=50",
    "/new/model/review?dataset=air-handler&name=m&sensor=unit%5CSupply_Air_Temperature&labels=drawn&drawn=2026-03-01%2C2026-03-02",
    "/labels",
    "/labels/air-handler-faults",
    "/new/label-group",
    "/alerts",
    "/alerts/rules",
    "/alerts/maintenance",
    "/alerts/log",
    "/new/channel?kind=webhook",
    "/new/channel?kind=email",
    "/new/channel?kind=mqtt",
    "/settings",
    "/settings/keys",
    "/settings/audit",
    "/settings/metrics",
    "/tags",
    "/policies",
]
SMALLEST, TWICE_AS_LARGE = {"width": 320, "height": 640}, {"width": 640, "height": 400}  # The second: a desk at 200 %.
# Not all that it says of a page: what passed is megabytes, and took longer than the checks.
VIOLATIONS = "(rules) => axe.run(document, rules).then((found) => found.violations)"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.mark.parametrize("path", PATHS)
def test_a_page_can_be_used_by_everybody(eyes: Eyes, path: str) -> None:
    check(eyes.look(path), path)


@pytest.mark.parametrize("path", ["/models/reactor", "/live/reactor-live"])
def test_the_page_of_an_event_can_be_used_by_everybody(eyes: Eyes, path: str) -> None:
    page = eyes.look(path)
    page.locator("table.events tbody th a").first.click()
    page.wait_for_url("**/events/*")
    eyes.settle(page)
    check(page, page.url)


def test_two_versions_side_by_side_can_be_used_by_everybody(eyes: Eyes, plant: PlantProcess) -> None:
    number = another_version(plant)
    check(eyes.look(f"/models/spare/versions?a=1&b={number}"), "versions")


def check(page: Page, path: str) -> None:
    _check_it_can_be_walked_through(page)
    page.evaluate(Axe().axe_script)
    for viewport in (DESKTOP, PHONE):
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(60)  # The charts are drawn anew.
            found = page.evaluate(VIOLATIONS, RULES)
            assert [_said(one) for one in found] == [], f"{path} at {viewport['width']} pixels, {scheme}"
        _check_nothing_sticks_out(page)
        _check_questions_are_seen(page)
    for viewport in SMALLEST, TWICE_AS_LARGE:
        page.set_viewport_size(viewport)
        _check_nothing_sticks_out(page)
    _check_each_zoom_has_what_to_zoom(page)


def _said(violation: dict[str, Any]) -> str:
    nodes = "; ".join(f"{node['html'][:120]} ({node['failureSummary'][:200]})" for node in violation["nodes"][:3])
    return f"{violation['id']}: {violation['help']}: {nodes}"


def _check_nothing_sticks_out(page: Page) -> None:
    """On no width the page itself scrolls sideways."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{page.url} is {wide} pixels wider than a window of {page.viewport_size}"


def _check_questions_are_seen(page: Page) -> None:
    """What asks once more stands in the window, wherever its button is."""
    for question in page.locator("details.confirm").all():
        question.locator("summary").click()
        box = question.locator(".pop").bounding_box()
        assert box
        assert page.viewport_size
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"]
        page.keyboard.press("Escape")


def _check_each_zoom_has_what_to_zoom(page: Page) -> None:
    idle = "[...document.querySelectorAll('.chart:has(.chart-tools)')].filter((one) => one.dataset.shown?.includes('undefined')).map((one) => one.id)"
    assert page.evaluate(idle) == [], "the buttons of these charts do nothing"


def _check_it_can_be_walked_through(page: Page) -> None:
    """Tab reaches all that can be used, as it is read, and shows where it is; the first skips the navigation."""
    assert astray(page) == []
    Hands(page).open(page.get_by_role("link", name="Skip to the content"))
    assert page.evaluate("document.activeElement.id") == "content"
