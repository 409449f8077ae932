"""Each thing that people come for, done with the keys alone: what can be dragged can be typed, what opens closes."""

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from console.conftest import Eyes
from console.keyboard import Hands
from console.plant import PlantProcess
from console.test_security import console
from serving import wait


def test_somebody_signs_in_and_out(browser: Browser, tmp_path: Path) -> None:
    with console(tmp_path, with_keys=True) as served:
        assert served.full
        eyes = Eyes(browser, f"http://127.0.0.1:{served.port}")
        page = eyes.look("/datasets")
        hands = Hands(page)
        page.keyboard.type(served.full.id)  # The first field has the focus.
        hands.press("Tab")
        page.keyboard.type(served.full.secret)
        hands.press("Enter")
        page.wait_for_url("**/datasets")
        hands.open(page.get_by_role("button", name="Sign out"))
        page.wait_for_url("**/sign-in*")
        eyes.close()
        assert eyes.troubles == []


def test_the_way_from_the_overview_to_a_verdict_and_back(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/")
    hands = Hands(page)
    hands.open(page.get_by_role("link", name="reactor", exact=True))
    page.wait_for_url("**/models/reactor")
    eyes.settle(page)
    score = page.locator("#scores")
    hands.to(score.get_by_role("button", name="Zoom in"))
    with page.expect_response(lambda answer: "/figures/" in answer.url and "from=" in answer.url):
        hands.press("Enter")
    expect(score.get_by_role("button", name="Zoom in")).to_be_focused()
    hands.open(score.get_by_text("Show as a table"))
    expect(score.locator("tbody tr").first).to_be_visible()
    hands.press("Tab")
    expect(score.get_by_role("region")).to_be_focused()  # It scrolls with the arrows; the chart itself is no step.
    hands.to(page.get_by_label("Version", exact=True))
    hands.press("Tab")
    assert hands.at == "Show"
    hands.open(page.locator("table.events tbody th a").first)
    page.wait_for_url("**/events/*")
    eyes.settle(page)
    hands.fill(page.get_by_label("Fault code"), "feed lost")
    hands.fill(page.get_by_label("What was it?"), "A valve stuck")
    hands.open(page.get_by_role("button", name="A fault"))
    page.get_by_text("The next training learns it.").wait_for()
    (label,) = plant.client.list_labels(LabelGroupName="reactor-verdicts", FaultCode="feed lost")["LabelSummaries"]
    assert label["Rating"] == "ANOMALY"
    hands.to(page.get_by_role("button", name="Take back"))
    hands.press("Space")
    page.get_by_text("The verdict is taken back.").wait_for()


def test_a_model_is_made_of_typed_ranges_and_deleted_after_a_question(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/new/model")
    hands = Hands(page)
    hands.open(page.get_by_role("link", name="air-handler"))
    page.wait_for_url("**/new/model?*")
    eyes.settle(page)
    hands.fill(page.get_by_label("Name of the model"), "typed")
    hands.to(page.get_by_label("zooms"))
    hands.press("ArrowRight")
    expect(page.get_by_label("sets the training range")).to_be_checked()
    # Day and month are the same, and it is before noon: whatever order and clock the browser's language asks for.
    hands.time(page.locator("[name=train_from]"), "03032026", "010203a")
    hands.time(page.locator("[name=train_to]"), "03032026", "020203a")
    assert page.locator("[name=train_to]").input_value() == "2026-03-03T02:02:03"
    hands.to(page.get_by_label("Sensor", exact=True))
    hands.press("ArrowDown")
    hands.fill(page.get_by_label("Value"), "0")
    hands.press("Tab")
    expect(page.locator("#off .chart-state")).to_contain_text("Off in")
    hands.to(page.get_by_label("None", exact=True))
    hands.press("ArrowRight")
    hands.fill(page.get_by_label("A line each"), "2026-03-11 09:00, 2026-03-11 10:00, valve leaking")
    hands.open(page.get_by_role("button", name="Review", exact=True))
    page.wait_for_url("**/review?*")
    assert "'StartTime'" not in page.locator("#boto3").inner_text()
    assert "FaultCode='valve leaking'" in page.locator("#boto3").inner_text()
    with eyes.forgiving("/models/typed"):  # What that page shows is not asked here.
        hands.open(page.get_by_role("button", name="Train the model"))
        page.wait_for_url("**/models/typed")
    made = wait(lambda: plant.client.describe_model(ModelName="typed"))
    assert made["Status"] == "FAILED", "an hour is too short"
    assert f"{made['TrainingDataStartTime']:%d %H:%M:%S}" == "03 01:02:03"
    page.goto("/models/typed")
    question = page.locator("details.confirm")
    hands.open(question.get_by_text("Delete", exact=True))
    hands.press("Escape")
    expect(question.locator(".pop")).to_be_hidden()
    assert hands.at == "Delete", "who closes a question is where it was asked"
    hands.press("Enter", "Tab")
    page.keyboard.type("typed")
    hands.press("Tab", "Enter")
    page.get_by_text("The model typed is deleted").wait_for()
    plant.client.delete_label_group(LabelGroupName="typed-labels")


def test_a_question_closes_when_the_focus_goes_on(eyes: Eyes) -> None:
    page = eyes.look("/models/compressor")
    hands, question = Hands(page), page.locator("details.confirm")
    hands.open(question.get_by_text("Delete", exact=True))
    expect(question.locator(".pop")).to_be_visible()
    hands.to(page.get_by_role("link", name="Evaluation"))
    expect(question.locator(".pop")).to_be_hidden()


def test_the_limit_is_moved_with_the_arrows(eyes: Eyes) -> None:
    page = eyes.look("/models/air-handler/what-if")
    hands = Hands(page)
    hands.to(page.get_by_label("Less or more"))
    with page.expect_response(lambda answer: "figures/timeline" in answer.url and "factor=1.01" in answer.url):
        hands.press("ArrowRight")
    expect(page.get_by_role("heading", name="Alarms at × 1.01")).to_be_visible()
    assert page.get_by_label("Its limit times").input_value() == "1.01"
    expect(page.get_by_label("Less or more")).to_be_focused()
    hands.press("PageUp")
    expect(page.get_by_role("heading", name=re.compile(r"Alarms at × 1\.2"))).to_be_visible()
    hands.to(page.get_by_role("button", name="Apply as a new version"))
    shown_in_window(page)


def shown_in_window(page: Page) -> None:
    """What has the focus is seen, and nothing lies over it."""
    seen = page.evaluate(
        """() => { const one = document.activeElement, box = one.getBoundingClientRect();
        return one.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)); }"""
    )
    assert seen, "it has the focus, and cannot be seen"
