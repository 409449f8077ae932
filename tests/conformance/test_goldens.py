"""Goldens: what the real service is known to have answered, each with the origin of its truth.

`model`: the service's model; `document`: the user guide; `notebook`: published output of the real service; `decision`:
ours, where nothing is known. The facts are restated here; no text of theirs is.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from conformance.cells import DIVERGENCES
from conformance.world import START, Target, World, unique

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True)
class Golden:
    """`origin`: where its truth comes from. `holds`: raises AssertionError where the service answers otherwise."""

    name: str
    origin: str
    holds: Callable[[World], None]


def raw(world: World, operation: str, **request: Any) -> dict[str, Any]:
    """The answer's JSON as it was sent."""
    world.target.call(operation, **request)
    return world.target.last


def create_dataset(world: World) -> None:
    name = unique("golden")
    answer = raw(world, "CreateDataset", DatasetName=name)
    assert set(answer) == {"DatasetName", "DatasetArn", "Status"}
    assert answer["Status"] == "CREATED"
    assert re.fullmatch(rf"arn:aws:lookoutequipment:[a-z0-9-]+:\d{{12}}:dataset/{name}/{UUID}", answer["DatasetArn"])


def describe_job(world: World) -> None:
    answer = raw(world, "DescribeDataIngestionJob", JobId=world.job)
    assert set(answer) == {
        "JobId",
        "DatasetArn",
        "IngestionInputConfiguration",
        "RoleArn",
        "CreatedAt",
        "Status",
        "DataQualitySummary",
        "IngestedFilesSummary",
        "IngestedDataSize",
        "DataStartTime",
        "DataEndTime",
    }
    assert answer["IngestionInputConfiguration"] == world.place  # Only what was sent.
    assert re.fullmatch("[0-9a-f]{32}", answer["JobId"])
    assert answer["DataQualitySummary"] == {
        "InsufficientSensorData": {
            "MissingCompleteSensorData": {"AffectedSensorCount": 0},
            "SensorsWithShortDateRange": {"AffectedSensorCount": 0},
        },
        "MissingSensorData": {"AffectedSensorCount": 0, "TotalNumberOfMissingValues": 0},
        "InvalidSensorData": {"AffectedSensorCount": 0, "TotalNumberOfInvalidValues": 0},
        "UnsupportedTimestamps": {"TotalNumberOfUnsupportedTimestamps": 0},
        "DuplicateTimestamps": {"TotalNumberOfDuplicateTimestamps": 0},
    }
    assert answer["IngestedFilesSummary"] == {
        "TotalNumberOfFiles": 1,
        "IngestedNumberOfFiles": 1,
        "DiscardedFiles": [],
    }


def sensor_statistics(world: World) -> None:
    rows = raw(world, "ListSensorStatistics", DatasetName=world.data)["SensorStatisticsSummaries"]
    assert [row["SensorName"] for row in rows] == sorted(row["SensorName"] for row in rows)
    for row in rows:
        assert set(row) == {
            "ComponentName",
            "SensorName",
            "DataExists",
            "MissingValues",
            "InvalidValues",
            "InvalidDateEntries",
            "DuplicateTimestamps",
            "CategoricalValues",
            "MultipleOperatingModes",
            "LargeTimestampGaps",
            "MonotonicValues",
            "DataStartTime",
            "DataEndTime",
        }
        assert row["MissingValues"] == {"Count": 0, "Percentage": 0.0}
        # Without an issue the optional numbers are absent.
        assert row["LargeTimestampGaps"] == {"Status": "NO_ISSUE_DETECTED"}
        assert row["CategoricalValues"] == {"Status": "NO_ISSUE_DETECTED"}
        assert row["MonotonicValues"] == {"Status": "NO_ISSUE_DETECTED"}


def create_model(world: World) -> None:
    name = unique("golden")
    answer = raw(world, "CreateModel", ModelName=name, DatasetName=world.data)
    assert set(answer) == {"ModelArn", "Status"}
    assert answer["Status"] == "IN_PROGRESS"
    assert re.fullmatch(rf"arn:aws:lookoutequipment:[a-z0-9-]+:\d{{12}}:model/{name}/{UUID}", answer["ModelArn"])


