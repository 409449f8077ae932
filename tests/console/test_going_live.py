"""A model goes live in a browser: a scheduler is made, its first results come, it is changed; what cannot be is said."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
from playwright.sync_api import Page, expect

from console.conftest import Eyes
from console.plant import PlantProcess, reactor_series, stamps
from openlookout.api.errors import ValidationException
from openlookout.console.boto3_code import program
from openlookout.console.scheduler_plan import OFFSETS, change, creation, example_files, fields_of
from openlookout.timeseries.inference_input import InputNames, Window, parse_offset, window_keys
from serving import wait

FIVE_MINUTES = timedelta(minutes=5)
FULL = {
    "model": "m",
    "name": "m-live",
    "frequency": "PT15M",
    "delay": "7",
    "input_bucket": "plant",
    "input_prefix": "in",
    "output_bucket": "plant",
    "output_prefix": "out/",
    "offset": "-03:30",
    "format": "EPOCH",
    "delimiter": "none",
    "role": "arn:aws:iam::123456789012:role/plant",
    "output_key": "alias/results",
    "key": "alias/scheduler",
    "tags": "line=4\n\nsite = north = 1",
}


@pytest.fixture
def gone_afterwards(plant: PlantProcess) -> Iterator[None]:
    """The scheduler of the model `spare` is deleted at the end: others want a model without one."""
    before = plant.now
    yield
    for one in plant.client.list_inference_schedulers(ModelName="spare")["InferenceSchedulerSummaries"]:
        name = {"InferenceSchedulerName": one["InferenceSchedulerName"]}
        plant.client.stop_inference_scheduler(**name)
        wait(partial(plant.client.describe_inference_scheduler, **name))
        plant.client.delete_inference_scheduler(**name)
    plant.at(before)  # Other pages tell how long ago something was.


def next_window(plant: PlantProcess) -> datetime:
    """The end of the window of five minutes that is open now."""
    end = plant.now.replace(minute=plant.now.minute - plant.now.minute % 5, second=0, microsecond=0) + FIVE_MINUTES
    return end.astimezone(UTC)


def score_window(plant: PlantProcess, key: str, end: datetime) -> None:
    """Put the readings of a window where the scheduler looks, and let it pass."""
    series = reactor_series()
    times = np.array(series.times)
    frame = series.sensors.insert_column(0, pl.Series("time", stamps(series.times)))
    bucket, _, rest = key.removeprefix("s3://").partition("/")
    file = plant.buckets / bucket / rest
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.filter((times > end - FIVE_MINUTES) & (times <= end)).write_csv(file)
    plant.at(end + timedelta(seconds=30))

    def scored() -> Mapping[str, Any]:
        listed = plant.client.list_inference_executions(InferenceSchedulerName="spare-live", MaxResults=1)
        found = [one for one in listed["InferenceExecutionSummaries"] if one["DataEndTime"] == end]
        return found[0] if found else {"Status": "PENDING"}

    assert wait(scored)["Status"] == "SUCCESS"


def come_back(page: Page) -> None:
    """As if the page had been in the background: it looks what is new."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_model_goes_live_and_its_results_come_by_themselves(
    eyes: Eyes, plant: PlantProcess, gone_afterwards: None
) -> None:
    page = eyes.look("/models/spare")
    page.get_by_role("link", name="Live", exact=True).click()
    assert "Nothing watches with this model yet" in page.inner_text("main")
    page.get_by_role("link", name="Go live").click()
    page.get_by_label("How often").select_option("PT5M")
    page.get_by_label("Time in the names").select_option("yyyyMMddHHmmss")
    expect(page.locator("#boto3")).to_contain_text("'TimestampFormat': 'yyyyMMddHHmmss'")
    end = next_window(plant)
    key = page.locator("#files ~ ul code").inner_text()
    assert key == f"s3://plant/live/spare/reactor_{end:%Y%m%d%H%M%S}.csv"
    page.get_by_role("button", name="Go live").click()
    page.get_by_text("It is live").wait_for()
    assert "No results yet" in page.inner_text("main")
    score_window(plant, key, end)
    come_back(page)
    expect(page.locator("#live-scores")).to_have_attribute("data-drawn", "yes")
    first = page.locator("#live-scores").get_attribute("data-shown") or ""
    later = next_window(plant)
    score_window(plant, key.replace(f"{end:%Y%m%d%H%M%S}", f"{later:%Y%m%d%H%M%S}"), later)
    come_back(page)
    expect(page.locator("#live-scores")).not_to_have_attribute("data-shown", first)
    assert (page.locator("#live-scores").get_attribute("data-shown") or "").endswith(
        f" {int(later.timestamp()) * 1000}"
    )


