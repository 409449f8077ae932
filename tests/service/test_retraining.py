"""Retraining, label groups and imports with everything running, on a clock that the test sets."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from openlookout.app.service import running
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.store.audit import records, verify_database
from openlookout.store.database import Database
from openlookout.wire.server import create_app
from served import boto_client, served
from serving import ROLE, ingest, train, wait

START = datetime(2024, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=10)
DAY = timedelta(days=1)
ROWS_A_DAY = 144
N_DAYS = 8
CHANGE_DAY = 4  # From here on the plant runs at another level, and its sensors hang together otherwise.
FAULTS = ((3.0, 3.25), (6.5, 6.75))  # Days from the start.
END = START + N_DAYS * DAY
BUCKET = "plant"


@dataclass(frozen=True)
class Plant:
    client: Any
    clock: ManualClock
    bucket: Path
    database: Database


def readings(first: datetime, n_rows: int, seed: int) -> pl.DataFrame:
    """Two related sensors, which a repair relates anew; in a fault the second no longer follows the first."""
    rng = np.random.default_rng(seed)
    days = (np.arange(1, n_rows + 1) / ROWS_A_DAY) + (first - START) / DAY
    load = 10 + 2 * np.sin(2 * np.pi * days * 3) + rng.normal(0, 0.1, n_rows) + np.where(days > CHANGE_DAY, 6.0, 0.0)
    flow = np.where(days > CHANGE_DAY, 45 - load, 2 * load) + rng.normal(0, 0.1, n_rows)
    for start, end in FAULTS:
        flow += np.where((days > start) & (days <= end), 5.0, 0.0)
    times = [f"{first + i * STEP:%Y-%m-%dT%H:%M:%S}" for i in range(1, n_rows + 1)]
    return pl.DataFrame({"time": times, "load": load, "flow": flow})


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    data = tmp_path_factory.mktemp("retraining")
    bucket = data / "buckets" / BUCKET
    (bucket / "training" / "pump").mkdir(parents=True)
    (bucket / "in").mkdir()
    readings(START, N_DAYS * ROWS_A_DAY, 1).write_csv(bucket / "training" / "pump" / "all.csv")
    clock = ManualClock(END)
    with running(Settings(data=data, workers=2), clock) as service, served(create_app(service.server)) as port:
        client = boto_client(port)
        assert ingest(client, "plant", BUCKET, "training/")["Status"] == "SUCCESS"
        yield Plant(client, clock, bucket, service.database)


def at(days: float) -> datetime:
    return START + days * DAY


def label(plant: Plant, group: str, start: float, end: float, rating: str = "ANOMALY") -> None:
    plant.client.create_label(LabelGroupName=group, StartTime=at(start), EndTime=at(end), Rating=rating)


def version(plant: Plant, name: str, number: int) -> dict[str, Any]:
    """A version, once its work has ended."""
    found = wait(lambda: plant.client.describe_model_version(ModelName=name, ModelVersion=number))
    return dict(found)


def retrained(plant: Plant, name: str, lookback: str = "P180D", mode: str = "MANAGED") -> dict[str, Any]:
    """Let a month pass, and give the version that a retraining made."""
    scheduler = {"RetrainingFrequency": "P30D", "LookbackWindow": lookback, "PromoteMode": mode}
    plant.client.create_retraining_scheduler(ModelName=name, RetrainingStartDate=plant.clock.now(), **scheduler)
    wait(lambda: plant.client.describe_retraining_scheduler(ModelName=name))
    n_before = len(plant.client.list_model_versions(ModelName=name)["ModelVersionSummaries"])
    plant.clock.advance(30 * DAY + timedelta(hours=1))

    def look() -> dict[str, Any]:
        found = plant.client.list_model_versions(ModelName=name, MinModelVersion=n_before + 1)["ModelVersionSummaries"]
        return found[0] if found else {"Status": "IN_PROGRESS"}

    wait(look)
    plant.client.stop_retraining_scheduler(ModelName=name)
    wait(lambda: plant.client.describe_retraining_scheduler(ModelName=name))
    plant.client.delete_retraining_scheduler(ModelName=name)
    return version(plant, name, n_before + 1)


def test_inference_data_is_accumulated_and_learned_from(plant: Plant) -> None:
    """Without labels the newer version is taken, and its data ends after the dataset's."""
    client = plant.client
    assert train(client, "accumulating", "plant", TrainingDataStartTime=at(CHANGE_DAY + 0.1))["Status"] == "SUCCESS"
    client.create_inference_scheduler(
        ModelName="accumulating",
        InferenceSchedulerName="accumulating",
        DataUploadFrequency="PT1H",
        DataInputConfiguration={"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "in/"}},
        DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "out/"}},
        RoleArn=ROLE,
    )
    wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="accumulating"))
    first = plant.clock.now()
    for hour in range(30):
        start = first + timedelta(hours=hour)
        readings(start, 6, 10 + hour).write_csv(plant.bucket / "in" / f"pump_{start:%Y%m%d%H%M%S}.csv")
    plant.clock.advance(timedelta(hours=30))

    def done() -> dict[str, Any]:
        rows = client.list_inference_executions(InferenceSchedulerName="accumulating", Status="SUCCESS")
        return {"Status": "SUCCESS" if len(rows["InferenceExecutionSummaries"]) == 30 else "IN_PROGRESS"}

    wait(done)
    client.stop_inference_scheduler(InferenceSchedulerName="accumulating")
    wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="accumulating"))
    described = client.describe_model(ModelName="accumulating")
    assert described["AccumulatedInferenceDataStartTime"] == first
    assert described["AccumulatedInferenceDataEndTime"] == first + timedelta(hours=30)
    made = retrained(plant, "accumulating")
    assert (made["Status"], made["SourceType"]) == ("SUCCESS", "RETRAINING"), made
    # Eight days of the dataset and thirty hours that began at midnight.
    assert made["RetrainingAvailableDataInDays"] in range(N_DAYS + 2, N_DAYS + 4)
    assert made["AutoPromotionResult"] == "MODEL_PROMOTED"
    assert not {"ModelMetrics", "PriorModelMetrics"} & set(made)
    assert made["ModelQuality"] == "CANNOT_DETERMINE_QUALITY"
    described = client.describe_model(ModelName="accumulating")
    assert (described["ActiveModelVersion"], described["PreviousActiveModelVersion"]) == (2, 1)
    assert described["LatestScheduledRetrainingStatus"] == "SUCCESS"
    assert described["LatestScheduledRetrainingModelVersion"] == 2
    assert described["LatestScheduledRetrainingAvailableDataInDays"] == made["RetrainingAvailableDataInDays"]
    assert "RetrainingSchedulerStatus" not in described
    by_itself = [
        (record.operation, record.resource, record.before and record.before.get("active_version"))
        for record in records(plant.database)
        if record.principal == "system"
    ]
    dataset, arn = client.describe_dataset(DatasetName="plant")["DatasetArn"], described["ModelArn"]
    assert by_itself == [
        ("EndDataIngestionJob", dataset, None),
        ("EndModelVersion", f"{arn}/model-version/1", None),
        ("ActivateModelVersion", f"{arn}/model-version/1", None),
        ("BeginRetraining", f"{arn}/model-version/2", None),
        ("EndModelVersion", f"{arn}/model-version/2", None),
        ("ActivateModelVersion", f"{arn}/model-version/2", 1),
    ]
    verify_database(plant.database)


