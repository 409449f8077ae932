"""Answers against what the real service was seen to answer: member names, presence and absence, forms of values."""

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.definition import WITH_TOKEN, boundaries
from conformance.endpoint import Endpoint
from conformance.forms import PATTERNS, Z, form_problems, is_evaluated_by_python
from conformance.known_divergences import KNOWN
from conformance.lived import HOUR, HOURS_WITHOUT_FILE, LIVE_START, N_HOURS, Lived
from conformance.plant import STEP, Plant
from conformance.successes import SUCCESSES

from .conftest import TRUTHS, Judge

GOLDENS = json.loads((Path(__file__).parent / "goldens.json").read_text())
OF_LIVED = ("ListInferenceExecutions", "ListInferenceEvents")
ON_HTTP = pytest.mark.parametrize("endpoint", ["http"], indirect=True)


def name_of(golden: dict[str, Any]) -> str:
    return f"golden:{golden['operation']}{':' + golden['row'] if 'row' in golden else ''}"


@ON_HTTP
@pytest.mark.parametrize("golden", [each for each in GOLDENS if each["operation"] not in OF_LIVED], ids=name_of)
def test_an_answer_has_the_form_of_the_real_one(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str, golden: dict[str, Any]
) -> None:
    operation = golden["operation"]
    request = SUCCESSES[operation](endpoint, plant, unique)
    if operation in WITH_TOKEN:
        request["ClientToken"] = unique
    answer = endpoint.send(operation, request)
    assert answer.error == "", answer.message
    judge.compare(name_of(golden), golden["origin"], form_problems(golden["shape"], answer.output, operation), [])


@pytest.mark.parametrize("golden", [each for each in GOLDENS if each["operation"] in OF_LIVED], ids=name_of)
def test_what_a_scheduler_did_has_the_form_of_the_real_one(lived: Lived, judge: Judge, golden: dict[str, Any]) -> None:
    operation = golden["operation"]
    request: dict[str, Any] = {"InferenceSchedulerName": lived.name}
    if operation == "ListInferenceEvents":
        request |= {"IntervalStartTime": LIVE_START, "IntervalEndTime": LIVE_START + N_HOURS * HOUR}
    else:
        request |= {"Status": golden["row"]}
    output = lived.endpoint.send(operation, request).output
    assert output is not None
    (rows,) = output.values()
    assert rows, "no row to compare"
    form = golden["shape"] if "row" not in golden else {"InferenceExecutionSummaries": [golden["shape"]]}
    judge.compare(name_of(golden), golden["origin"], form_problems(form, output, operation), [])


def test_executions_are_newest_first_and_each_covers_its_hour(lived: Lived, judge: Judge) -> None:
    answer = lived.endpoint.done("ListInferenceExecutions", InferenceSchedulerName=lived.name)
    rows = answer["InferenceExecutionSummaries"]
    starts = [row["DataStartTime"] for row in rows]
    judge.compare("executions:order", "notebook", starts, [LIVE_START + i * HOUR for i in reversed(range(N_HOURS))])
    judge.compare("executions:span", "notebook", {row["DataEndTime"] - row["DataStartTime"] for row in rows}, {HOUR})
    judge.compare(
        "executions:due",
        "notebook",
        [row["ScheduledStartTime"] - row["DataEndTime"] for row in rows],
        [0 * HOUR] * N_HOURS,
    )


