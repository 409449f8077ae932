"""What-if in a browser: a stretch replayed, the limit moved, another version beside it, and a new version of it."""

import re
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from console.conftest import Eyes
from console.plant import PlantProcess
from console.test_models import another_version
from console.test_security import console, token
from serving import wait


def replay(eyes: Eyes, page: Page, start: datetime, end: datetime, version: int | None = None) -> None:
    """Fill the form, and wait until the page shows what came of it by itself."""
    if version is not None:
        page.locator("#f-version").select_option(str(version))
    page.get_by_label("From (UTC)").fill(f"{start:%Y-%m-%d %H:%M}")
    page.get_by_label("to", exact=True).fill(f"{end:%Y-%m-%d %H:%M}")
    page.get_by_role("button", name="Replay").click()
    page.get_by_role("region", name="What limits come to").wait_for()
    eyes.settle(page)


def column(page: Page, number: int) -> dict[str, str]:
    """A column of what limits come to: row -> cell."""
    rows = page.locator("table.tried tbody tr")
    return {row.locator("th").inner_text(): row.locator("td").nth(number).inner_text() for row in rows.all()}


def evaluated(plant: PlantProcess, model: str) -> tuple[datetime, datetime]:
    described = plant.client.describe_model_version(ModelName=model, ModelVersion=1)
    return described["EvaluationDataStartTime"], described["EvaluationDataEndTime"]


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
def test_the_limit_is_moved_and_what_follows_is_seen_at_once(
    eyes: Eyes, plant: PlantProcess, phone: bool, dark: bool
) -> None:
    page = eyes.look("/models/air-handler/what-if", phone=phone, dark=dark)
    replay(eyes, page, *evaluated(plant, "air-handler"))
    own = column(page, 0)
    caught = re.fullmatch(r"(\d+) of (\d+)", own["Failures caught"])
    assert caught
    described = eyes.look("/models/air-handler").get_by_role("region", name="What the version is").inner_text()
    assert re.search(rf"Found\s+{caught[1]} of {caught[2]} labelled", described)
    with page.expect_response(lambda answer: "figures/timeline" in answer.url and "factor=2" in answer.url) as asked:
        page.get_by_label("Its limit times").fill("2")
        page.get_by_label("Its limit times").press("Tab")
    figure = asked.value.json()
    assert figure["lines"] == [{"y": 2.0, "text": "limit"}]
    expect(page.get_by_role("status").filter(has_text="At the limit")).to_contain_text("At the limit × 2:")
    expect(page.get_by_role("heading", name="Alarms at × 2")).to_be_visible()
    eyes.settle(page)
    moved = column(page, 1)
    n_drawn = len([one for one in figure["ranges"] if one["kind"] == "event"])  # Those side by side are drawn as one.
    assert n_drawn <= int(moved["Alarms in this stretch"].replace(",", "")) <= int(own["Alarms in this stretch"])
    assert parse_qs(urlsplit(page.url).query)["factor"] == ["2"]
    page.reload()
    eyes.settle(page)
    assert (column(page, 0), column(page, 1)) == (own, moved)
    slide = page.get_by_label("Less or more")
    slide.focus()
    slide.press("Home")
    expect(page.get_by_role("status").filter(has_text="At the limit")).to_contain_text("At the limit × 0.5:")
    assert page.get_by_label("Its limit times").input_value() == "0.5"
    assert page.locator("#cost").get_attribute("data-drawn") == "yes"
    assert page.locator("#gain").get_attribute("data-drawn") == "yes"


def test_without_a_script_the_limit_is_moved_by_a_form(eyes: Eyes) -> None:
    page = eyes.context(java_script_enabled=False).new_page()
    page.goto("/models/air-handler/what-if")
    assert not page.locator("#slide").is_visible()
    page.get_by_label("Its limit times").fill("1.7")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("heading", name="Alarms at × 1.7").wait_for()
    assert "factor=1.7" in page.url


def test_an_alarm_leads_to_its_place_in_the_course(eyes: Eyes) -> None:
    page = eyes.look("/models/air-handler/what-if?factor=0.5")
    page.locator("#alarm-list tbody th a").first.click()
    eyes.settle(page)
    assert "from=" in page.url
    assert page.locator("#timeline").get_attribute("data-drawn") == "yes"
    assert page.get_by_label("Its limit times").input_value() == "0.5"