def alarmed(metrics: dict[str, Any]) -> timedelta:
    """How long all predicted ranges are together."""
    spans = [
        (datetime.fromisoformat(each["start"]), datetime.fromisoformat(each["end"]))
        for each in metrics["predicted_ranges"]
    ]
    return sum((end - start for start, end in spans), timedelta())


def test_labels_of_a_group_train_judge_and_promote(plant: Plant) -> None:
    """The first version knows the plant before the repair only; on the whole range the second is better."""
    client = plant.client
    client.create_label_group(LabelGroupName="faults", FaultCodes=["leak"])
    label(plant, "faults", *FAULTS[0])
    model = train(
        client,
        "labelled",
        "plant",
        TrainingDataStartTime=at(0),
        TrainingDataEndTime=at(2.5),
        EvaluationDataStartTime=at(2.6),
        EvaluationDataEndTime=at(3.9),
        LabelsInputConfiguration={"LabelGroupName": "faults"},
    )
    assert model["Status"] == "SUCCESS", model
    assert model["ModelQuality"] != "CANNOT_DETERMINE_QUALITY"
    metrics = json.loads(model["ModelMetrics"])
    assert metrics["labeled_event_metrics"]["num_identified"] == 1
    assert metrics["labeled_ranges"][0]["start"] == f"{at(FAULTS[0][0]):%Y-%m-%dT%H:%M:%S.%f}"
    label(plant, "faults", *FAULTS[1])  # Read again at retraining.
    made = retrained(plant, "labelled")
    assert made["Status"] == "SUCCESS", made
    new, prior = json.loads(made["ModelMetrics"]), json.loads(made["PriorModelMetrics"])
    assert new["labeled_event_metrics"]["num_labeled"] == prior["labeled_event_metrics"]["num_labeled"] == 2
    assert alarmed(prior) > 3 * DAY > alarmed(new)  # The first version takes the repaired plant for broken.
    assert made["AutoPromotionResult"] == "MODEL_PROMOTED"
    assert made["AutoPromotionResultReason"] == "On the new range it is better than version 1."
    assert client.describe_model(ModelName="labelled")["PriorModelMetrics"] == made["PriorModelMetrics"]


