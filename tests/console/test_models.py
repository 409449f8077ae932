"""The pages of a model in a browser: what its evaluation found, its versions, its schedule."""

import re
from datetime import UTC, datetime

from console.conftest import Eyes
from console.plant import PlantProcess
from serving import wait


def test_the_model_page_says_what_was_found_and_leads_to_what_led_an_event(eyes: Eyes) -> None:
    page = eyes.look("/models/air-handler")
    facts = page.get_by_role("region", name="What the version is").inner_text()
    assert re.search(r"Found\s+\d+ of \d+ labelled", facts)
    assert page.locator("#scores").get_attribute("data-drawn") == "yes"
    page = eyes.look("/models/reactor")
    page.locator("table.events tbody th a").first.click()
    eyes.settle(page)
    assert page.locator("table.leading tbody tr").count() >= 1
    share = page.locator("table.leading svg.share").first.get_attribute("aria-label") or ""
    assert "an even share is" in share
    assert "bad" not in (page.locator("#course-1 .chart-state").get_attribute("class") or "")
    assert page.get_by_text("Order of onset").count() == 1


def test_zooming_asks_for_finer_scores_and_the_address_keeps_the_range(eyes: Eyes) -> None:
    page = eyes.look("/models/air-handler")
    with page.expect_response(lambda answer: "figures/scores" in answer.url) as asked:
        page.locator("#scores").get_by_role("button", name="Zoom in").click()
    figure = asked.value.json()
    assert figure["end"] - figure["start"] < figure["last"] - figure["first"]
    assert "from=" in page.url
    page.reload()
    eyes.settle(page)
    with page.expect_response(lambda answer: "figures/scores" in answer.url) as asked:
        page.locator("#scores").get_by_role("button", name="All").click()
    figure = asked.value.json()
    assert (figure["start"], figure["end"]) == (figure["first"], figure["last"])


def test_what_is_shown_first_was_kept_ready_and_is_what_the_rows_say(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.context().new_page()
    page.goto("/models/reactor")
    page.locator("svg.sketch path.line, #scores[data-drawn]").first.wait_for(state="attached")
    ready = page.request.get("/models/reactor/figures/scores?version=1").json()
    edges = {name: iso(ready[name]) for name in ("first", "last")}
    asked = f"/models/reactor/figures/scores?version=1&from={edges['first']}&to={edges['last']}"
    assert page.request.get(asked).json() == ready
    assert page.request.get("/models/reactor?from=2026-03-09&to=2026-03-10").text().count("sketch") == 0


def iso(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def another_version(plant: PlantProcess) -> int:
    """Give a version of the model `spare` that is not active; it is imported once more if there is none."""
    client = plant.client
    listed = client.list_model_versions(ModelName="spare", MinModelVersion=2)["ModelVersionSummaries"]
    if listed:
        return int(listed[-1]["ModelVersion"])
    source = client.describe_model_version(ModelName="reactor", ModelVersion=1)["ModelVersionArn"]
    made = client.import_model_version(SourceModelVersionArn=source, ModelName="spare", DatasetName="reactor")
    number = int(made["ModelVersion"])
    wait(lambda: client.describe_model_version(ModelName="spare", ModelVersion=number))
    return number


def test_a_version_is_activated_and_rolled_back_with_one_click(eyes: Eyes, plant: PlantProcess) -> None:
    client, number = plant.client, another_version(plant)
    page = eyes.look("/models/spare/versions")
    row = page.locator("tbody tr", has=page.get_by_role("rowheader", name=f"Version {number}", exact=True))
    row.get_by_role("button", name="Activate").click()
    page.get_by_text(f"Version {number} is active").wait_for()
    assert client.describe_model(ModelName="spare")["ActiveModelVersion"] == number
    page.get_by_role("button", name="Roll back").click()
    page.get_by_text("Version 1 is active").wait_for()
    assert client.describe_model(ModelName="spare")["ActiveModelVersion"] == 1


def test_two_versions_stand_side_by_side_and_zoom_together(eyes: Eyes, plant: PlantProcess) -> None:
    another_version(plant)
    page = eyes.look("/models/spare/versions", phone=True)
    page.get_by_role("button", name="Compare").click()
    eyes.settle(page)
    heads = page.locator("table.pair thead th").all_inner_texts()
    assert len(set(heads)) == 3
    with page.expect_response(lambda answer: "figures/scores" in answer.url and "version=2" in answer.url):
        page.locator("#scores-1").get_by_role("button", name="Zoom in").click()


def test_a_version_that_could_not_be_made_says_why_and_what_to_do(eyes: Eyes) -> None:
    page = eyes.look("/models/compressor")
    said = page.get_by_role("alert").inner_text()
    assert "could not be made" in said
    assert "Correct what is named" in said


def test_a_schedule_for_retraining_is_made_changed_stopped_and_deleted(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/models/spare/retraining")
    page.get_by_label("How often").select_option("P3M")
    page.get_by_label("Then").select_option("MANUAL")
    page.get_by_role("button", name="Retrain by this schedule").click()
    page.get_by_text("The schedule is kept.").wait_for()
    known = plant.client.describe_retraining_scheduler(ModelName="spare")
    assert (known["RetrainingFrequency"], known["PromoteMode"]) == ("P3M", "MANUAL")
    page.get_by_label("How often").select_option("P1Y")
    page.get_by_role("button", name="Keep the changes").click()
    page.get_by_text("The schedule is kept.").wait_for()
    assert plant.client.describe_retraining_scheduler(ModelName="spare")["RetrainingFrequency"] == "P1Y"
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Retraining is stopped.").wait_for()
    page.locator("#schedule-state").get_by_text("stopped", exact=True).wait_for()  # The page follows by itself.
    page.locator("summary", has_text="Delete").click()
    page.locator("details[open]").get_by_role("button", name="Delete").click()
    page.get_by_text("The schedule is deleted.").wait_for()
    assert "Retrain by this schedule" in page.inner_text("main")


def test_deleting_a_model_asks_for_its_name_and_says_what_still_uses_it(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/models/reactor")
    page.locator("summary", has_text="Delete").click()
    page.get_by_label("Type the name to be sure").fill("other")
    page.get_by_role("button", name="Delete the model").click()
    page.get_by_text("Nothing was deleted").wait_for()
    page.locator("summary", has_text="Delete").click()
    page.get_by_label("Type the name to be sure").fill("reactor")
    page.get_by_role("button", name="Delete the model").click()
    page.get_by_text("is used by the inference scheduler 'reactor-live'").wait_for()
    assert plant.client.describe_model(ModelName="reactor")["Status"] == "SUCCESS"
