"""The overview in a browser: worst first, found by name and state, and by itself up to date."""

from datetime import timedelta

from console.conftest import Eyes
from console.plant import PlantProcess


def names(page: object) -> list[str]:
    return page.locator("table.assets tbody th > a").all_inner_texts()  # type: ignore[attr-defined]


def test_the_asset_that_needs_somebody_stands_first(eyes: Eyes) -> None:
    page = eyes.look("/")
    assert names(page) == ["reactor", "compressor", "spare", "air-handler"]
    row = page.locator("tr", has_text="reactor-live")
    assert "anomalous" in row.inner_text()
    label = row.locator("svg.spark").get_attribute("aria-label") or ""
    assert float(label.split("highest ")[1].split(",")[0]) > 0.5
    assert "200 are needed" in page.locator("tr", has_text="compressor").inner_text()


def test_the_address_keeps_what_was_looked_for(eyes: Eyes) -> None:
    page = eyes.look("/", phone=True)
    page.get_by_role("link", name="normal 1").click()
    assert page.url.endswith("?state=NORMAL")
    assert names(page) == ["air-handler"]
    page.get_by_label("Part of the name").fill("nothing")
    page.get_by_role("button", name="Find").click()
    assert "No asset of this kind" in page.inner_text("main")
    page.get_by_role("link", name="Show all").click()
    assert len(names(page)) == 4


def test_it_keeps_itself_up_to_date(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/")
    page.clock.install()
    page.reload()
    assert "2 min ago" in page.inner_text("table.assets")
    before = plant.now
    plant.at(before + timedelta(minutes=20))
    try:
        page.clock.fast_forward(16_000)
        page.get_by_text("22 min ago").first.wait_for()
    finally:
        plant.at(before)