def test_an_active_version_that_cannot_be_read_any_more_gives_way_to_what_is_trained_anew(plant: Plant) -> None:
    """Trained with labels, of which none lies in the new range: by the table the old version would have stayed."""
    client = plant.client
    client.create_label_group(LabelGroupName="for-once")
    label(plant, "for-once", *FAULTS[0])
    train(client, "unreadable", "plant", LabelsInputConfiguration={"LabelGroupName": "for-once"})
    (listed,) = client.list_labels(LabelGroupName="for-once")["LabelSummaries"]
    client.delete_label(LabelGroupName="for-once", LabelId=listed["LabelId"])
    own = plant.bucket.parent.parent / "objects"
    (detector,) = own.glob(
        f"models/{client.describe_model(ModelName='unreadable')['ModelArn'].split('/')[-1]}/**/*.npz"
    )
    detector.write_bytes(b"of another release")
    made = retrained(plant, "unreadable")
    assert (made["Status"], made["AutoPromotionResult"]) == ("SUCCESS", "MODEL_PROMOTED"), made
    assert made["AutoPromotionResultReason"].startswith("Version 1 was active and can no longer be used")
    assert client.describe_model(ModelName="unreadable")["ActiveModelVersion"] == 2


def test_without_an_evaluation_range_failures_that_are_left_out_judge(plant: Plant) -> None:
    """Of three labels two are faults; the model does not answer for the third with what it knows of it."""
    plant.client.create_label_group(LabelGroupName="three")
    for start, end in (*FAULTS, (5.0, 5.02)):
        label(plant, "three", start, end)
    model = train(plant.client, "left-out", "plant", LabelsInputConfiguration={"LabelGroupName": "three"})
    assert model["Status"] == "SUCCESS", model
    data = plant.bucket.parent.parent
    (found,) = (said for path in data.rglob("summary.json") if (said := json.loads(path.read_text())["left_out"]))
    assert found["found"] in {0.0, 1 / 3, 2 / 3}
    is_good = found["found"] >= 0.5 and found["false_share"] <= 0.05
    assert model["ModelQuality"] == ("QUALITY_THRESHOLD_MET" if is_good else "POOR_QUALITY_DETECTED")


def test_by_hand_the_new_version_waits(plant: Plant) -> None:
    train(plant.client, "manual", "plant")
    made = retrained(plant, "manual", mode="MANUAL")
    assert (made["Status"], made["AutoPromotionResult"]) == ("SUCCESS", "MODEL_NOT_PROMOTED")
    assert "MANUAL" in made["AutoPromotionResultReason"]
    assert plant.client.describe_model(ModelName="manual")["ActiveModelVersion"] == 1
    moved = plant.client.update_active_model_version(ModelName="manual", ModelVersion=2)
    assert (moved["CurrentActiveVersion"], moved["PreviousActiveVersion"]) == (2, 1)


def test_a_neutral_range_is_not_learned_from_and_a_label_outside_is_told(plant: Plant) -> None:
    client = plant.client
    client.create_label_group(LabelGroupName="neutral")
    label(plant, "neutral", 0, N_DAYS, "NEUTRAL")
    model = train(client, "neutral", "plant", LabelsInputConfiguration={"LabelGroupName": "neutral"})
    assert model["Status"] == "FAILED"
    assert "rows of the training range are labelled; no normal row is left" in model["FailedReason"]
    client.create_label_group(LabelGroupName="elsewhere")
    label(plant, "elsewhere", 100, 101)
    model = train(client, "elsewhere", "plant", LabelsInputConfiguration={"LabelGroupName": "elsewhere"})
    assert "None of the 1 labels" in model["FailedReason"]