def model_metrics(world: World) -> None:
    text = raw(world, "DescribeModel", ModelName=world.model)["ModelMetrics"]
    metrics = json.loads(text)
    assert eval(text) == metrics  # Older clients do: no true, false, null.
    assert set(metrics) == {"labeled_ranges", "labeled_event_metrics", "predicted_ranges", "unknown_event_metrics"}
    assert set(metrics["labeled_event_metrics"]) == {"num_labeled", "num_identified", "total_warning_time_in_seconds"}
    assert set(metrics["unknown_event_metrics"]) == {"num_identified", "total_duration_in_seconds"}
    for found in metrics["predicted_ranges"]:
        assert set(found) == {"start", "end", "diagnostics"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", found["start"])
        assert {row["name"] for row in found["diagnostics"]} == {"pump\\load", "pump\\flow"}
        assert sum(row["value"] for row in found["diagnostics"]) == pytest.approx(1, abs=1e-3)


def describe_without_options(world: World) -> None:
    name = unique("golden")
    world.target.call("CreateModel", ModelName=name, DatasetName=world.data)
    answer = raw(world, "DescribeModel", ModelName=name)
    for absent in ("DataPreProcessingConfiguration", "OffCondition", "LabelsInputConfiguration", "ModelMetrics"):
        assert absent not in answer


def schema_is_evaluated(world: World) -> None:
    for operation, request in (
        ("DescribeDataset", {"DatasetName": world.data}),
        ("DescribeModel", {"ModelName": world.model}),
    ):
        schema = eval(raw(world, operation, **request)["Schema"])  # Clients do.
        columns = schema["Components"][0]["Columns"]
        assert columns[0]["Type"] == "DATETIME"
        assert {column["Type"] for column in columns[1:]} == {"DOUBLE"}


def scheduler_echo(world: World) -> None:
    name = world.stopped()
    answer = raw(world, "DescribeInferenceScheduler", InferenceSchedulerName=name)
    assert answer["DataDelayOffsetInMinutes"] == 0
    assert "LatestInferenceResult" not in answer
    stopped = raw(world, "StopInferenceScheduler", InferenceSchedulerName=name)
    assert set(stopped) == {
        "ModelArn",
        "ModelName",
        "InferenceSchedulerName",
        "InferenceSchedulerArn",
        "Status",
    }


def last_page(world: World) -> None:
    assert "NextToken" not in raw(world, "ListDatasets", DatasetNameBeginsWith=world.data)


def no_output(world: World) -> None:
    name = unique("golden")
    world.target.call("CreateLabelGroup", LabelGroupName=name)
    assert raw(world, "DeleteLabelGroup", LabelGroupName=name) == {}


def unlabelled_quality(world: World) -> None:
    assert raw(world, "DescribeModel", ModelName=world.model)["ModelQuality"] == "CANNOT_DETERMINE_QUALITY"


def unknown_model_versions(world: World) -> None:
    assert raw(world, "ListModelVersions", ModelName="nobody") == {"ModelVersionSummaries": []}


def import_loop(world: World) -> None:
    request = {"SourceDatasetArn": world.data_arn, "DatasetName": unique("golden"), "ClientToken": unique("token")}
    world.wait(lambda: world.target.call("ImportDataset", **request), "SUCCESS")
    assert world.target.call("DescribeDataset", DatasetName=request["DatasetName"])["Status"] == "ACTIVE"


def retraining_day(world: World) -> None:
    name = world.copied()
    world.target.call(
        "CreateRetrainingScheduler",
        ModelName=name,
        RetrainingFrequency="P1M",
        LookbackWindow="P180D",
        RetrainingStartDate=START.replace(year=2199, hour=17),
    )
    answer = world.target.call("DescribeRetrainingScheduler", ModelName=name)
    assert answer["RetrainingStartDate"] == START.replace(year=2199)
    assert answer["PromoteMode"] == "MANAGED"


def time_format(world: World) -> None:
    """The real service wrote 1.652432588123E9."""
    world.target.call("DescribeDataset", DatasetName=world.data)
    if not re.search(r'"CreatedAt":\s*\d\.\d+E\d+', world.target.last_text):
        raise Diverges("times in decimal, not scientific notation")


class Diverges(Exception):
    """The service answers otherwise than the golden; the message is the name of a known divergence."""


GOLDENS = [
    Golden("CreateDataset", "notebook", create_dataset),
    Golden("DescribeDataIngestionJob", "notebook", describe_job),
    Golden("ListSensorStatistics", "notebook", sensor_statistics),
    Golden("CreateModel", "notebook", create_model),
    Golden("ModelMetrics", "notebook", model_metrics),
    Golden("DescribeModel has no member that has no value", "notebook", describe_without_options),
    Golden("Schema can be evaluated", "notebook", schema_is_evaluated),
    Golden("DescribeInferenceScheduler", "notebook", scheduler_echo),
    Golden("NextToken is absent on the last page", "notebook", last_page),
    Golden("no output", "model", no_output),
    Golden("ModelQuality without labels", "document", unlabelled_quality),
    Golden("ListModelVersions of an unknown model", "document", unknown_model_versions),
    Golden("RetrainingStartDate is a day", "document", retraining_day),
    Golden("ImportDataset repeated until SUCCESS", "decision", import_loop),
    Golden("times", "notebook", time_format),
]


@pytest.mark.parametrize("number", range(len(GOLDENS)), ids=[golden.name for golden in GOLDENS])
def test_the_service_answers_as_the_golden(target: Target, diverges: Any, number: int) -> None:
    golden = GOLDENS[number]
    assert golden.origin in {"model", "document", "notebook", "decision"}
    try:
        golden.holds(target.world)
    except Diverges as error:
        diverges(str(error))


def test_every_known_divergence_has_a_reason() -> None:
    assert all(len(reason) > 20 for reason in DIVERGENCES.values())
