"""A model made in a browser: ranges dragged, off stretches seen, labels drawn, all of it a program that does the same."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from console.conftest import Eyes
from console.plant import PlantProcess
from openlookout.api.errors import ValidationException
from openlookout.console.training_plan import as_boto3, drawn_labels, plan
from openlookout.timeseries.schema import Component
from serving import wait

SCHEMA = (Component("pump", "t", ("flow", "temperature")), Component("motor", "time", ("current",)))
ALL = [name for one in SCHEMA for name in one.full_names]


def drag(page: Page, chart: str, share_from: float, share_to: float) -> None:
    """Drag over the plot of a chart, from one share of its width to another."""
    plot = page.locator(f"#{chart} .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * share_from, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (share_from + share_to) / 2, middle, steps=3)
    page.mouse.move(box["x"] + box["width"] * share_to, middle, steps=3)
    page.mouse.up()


def at(page: Page, name: str) -> datetime:
    return datetime.fromisoformat(page.locator(f"[name={name}]").input_value()).replace(tzinfo=UTC)


def test_a_model_is_made_from_what_was_dragged_and_drawn(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/datasets/air-handler")
    page.get_by_role("link", name="New model").click()
    eyes.settle(page)
    page.get_by_label("Name of the model").fill("dragged")
    page.get_by_label("sets the training range").check()
    drag(page, "readings", 0.0, 0.5)
    expect(page.locator("[name=train_to]")).to_have_value(re.compile("2026-03-09"))
    page.wait_for_timeout(500)  # The ranges are drawn anew.
    page.get_by_label("sets the evaluation range").check()
    drag(page, "readings", 0.55, 0.9)
    expect(page.locator("[name=evaluate_from]")).to_have_value(re.compile("2026-03-10"))
    page.wait_for_timeout(500)
    assert at(page, "train_to") < datetime(2026, 3, 10, tzinfo=UTC)
    assert at(page, "train_to") < at(page, "evaluate_from") < at(page, "evaluate_to")
    page.get_by_label("draws a label").check()
    drag(page, "readings", 0.6, 0.65)
    lines = page.get_by_label("A line each: start, end, fault code, notes")
    expect(lines).to_have_value(re.compile(r"^2026-03-1\d \d\d:\d\d, 2026-03-1\d \d\d:\d\d, $"), timeout=10_000)
    lines.fill(lines.input_value() + "valve leaking")
    page.get_by_label("Sampling rate").select_option("PT15M")
    page.get_by_role("button", name="Review", exact=True).click()
    code = page.locator("#boto3").inner_text()
    assert "client.create_label_group(\n    LabelGroupName='dragged-labels'" in code
    assert "FaultCode='valve leaking'" in code
    with eyes.forgiving("/models/dragged"):  # What that page shows is not asked here.
        page.get_by_role("button", name="Train the model").click()
        page.wait_for_url("**/models/dragged")
    made = wait(lambda: plant.client.describe_model(ModelName="dragged"))
    assert made["Status"] == "SUCCESS", made.get("FailedReason")
    assert made["DataPreProcessingConfiguration"] == {"TargetSamplingRate": "PT15M"}
    assert made["LabelsInputConfiguration"] == {"LabelGroupName": "dragged-labels"}
    (label,) = plant.client.list_labels(LabelGroupName="dragged-labels")["LabelSummaries"]
    assert label["FaultCode"] == "valve leaking"
    plant.client.delete_model(ModelName="dragged")
    plant.client.delete_label_group(LabelGroupName="dragged-labels")


def test_what_an_off_condition_cuts_out_is_shown_before_it_is_used(eyes: Eyes) -> None:
    page = eyes.look("/new/model?dataset=air-handler", phone=True)
    page.get_by_label("Sensor", exact=True).select_option(index=1)
    name = page.get_by_label("Sensor", exact=True).input_value()
    page.get_by_label("Value").fill("1e9")
    page.get_by_label("Value").press("Tab")
    state = page.locator("#off .chart-state")
    expect(state).to_contain_text("Off in 100.0 % of the readings shown.")
    page.get_by_label("is", exact=True).select_option(">")
    expect(state).to_contain_text("Off in 0.0 % of the readings shown.")
    page.get_by_role("button", name="Review", exact=True).click()
    assert f"{name} > 1e9" in page.inner_text("main")


def test_what_is_refused_on_review_can_be_changed_without_typing_it_all_again(eyes: Eyes) -> None:
    page = eyes.look("/new/model?dataset=air-handler&name=back&labels=drawn")
    lines = page.get_by_label("A line each: start, end, fault code, notes")
    lines.fill("2026-03-11, 2026-03-10, broken")
    with eyes.forgiving("400 (Bad Request)"):
        page.get_by_role("button", name="Review", exact=True).click()
        assert "Label line 1 ends before it starts" in page.get_by_role("alert").inner_text()
    page.get_by_role("link", name="Change it").click()
    eyes.settle(page)
    assert lines.input_value() == "2026-03-11, 2026-03-10, broken"
    assert page.get_by_label("Name of the model").input_value() == "back"


def test_without_data_the_wizard_says_what_comes_first(eyes: Eyes) -> None:
    page = eyes.look("/new/model?dataset=empty")
    assert page.url.endswith("/datasets/empty")
    assert "holds no data yet" in page.get_by_role("status").first.inner_text()


class Recorder:
    """Takes the place of a boto3 client: what the shown program would send."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, method: str) -> Any:
        return lambda **request: self.calls.append((method, request))