def test_a_dataset_and_a_version_are_imported_and_live_without_their_source(plant: Plant) -> None:
    client = plant.client
    assert ingest(client, "source", BUCKET, "training/")["Status"] == "SUCCESS"
    train(client, "source", "source", EvaluationDataStartTime=at(6), EvaluationDataEndTime=at(7))
    source = client.describe_dataset(DatasetName="source")
    request = {"SourceDatasetArn": source["DatasetArn"], "DatasetName": "copy", "ClientToken": "loop"}
    assert wait(lambda: waiting(client.import_dataset(**request)))["Status"] == "SUCCESS"
    copy = client.describe_dataset(DatasetName="copy")
    assert (copy["Status"], copy["SourceDatasetArn"]) == ("ACTIVE", source["DatasetArn"])
    for member in ("Schema", "DataQualitySummary", "IngestedFilesSummary", "DataStartTime", "DataEndTime"):
        assert copy[member] == source[member]
    statistics = client.list_sensor_statistics(DatasetName="copy")["SensorStatisticsSummaries"]
    assert statistics == client.list_sensor_statistics(DatasetName="source")["SensorStatisticsSummaries"]
    original = client.describe_model_version(ModelName="source", ModelVersion=1)
    arn = original["ModelVersionArn"]
    request = {
        "SourceModelVersionArn": arn,
        "ModelName": "copy",
        "DatasetName": "copy",
        "ClientToken": "loop",
    }
    assert wait(lambda: waiting(client.import_model_version(**request)))["Status"] == "SUCCESS"
    made = client.describe_model_version(ModelName="copy", ModelVersion=1)
    for member in ("Schema", "ModelMetrics", "ModelQuality", "TrainingDataStartTime", "TrainingExecutionEndTime"):
        assert made[member] == original[member]
    assert made["ImportedDataSizeInBytes"] > 1000
    assert made["ImportJobEndTime"] >= made["ImportJobStartTime"]
    assert client.describe_model(ModelName="copy")["ActiveModelVersion"] == 1
    client.delete_model(ModelName="source")
    client.delete_dataset(DatasetName="source")
    assert train(client, "from-copy", "copy")["Status"] == "SUCCESS"
    made = retrained(plant, "copy")
    assert (made["Status"], made["ModelVersion"], made["SourceType"]) == ("SUCCESS", 2, "RETRAINING"), made


def waiting(answer: dict[str, Any]) -> dict[str, Any]:
    """An import's answer, its status under way as `wait` knows it."""
    return {**answer, "Status": answer["Status"].replace("IMPORT_IN_PROGRESS", "IN_PROGRESS")}


def test_accumulated_data_comes_along_as_the_strategy_says(plant: Plant) -> None:
    """The model that accumulated thirty hours is imported four times over."""
    client = plant.client
    source = client.describe_model_version(ModelName="accumulating", ModelVersion=2)["ModelVersionArn"]
    expected = client.describe_model(ModelName="accumulating")["AccumulatedInferenceDataEndTime"]
    for strategy, has_data in (
        ("NO_IMPORT", False),
        ("ADD_WHEN_EMPTY", True),
        ("OVERWRITE", True),
        ("ADD_WHEN_EMPTY", True),  # Not empty: what is there stays.
    ):
        request = {
            "SourceModelVersionArn": source,
            "ModelName": "importing",
            "DatasetName": "plant",
            "InferenceDataImportStrategy": strategy,
            "ClientToken": uuid.uuid4().hex,
        }
        wait(lambda request=request: waiting(client.import_model_version(**request)))  # type: ignore[misc]
        found = client.describe_model(ModelName="importing").get("AccumulatedInferenceDataEndTime")
        assert found == (expected if has_data else None)
    assert client.describe_model(ModelName="importing")["ActiveModelVersion"] == 1


def test_too_little_data_names_the_days_found_and_needed(plant: Plant) -> None:
    """Last, for it lets a year pass: nothing is left in the look-back window."""
    train(plant.client, "old", "plant")
    plant.clock.advance(timedelta(days=365))
    made = retrained(plant, "old")
    assert (made["Status"], made["AutoPromotionResult"]) == ("FAILED", "RETRAINING_CUSTOMER_ERROR")
    assert made["FailedReason"] == "The look-back window holds 0 days of data; 1.39 are needed."
    assert made["AutoPromotionResultReason"] == made["FailedReason"]
    described = plant.client.describe_model(ModelName="old")
    assert (described["Status"], described["ActiveModelVersion"]) == ("FAILED", 1)
    assert described["LatestScheduledRetrainingStatus"] == "FAILED"
    assert described["LatestScheduledRetrainingFailedReason"] == made["FailedReason"]
    assert described["LatestScheduledRetrainingAvailableDataInDays"] == 0
