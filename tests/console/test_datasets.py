"""Datasets in a browser: made, filled and read; what is wrong with the data is shown in words and in its place."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from console.conftest import Eyes
from console.plant import PlantProcess


def figure(page: Page, path: str) -> dict[str, object]:
    """What a chart is given."""
    answer = page.request.get(path, headers={"accept": "application/json"})
    found: dict[str, object] = json.loads(answer.text())
    return found


def test_a_dataset_is_made_filled_and_read(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/datasets")
    page.get_by_role("link", name="New dataset").click()
    page.get_by_label("Name").fill("made-by-hand")
    page.get_by_role("button", name="Make the dataset").click()
    expect(page.get_by_role("status")).to_have_text("The dataset made-by-hand is made. Now fill it.")
    page.get_by_label("Bucket").fill("plant")
    page.get_by_label("Prefix").fill("air/")
    page.get_by_role("button", name="Read the files").click()
    expect(page.locator("h1 + .status")).to_be_visible()
    page.get_by_text("This page follows by itself").wait_for()
    page.get_by_text("This page follows by itself").wait_for(state="detached", timeout=60_000)
    assert plant.client.describe_dataset(DatasetName="made-by-hand")["Status"] == "ACTIVE"
    page.reload()
    eyes.settle(page)
    assert page.locator("dd.big").inner_text() == str(len(sensors_of(plant)))
    page.get_by_text("Delete", exact=True).click()
    page.get_by_label("Type the name to be sure").fill("made-by-hand")
    page.get_by_role("button", name="Delete the dataset").click()
    expect(page.get_by_role("status")).to_have_text("The dataset made-by-hand is deleted.")
    assert "made-by-hand" not in page.inner_text("table")


def sensors_of(plant: PlantProcess) -> list[str]:
    listed = plant.client.list_sensor_statistics(DatasetName="air-handler", MaxResults=500)
    return [one["SensorName"] for one in listed["SensorStatisticsSummaries"]]


def test_a_failed_ingestion_says_why_and_what_to_do(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/new/dataset")
    page.get_by_label("Name").fill("fails")
    page.get_by_role("button", name="Make the dataset").click()
    page.get_by_label("Bucket").fill("no-such-bucket")
    page.get_by_role("button", name="Read the files").click()
    alert = page.get_by_role("alert")
    alert.wait_for(timeout=30_000)
    assert "no-such-bucket" in alert.inner_text()
    assert "read them again" in alert.inner_text()
    plant.client.delete_dataset(DatasetName="fails")


def test_what_the_api_refuses_is_said_on_the_form_that_keeps_what_was_typed(eyes: Eyes) -> None:
    page = eyes.look("/new/dataset", phone=True)
    page.get_by_label("Name").fill("no good!")
    with eyes.forgiving("400 (Bad Request)"):
        page.get_by_role("button", name="Make the dataset").click()
        alert = page.get_by_role("alert")
        assert "datasetName" in alert.inner_text()
        assert "Correct the value that is named" in alert.inner_text()
    assert page.get_by_label("Name").input_value() == "no good!"


def test_a_form_that_is_sent_twice_is_one_request(eyes: Eyes, plant: PlantProcess) -> None:
    page = eyes.look("/new/dataset")
    form = {name: page.locator(f"main input[name={name}]").input_value() for name in ("csrf", "client_token")}
    sent = [page.request.post("/new/dataset", form={**form, "name": "twice"}, max_redirects=0) for _ in range(2)]
    assert [answer.status for answer in sent] == [303, 303]
    plant.client.delete_dataset(DatasetName="twice")


@pytest.mark.parametrize("phone", [False, True])
def test_the_quality_report_says_in_words_what_is_wrong(eyes: Eyes, phone: bool) -> None:
    page = eyes.look("/datasets/air-handler", phone=phone, dark=phone)
    report = page.get_by_role("region", name="Quality")
    report = page.locator("section", has=page.locator("#quality"))
    assert "20 cells are no number, and taken for missing." in report.inner_text()
    assert "40 rows repeat a time; the last one counts." in report.inner_text()
    report.get_by_role("link", name=re.compile("^low ")).click()
    assert page.url.endswith("?grade=LOW#quality")
    assert set(page.locator("section:has(#quality) tbody .status").all_inner_texts()) <= {"low"}


def test_faults_stand_in_the_chart_where_they_are_in_the_data(eyes: Eyes, plant: PlantProcess) -> None:
    # As spoilt: rows 2,000 to 2,019 are words, 3,960 to 3,999 come twice, 4,000 to 4,599 are missing.
    page = eyes.look("/datasets/air-handler")
    (first,) = {name for name in sensors_of(plant) if name == first_sensor(page)} or {None}
    assert first
    start = 1772409600000  # 2026-03-02, in milliseconds.
    found = figure(page, f"/datasets/air-handler/readings?sensor=unit%5C{first}")
    marks = {trace["name"]: trace["x"] for trace in found["traces"] if trace["kind"] == "marks"}  # type: ignore[attr-defined, index]
    assert marks["time came twice"] == [start + 60_000 * row for row in range(3960, 4000)]
    bad = first_spoilt(plant)
    found = figure(page, f"/datasets/air-handler/readings?sensor=unit%5C{bad}")
    marks = {trace["name"]: trace["x"] for trace in found["traces"] if trace["kind"] == "marks"}  # type: ignore[attr-defined, index]
    assert marks["no number"] == [start + 60_000 * row for row in range(2000, 2020)]
    gaps = [(one["start"], one["end"]) for one in found["ranges"]]  # type: ignore[attr-defined]
    assert (start + 60_000 * 3999, start + 60_000 * 4600) in gaps


def first_sensor(page: Page) -> str:
    return page.locator("figure figcaption").first.inner_text().removeprefix("unit\\")


def first_spoilt(plant: PlantProcess) -> str:
    listed = plant.client.list_sensor_statistics(DatasetName="air-handler", MaxResults=500)
    (name,) = [one["SensorName"] for one in listed["SensorStatisticsSummaries"] if one["InvalidValues"]["Count"]]
    return str(name)


def test_zooming_asks_for_finer_readings_and_the_address_keeps_the_range(eyes: Eyes) -> None:
    page = eyes.look("/datasets/air-handler")
    whole = figure(page, "/datasets/air-handler/readings?sensor=unit%5CSupply_Air_Temperature")
    assert whole["end"] - whole["start"] > 14 * 86_400_000  # type: ignore[operator]
    with page.expect_response(lambda answer: "/readings?" in answer.url and "from=" in answer.url):
        page.get_by_role("button", name="Zoom in").click()
    assert "from=2026-03-05" in page.url
    with page.expect_response(lambda answer: "/readings?" in answer.url and "from=" not in answer.url):
        page.get_by_role("button", name="All", exact=True).click()
    assert "from=" not in page.url
    box = page.locator(".plot .nsewdrag").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, middle, steps=5)
    with page.expect_response(lambda answer: "/readings?" in answer.url and "from=" in answer.url) as response:
        page.mouse.up()
    shown = json.loads(response.value.text())
    assert 3 * 86_400_000 < shown["end"] - shown["start"] < 4.5 * 86_400_000


def test_the_chart_is_also_a_table(eyes: Eyes) -> None:
    page = eyes.look("/datasets/air-handler", phone=True)
    page.get_by_text("Show as a table").focus()
    page.keyboard.press("Enter")
    rows = page.locator(".chart-table tbody tr")
    rows.nth(50).wait_for()
    assert re.match(r"unit\\\S+\t2026-03-0\d ", rows.first.inner_text())


def test_the_ticked_sensors_go_into_a_model(eyes: Eyes) -> None:
    page = eyes.look("/datasets/air-handler?grade=LOW")
    boxes = page.locator("input[name=sensor]")
    assert not boxes.first.is_checked()
    boxes.first.check()
    name = boxes.first.input_value()
    page.get_by_role("button", name="Make a model of the ticked sensors").click()
    assert f"sensor={name.replace(chr(92), '%5C')}" in page.url
