"""What somebody says of an event becomes a label, in the group that the next training is given."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page

from console.conftest import Eyes
from console.plant import PlantProcess
from openlookout.alerts.place import Place
from openlookout.alerts.rule_settings import rule_of
from openlookout.settings import Settings
from openlookout.store.database import Database
from serving import ROLE


def first_event(eyes: Eyes, model: str) -> Page:
    page = eyes.look(f"/models/{model}")
    page.locator("table.events tbody th a").first.click()
    eyes.settle(page)
    return page


def labels(client: Any, group: str) -> list[dict[str, Any]]:
    found = client.list_labels(LabelGroupName=group)["LabelSummaries"]
    return [client.describe_label(LabelGroupName=group, LabelId=one["LabelId"]) for one in found]


@pytest.fixture
def undone(plant: PlantProcess) -> Any:
    """Put the models back as the plant made them."""
    yield
    group = plant.client.describe_model(ModelName="reactor").get("LabelsInputConfiguration", {}).get("LabelGroupName")
    for one in labels(plant.client, group) if group else []:
        plant.client.delete_label(LabelGroupName=group, LabelId=one["LabelId"])


def test_a_model_without_labels_gets_a_group_of_its_own(eyes: Eyes, plant: PlantProcess, undone: None) -> None:
    page = first_event(eyes, "reactor")
    page.get_by_role("button", name="It was normal").click()
    page.get_by_text("Why was it normal? One sentence helps").wait_for()
    page.get_by_label("Why was it normal?").fill("A new feed was tried")
    page.get_by_role("button", name="It was normal").click()
    page.get_by_text("The next training learns it.").wait_for()
    (label,) = labels(plant.client, "reactor-verdicts")
    assert (label["Rating"], label["Notes"], label.get("FaultCode")) == ("NO_ANOMALY", "A new feed was tried", None)
    known = plant.client.describe_model(ModelName="reactor")
    assert known["LabelsInputConfiguration"] == {"LabelGroupName": "reactor-verdicts"}
    eyes.settle(page)
    assert "A new feed was tried" in page.get_by_role("region", name="Verdict").inner_text()
    page.get_by_role("button", name="Take back").click()
    page.get_by_text("The verdict is taken back.").wait_for()
    assert labels(plant.client, "reactor-verdicts") == []


def test_a_fault_is_confirmed_with_a_code_that_the_group_then_knows(
    eyes: Eyes, plant: PlantProcess, undone: None
) -> None:
    page = first_event(eyes, "reactor")
    page.get_by_label("Fault code").fill("sensor drift")
    page.get_by_role("button", name="A fault").click()
    page.get_by_text("The next training learns it.").wait_for()
    group = plant.client.describe_label_group(LabelGroupName="reactor-verdicts")
    assert "sensor drift" in group["FaultCodes"]
    (label,) = [one for one in labels(plant.client, "reactor-verdicts") if one.get("FaultCode") == "sensor drift"]
    assert label["Rating"] == "ANOMALY"


def test_labels_in_files_are_copied_into_the_group_before_the_first_verdict(
    eyes: Eyes, plant: PlantProcess, undone: None
) -> None:
    folder = plant.buckets / "plant" / "verdicts-before"
    folder.mkdir(exist_ok=True)
    (folder / "labels.csv").write_text("2026-03-10T10:00:00.000000,2026-03-10T11:00:00.000000\n")
    place = {"S3InputConfiguration": {"Bucket": "plant", "Prefix": "verdicts-before/"}}
    plant.client.update_model(ModelName="reactor", LabelsInputConfiguration=place, RoleArn=ROLE)
    page = first_event(eyes, "reactor")
    page.get_by_label("Fault code").fill("feed lost")
    page.get_by_role("button", name="A fault").click()
    page.get_by_text("The next training learns it.").wait_for()
    found = {one["StartTime"]: one for one in labels(plant.client, "reactor-verdicts")}
    copied = found.pop(datetime(2026, 3, 10, 10, tzinfo=UTC))
    assert (copied["Rating"], copied["Notes"]) == ("ANOMALY", "Copied from the label files")
    assert [one["FaultCode"] for one in found.values()] == ["feed lost"]
    known = plant.client.describe_model(ModelName="reactor")
    assert known["LabelsInputConfiguration"] == {"LabelGroupName": "reactor-verdicts"}


def test_label_files_that_cannot_be_read_stop_the_verdict_and_change_nothing(
    eyes: Eyes, plant: PlantProcess, undone: None
) -> None:
    place = {"S3InputConfiguration": {"Bucket": "plant", "Prefix": "nowhere/"}}
    plant.client.update_model(ModelName="reactor", LabelsInputConfiguration=place, RoleArn=ROLE)
    page = first_event(eyes, "reactor")
    page.get_by_role("button", name="A fault").click()
    page.get_by_text("no label file was found under s3://plant/nowhere/").wait_for()
    assert plant.client.describe_model(ModelName="reactor")["LabelsInputConfiguration"] == place
    own = {"LabelGroupName": "reactor-verdicts"}
    plant.client.update_model(ModelName="reactor", LabelsInputConfiguration=own)


def test_alerts_are_quiet_for_as_long_as_was_asked(eyes: Eyes, plant: PlantProcess) -> None:
    page = first_event(eyes, "reactor")
    page.get_by_label("Send no alerts for").select_option("12")
    page.get_by_role("button", name="Snooze").click()
    until = plant.now + timedelta(hours=12)
    page.get_by_text(f"are quiet until {until:%Y-%m-%d %H:%M}.").first.wait_for()
    database = Database(Settings(data=plant.data).database_url)
    place = Place(database, "123456789012", "us-east-1")
    assert rule_of(place, "reactor").snoozed_until == until
    page.get_by_role("button", name="Send them again").click()
    page.get_by_text("are sent again").wait_for()
    assert rule_of(place, "reactor").snoozed_until is None


def test_an_event_shows_past_events_like_it_and_what_was_said_of_them(eyes: Eyes, plant: PlantProcess) -> None:
    page = first_event(eyes, "reactor")
    rows = page.get_by_role("region", name="Similar past events").locator("tbody tr")
    assert rows.count() >= 1
    assert "live" in rows.first.inner_text()