def test_a_result_is_a_line_a_row_that_clients_can_read(lived: Lived, judge: Judge) -> None:
    rows = lived.endpoint.done("ListInferenceExecutions", InferenceSchedulerName=lived.name, Status="SUCCESS")
    form = {
        "timestamp": "moment",
        "prediction": "integer",
        "prediction_reason": "text",
        "anomaly_score": "float",
        "diagnostics": [{"name": "sensor", "value": "float"}],
    }
    predictions = []
    for row in rows["InferenceExecutionSummaries"]:
        started = row["DataStartTime"]
        if (started - LIVE_START) // HOUR in HOURS_WITHOUT_FILE:
            continue
        key = row["CustomerResultObject"]["Key"]
        judge.compare("results:key", "notebook", key, f"out/{started:%Y-%m-%dT%H:%M:%SZ}/results.jsonl")
        text = (lived.bucket / key).read_text()
        judge.compare("results:last newline", "notebook", text[-1], "\n")
        judge.compare("results:read by Python", "notebook", is_evaluated_by_python(text), True)
        lines = [json.loads(line) for line in text.splitlines()]
        judge.compare(
            "results:form", "notebook", [each for line in lines for each in form_problems(form, line, "line")], []
        )
        times = [f"{started + i * STEP:%Y-%m-%dT%H:%M:%S.000000}" for i in range(1, 7)]
        judge.compare("results:times", "notebook", [line["timestamp"] for line in lines], times)
        for line in lines:
            expected = ("ANOMALY_DETECTED", 1) if line["anomaly_score"] > 0.5 else ("NO_ANOMALY_DETECTED", 0)
            judge.compare("results:prediction", "notebook", (line["prediction_reason"], line["prediction"]), expected)
            assert sum(each["value"] for each in line["diagnostics"]) == pytest.approx(1, abs=1e-4)
        predictions += [line["prediction"] for line in lines]
    assert set(predictions) == {0, 1}, "neither side of the threshold may be missing"


def test_only_events_longer_than_five_minutes_are_listed(lived: Lived, judge: Judge) -> None:
    span = {"IntervalStartTime": LIVE_START, "IntervalEndTime": LIVE_START + N_HOURS * HOUR}
    rows = lived.endpoint.done("ListInferenceEvents", InferenceSchedulerName=lived.name, **span)
    for row in rows["InferenceEventSummaries"]:
        seconds = (row["EventEndTime"] - row["EventStartTime"]).total_seconds()
        judge.compare("events:duration", "model", row["EventDurationInSeconds"], seconds)
        judge.compare("events:long", "document", seconds > 300, True)


@ON_HTTP
def test_what_was_not_given_is_absent(endpoint: Endpoint, plant: Plant, judge: Judge) -> None:
    found = endpoint.send("DescribeModel", {"ModelName": plant.failed}).output
    assert found is not None
    for member in (
        "DataPreProcessingConfiguration",
        "ModelMetrics",
        "OffCondition",
        "LabelsInputConfiguration",
        "RoleArn",
    ):
        judge.compare(f"DescribeModel.{member}:not given", "notebook", member in found, False)
    judge.compare("DescribeModel.FailedReason:failed", "model", "FailedReason" in found, True)
    fresh = endpoint.send("DescribeDataset", {"DatasetName": f"{plant.mark}-empty-0"}).output
    assert fresh is not None
    for member in ("Schema", "DataStartTime", "IngestionInputConfiguration", "ServerSideKmsKeyId"):
        judge.compare(f"DescribeDataset.{member}:not given", "decision", member in fresh, False)


def test_sensors_are_listed_byte_by_byte(endpoint: Endpoint, plant: Plant, judge: Judge) -> None:
    rows = endpoint.done("ListSensorStatistics", DatasetName=plant.dataset)["SensorStatisticsSummaries"]
    found = [(row["ComponentName"], row["SensorName"]) for row in rows]
    judge.compare("ListSensorStatistics:rows", "notebook", found, [("pump", sensor) for sensor in "abcd"])


def test_every_golden_says_where_its_truth_comes_from_and_every_known_divergence_is_of_a_case() -> None:
    assert {golden["origin"] for golden in GOLDENS} <= set(TRUTHS)
    assert all(golden["source"] for golden in GOLDENS)
    names = {name_of(golden) for golden in GOLDENS} | {boundary.name for boundary in boundaries()}
    assert set(KNOWN) <= names
    assert Z in PATTERNS["result key"]