def test_a_scheduler_is_changed_and_what_cannot_be_is_said_without_typing_it_again(
    eyes: Eyes, plant: PlantProcess
) -> None:
    page = eyes.look("/live/air-handler-live", phone=True)
    page.get_by_role("link", name="Change", exact=True).click()
    page.get_by_label("Minutes to wait for late files").fill("5")
    page.get_by_label("Bucket of the files").fill("No such bucket")
    with eyes.forgiving("400 (Bad Request)"):
        page.get_by_role("button", name="Keep the changes").click()
        assert "which 'No such bucket' has not" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Minutes to wait for late files").input_value() == "5"
    page.get_by_label("Bucket of the files").fill("plant")
    page.get_by_label("Time zone of the names").select_option("+01:00")
    page.get_by_role("button", name="Keep the changes").click()
    page.get_by_text("The changes are kept").wait_for()
    found = plant.client.describe_inference_scheduler(InferenceSchedulerName="air-handler-live")
    assert found["DataDelayOffsetInMinutes"] == 5
    assert found["DataInputConfiguration"]["InputTimeZoneOffset"] == "+01:00"
    place = found["DataInputConfiguration"]["S3InputConfiguration"]
    plant.client.update_inference_scheduler(
        InferenceSchedulerName="air-handler-live",
        DataDelayOffsetInMinutes=0,
        DataInputConfiguration={"S3InputConfiguration": place},
    )


def test_a_model_that_cannot_go_live_says_why(eyes: Eyes) -> None:
    page = eyes.look("/new/scheduler?model=reactor")
    assert "A scheduler watches with it already" in page.inner_text("main")
    page.goto("/new/scheduler?model=compressor")
    assert "No version to score with yet" in page.inner_text("main")
    page.goto("/new/scheduler")
    page.get_by_role("link", name="spare").click()
    assert "Go live with spare" in page.inner_text("h1")


def test_the_form_says_every_member_of_the_request_and_reads_it_back() -> None:
    request = creation(FULL)
    names = {"TimestampFormat": "EPOCH", "ComponentTimestampDelimiter": ""}
    assert request == {
        "ModelName": "m",
        "InferenceSchedulerName": "m-live",
        "DataUploadFrequency": "PT15M",
        "DataDelayOffsetInMinutes": 7,
        "DataInputConfiguration": {
            "S3InputConfiguration": {"Bucket": "plant", "Prefix": "in/"},
            "InputTimeZoneOffset": "-03:30",
            "InferenceInputNameConfiguration": names,
        },
        "DataOutputConfiguration": {
            "S3OutputConfiguration": {"Bucket": "plant", "Prefix": "out/"},
            "KmsKeyId": "alias/results",
        },
        "RoleArn": "arn:aws:iam::123456789012:role/plant",
        "ServerSideKmsKeyId": "alias/scheduler",
        "Tags": [{"Key": "line", "Value": "4"}, {"Key": "site", "Value": "north = 1"}],
    }
    shown = {member: value for member, value in request.items() if member not in {"Tags", "ServerSideKmsKeyId"}}
    assert change(fields_of(shown), "m-live") == {
        member: value for member, value in shown.items() if member != "ModelName"
    }
    assert "client.create_inference_scheduler(" in program([("create_inference_scheduler", request)], "us-east-1")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "two words", "The name has"),
        ("delay", "61", "from 0 to 60"),
        ("delay", "-1", "from 0 to 60"),
        ("output_bucket", "", "The bucket of the results"),
        ("role", "me", "The role must be an ARN"),
        ("tags", "nothing", "Tag line 1"),
    ],
)
def test_what_the_api_would_refuse_is_refused_in_words(field: str, value: str, said: str) -> None:
    with pytest.raises(ValidationException, match=said):
        creation({**FULL, field: value})


@pytest.mark.parametrize("form", ["", "EPOCH", "yyyy-MM-dd-HH-mm-ss", "yyyyMMddHHmmss"])
@pytest.mark.parametrize("delimiter", ["", "_", "-", " ", "none"])
@pytest.mark.parametrize("offset", OFFSETS[::16])
def test_an_example_of_a_file_is_one_that_the_scheduler_finds(form: str, delimiter: str, offset: str) -> None:
    now = datetime(2026, 3, 1, 23, 58, tzinfo=UTC)
    fields = {**FULL, "format": form, "delimiter": delimiter, "offset": offset}
    (file,) = example_files(fields, ["pump"], now)
    names = InputNames("in/", {"": None, "none": ""}.get(delimiter, delimiter), form or None, parse_offset(offset))
    end = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000
    window = Window(end - 900_000_000, end, 900_000_000)
    key = file.removeprefix("s3://plant/")
    assert window_keys([key], ["pump"], names, window, "plant") == {"pump": (key,)}
