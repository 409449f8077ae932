"""The pictures of the documentation, made only when asked for.

OPENLOOKOUT_SCREENSHOTS=docs/images python -m pytest -n 0 tests/console/test_screenshots.py
"""

import os
from pathlib import Path

import pytest

from console.conftest import Eyes

FOLDER = os.environ.get("OPENLOOKOUT_SCREENSHOTS", "")
BYTES_MAX = 200_000
SENSORS = "sensor=reactor%5Cxmeas_4&sensor=reactor%5Cxmeas_18"
# Name: path, on a phone, in the dark. A path that ends in `#event` is that of the first event in its table, where its
# sensors are shown beside what was expected.
PICTURES = {
    "overview": ("/", False, True),
    "overview-phone": ("/", True, False),
    "dataset": ("/datasets/air-handler?sensor=unit%5CSupply_Air_Temperature", False, False),
    "what-if": ("/models/air-handler/what-if?factor=0.8", False, False),
    "new-model": ("/new/model?dataset=air-handler&look=unit%5CSupply_Air_Temperature", False, False),
    "model": ("/models/reactor", False, False),
    "event": ("/models/reactor#event", False, False),
    "live": ("/live/reactor-live", False, True),
    "live-event-phone": ("/live/reactor-live#event", True, False),
    "go-live": ("/new/scheduler?model=spare", False, False),
    "alerts": ("/alerts/rules", False, False),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_small_enough_for_the_documentation(eyes: Eyes, tmp_path: Path, name: str) -> None:
    path, phone, dark = PICTURES[name]
    page = eyes.look(path.removesuffix("#event"), phone=phone, dark=dark)
    if path.endswith("#event"):
        page.locator("table.events tbody th a").first.click()
        page.wait_for_url("**/events/*")
        page.goto(f"{page.url}?{SENSORS}")
        eyes.settle(page)
        page.evaluate("document.querySelector('[aria-labelledby=courses]').scrollIntoView()")
    file = Path(FOLDER or tmp_path) / f"console-{name}.png"
    page.screenshot(path=file)
    assert file.stat().st_size <= BYTES_MAX