@pytest.mark.parametrize(
    ("fields", "sensors"),
    [
        ({"name": "m", "dataset": "d"}, ALL),
        ({"name": "m", "dataset": "d", "train_from": "2026-03-01T00:00", "train_to": "2026-03-05 06:07:08"}, ALL[:2]),
        (
            {
                "name": "m",
                "dataset": "d",
                "off_sensor": "pump\\flow",
                "off_is": "<",
                "off_value": "0.5",
                "rate": "PT5M",
            },
            ALL,
        ),
        (
            {
                "name": "m",
                "dataset": "d",
                "labels": "drawn",
                "drawn": "2026-03-01, 2026-03-02, it's broken\n\n2026-03-03;2026-03-04",
            },
            ALL,
        ),
        (
            {"name": "m", "dataset": "d", "labels": "files", "labels_bucket": "b", "labels_prefix": "p/", "role": "r"},
            ALL[1:],
        ),
        ({"name": "m", "dataset": "d", "labels": "group", "group": "g", "diagnostics_bucket": "b"}, ALL),
    ],
)
def test_the_shown_program_sends_what_the_button_does(fields: dict[str, str], sensors: list[str]) -> None:
    planned, recorder = plan(fields, sensors, SCHEMA), Recorder()
    code = as_boto3(planned, "eu-west-1").replace(
        'boto3.client("lookoutequipment", region_name="eu-west-1")', "recorder"
    )
    exec(code.replace("import boto3", ""), {"recorder": recorder})
    assert recorder.calls[-1] == ("create_model", planned.request)
    assert len(recorder.calls) == 1 + len(planned.labels) + bool(planned.group)


def test_all_sensors_need_no_schema_and_none_are_refused() -> None:
    assert "DatasetSchema" not in plan({"name": "m"}, ALL, SCHEMA).request
    assert "motor" not in plan({"name": "m"}, ALL[:2], SCHEMA).request["DatasetSchema"]["InlineDataSchema"]
    with pytest.raises(ValidationException, match="No sensor is ticked"):
        plan({"name": "m"}, [], SCHEMA)


@pytest.mark.parametrize(
    "line", ["2026-03-01", "yesterday, today", "2026-03-02, 2026-03-01", "2026-03-01, 2026-03-01", ", ,"]
)
def test_a_label_line_that_is_none_is_named(line: str) -> None:
    with pytest.raises(ValidationException, match=r"Label line 2"):
        drawn_labels(f"2026-03-01, 2026-03-02\n{line}")


def test_labels_of_files_and_of_a_group_stand_in_the_chart_before_they_are_used(
    eyes: Eyes, plant: PlantProcess
) -> None:
    place = plant.buckets / "plant" / "labels"
    place.mkdir()
    (place / "l.csv").write_text("2026-03-04T00:00:00,2026-03-04T12:00:00\n2026-03-06T00:00:00,2026-03-07T00:00:00\n")
    page = eyes.look("/new/model?dataset=air-handler")
    state = page.locator("#labels-state")
    shapes = page.locator("#readings .shapelayer path")
    before = shapes.count()
    page.get_by_label("Files in a bucket").check()
    page.get_by_label("Bucket", exact=True).fill("plant")
    page.get_by_label("Prefix", exact=True).first.fill("nowhere/")
    page.get_by_label("Prefix", exact=True).first.press("Tab")
    expect(state).to_contain_text("The label files cannot be read")
    page.get_by_label("Prefix", exact=True).first.fill("labels/")
    page.get_by_label("Prefix", exact=True).first.press("Tab")
    expect(state).to_have_text("2 labels, in the chart above.")
    expect(shapes).to_have_count(before + 2)
    page.get_by_label("A label group").check()
    page.get_by_label("Label group", exact=True).select_option("air-handler-faults")
    expect(state).to_contain_text("in the chart above")