def test_another_version_stands_beside_it_over_the_same_stretch(eyes: Eyes, plant: PlantProcess) -> None:
    number = another_version(plant)
    start, end = evaluated(plant, "reactor")
    page = eyes.look("/models/spare/what-if", phone=True)
    assert "Replay a stretch of data through a version" in page.inner_text("main")
    replay(eyes, page, start, end, version=1)
    page.locator("#f-beside-version").select_option(str(number))
    page.get_by_role("button", name="Compare").click()
    page.get_by_label(f"The limit of version {number} times").wait_for()
    eyes.settle(page)
    assert page.locator("table.tried thead th").all_inner_texts()[1:] == [
        "Version 1 × 1\nas it is",
        f"Version {number} × 1\nas it is",
    ]
    assert column(page, 0) == column(page, 1), "it is a copy"
    page.get_by_label(f"The limit of version {number} times").fill("1.5")
    page.get_by_label(f"The limit of version {number} times").press("Tab")
    expect(page.locator("table.tried thead th").nth(2)).to_have_text(re.compile("× 1.5"))
    with page.expect_response(lambda answer: "figures/timeline" in answer.url and "factor=1.5" in answer.url):
        page.locator("#timeline").get_by_role("button", name="Zoom in").click()


def test_what_was_seen_becomes_a_version_with_one_click(eyes: Eyes, plant: PlantProcess) -> None:
    another_version(plant)
    start, end = evaluated(plant, "reactor")
    page = eyes.look("/models/spare/what-if")
    replay(eyes, page, start, end, version=1)
    assert page.get_by_role("button", name="Apply as a new version").count() == 0
    page.get_by_label("Its limit times").fill("1.3")
    page.get_by_label("Its limit times").press("Tab")
    page.get_by_role("button", name="Apply as a new version").click()
    said = page.get_by_text("is being made with the limit × 1.3").inner_text()
    found = re.match(r"Version (\d+) is", said)
    assert found
    number = int(found[1])

    def made() -> dict[str, str]:
        described = plant.client.describe_model_version(ModelName="spare", ModelVersion=number)
        return {**described, "Status": described["Status"].replace("IMPORT_IN_PROGRESS", "IN_PROGRESS")}

    described = wait(made)
    assert (described["Status"], described["SourceType"]) == ("SUCCESS", "IMPORT")
    assert described["SourceModelVersionArn"].endswith("/model-version/1")
    row = page.locator("tbody tr", has=page.get_by_role("rowheader", name=f"Version {number}", exact=True))
    expect(row).to_contain_text("from version 1, limit × 1.3")
    row.get_by_role("button", name="Activate").click()
    page.get_by_text(f"Version {number} is active").wait_for()
    page.goto("/models/spare/retraining")
    assert f"The limit of the active version {number} was moved, × 1.3" in page.inner_text("main")
    page.goto("/models/spare")
    faults = page.get_by_role("region", name="Which faults it would find").inner_text()
    assert "the limit of this version is that × 1.3. It finds nothing smaller" in faults
    plant.client.update_active_model_version(ModelName="spare", ModelVersion=1)


def test_a_stretch_without_data_and_a_range_that_is_none_say_what_to_do(eyes: Eyes) -> None:
    page = eyes.look("/models/reactor/what-if")
    page.get_by_label("From (UTC)").fill("2020-01-01")
    page.get_by_label("to", exact=True).fill("2020-01-02")
    page.get_by_role("button", name="Replay").click()
    said = page.get_by_role("alert")
    expect(said).to_contain_text("There is no reading from 2020-01-01T00:00:00Z to 2020-01-02T00:00:00Z; the data runs")
    expect(said).to_contain_text("Choose another stretch below")
    page.get_by_label("to", exact=True).fill("2019-01-02")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("alert").first).to_contain_text("The stretch must end after it begins")
    with eyes.forgiving("400 (Bad Request)"):
        page.goto("/models/air-handler/what-if?factor=70")
        assert "The limit is multiplied with 0.5 to 3, not '70'" in page.inner_text("main")
    page.goto("/models/reactor/what-if")
    page.get_by_role("button", name="Forget").first.click()
    expect(page.get_by_role("heading", name="What if the limit were another?")).to_be_visible()


def test_who_may_only_look_starts_and_applies_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    with console(tmp_path_factory.mktemp("looking"), with_keys=True) as served:
        client = served.signed_in(served.looking)
        csrf = token(client.get("/settings").text)
        for action in ("run", "stop", "apply"):
            form = {"csrf": csrf, "version": "1", "start": "2026-01-01", "end": "2026-01-02", "run": "x", "factor": "2"}
            refused = client.post(f"/models/pump/what-if/{action}", data=form)
            assert refused.status_code == 303
            assert "This access key is read-only" in client.get("/settings").text
        bare = client.post("/models/pump/what-if/run", data={"version": "1"})
        assert bare.status_code == 403, "a form of another page"
