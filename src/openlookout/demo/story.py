"""The demo's story: what a user does with boto3, from files to alarms, and what the answers say. Knows the API only.

Everything printed comes from answers of the service, or from the simulator where it says so.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from openlookout.demo.files import YEAR_END, write_window
from openlookout.demo.plant import FAILURE, LIVE, START, Plant

BUCKET = "demo-plant"
ROLE = "arn:aws:iam::123456789012:role/openlookout-demo"
EVALUATION_START = START + timedelta(days=250)
FREQUENCY = timedelta(minutes=15)
N_WINDOWS = 20
POLL_SECONDS = 0.2
WAIT_SECONDS_MAX = 300
LEADING = 3

Client = Any  # boto3's clients are made at run time.


class DemoFailed(Exception):
    """A step of the demo did not end well; the message is what the service said."""


@dataclass(frozen=True)
class Found:
    """What the demo found: for tests and for the last line."""

    warning: timedelta | None
    leading: tuple[str, ...]
    false_ranges: int
    live_results: tuple[str, ...]
    live_alarm_after: timedelta | None


def tell(client: Client, bucket: Path, plant: Plant, advance: Callable[[datetime], None], console: Console) -> Found:
    """Do it all; `advance` sets the service's clock.

    Raises:
        DemoFailed: a job of the service FAILED or does not end.
    """
    _ingest(client, console)
    version = _train(client, console)
    warning, leading, n_false = _evaluation(version, console)
    results, after = _live(client, bucket, plant, advance, console)
    return Found(warning, leading, n_false, results, after)


def _ingest(client: Client, console: Console) -> None:
    console.rule("Dataset and ingestion")
    client.create_dataset(DatasetName="pump-train")
    job = client.start_data_ingestion_job(
        DatasetName="pump-train",
        IngestionInputConfiguration={
            "S3InputConfiguration": {
                "Bucket": BUCKET,
                "Prefix": "training/",
                "KeyPattern": "{prefix}/{component_name}/*",
            }
        },
        RoleArn=ROLE,
    )
    done = _wait(console, "reading the files", lambda: client.describe_data_ingestion_job(JobId=job["JobId"]))
    files, quality = done["IngestedFilesSummary"], done["DataQualitySummary"]
    console.print(
        f"{files['IngestedNumberOfFiles']} of {files['TotalNumberOfFiles']} files, "
        f"{done['IngestedDataSize'] / 1e6:.0f} MB, {_day(done['DataStartTime'])} to {_day(done['DataEndTime'])}"
    )
    statistics = client.list_sensor_statistics(DatasetName="pump-train", MaxResults=500)["SensorStatisticsSummaries"]
    console.print(
        f"{len(statistics)} sensors: {quality['MissingSensorData']['TotalNumberOfMissingValues']} values missing, "
        f"{quality['InvalidSensorData']['TotalNumberOfInvalidValues']} not numbers, "
        f"{quality['DuplicateTimestamps']['TotalNumberOfDuplicateTimestamps']} rows twice, "
        f"{_n_issues(statistics, 'MultipleOperatingModes')} with several operating modes"
    )


def _train(client: Client, console: Console) -> Mapping[str, Any]:
    console.rule("Model")
    client.create_model(
        ModelName="pump-train-model",
        DatasetName="pump-train",
        TrainingDataStartTime=START,
        TrainingDataEndTime=EVALUATION_START,
        EvaluationDataStartTime=EVALUATION_START,
        EvaluationDataEndTime=YEAR_END,
        LabelsInputConfiguration={"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "labels/"}},
        DataPreProcessingConfiguration={"TargetSamplingRate": "PT15M"},
        OffCondition="motor\\speed < 100",
        ModelDiagnosticsOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "diagnostics/"}},
        RoleArn=ROLE,
    )
    _wait(console, "training and evaluating", lambda: client.describe_model(ModelName="pump-train-model"))
    for summary in client.list_model_versions(ModelName="pump-train-model")["ModelVersionSummaries"]:
        console.print(
            f"version {summary['ModelVersion']}: {summary['Status']}, {summary['SourceType']}, "
            f"{summary['ModelQuality']}"
        )
    version: Mapping[str, Any] = client.describe_model_version(ModelName="pump-train-model", ModelVersion=1)
    return version


def _evaluation(version: Mapping[str, Any], console: Console) -> tuple[timedelta | None, tuple[str, ...], int]:
    """Print what the evaluation range showed; give warning time, leading sensors, and ranges before the onset."""
    metrics = json.loads(version["ModelMetrics"])
    ranges = metrics["predicted_ranges"]
    before_failure = [found for found in ranges if FAILURE.onset <= _time(found["end"]) <= FAILURE.failure]
    n_false = sum(_time(found["end"]) < FAILURE.onset for found in ranges)
    labeled = metrics["labeled_event_metrics"]
    console.print(
        f"evaluation: {labeled['num_identified']} of {labeled['num_labeled']} labelled failures found, "
        f"{len(ranges)} anomalous ranges, {n_false} of them before anything was wrong"
    )
    console.print(
        f"the simulator says: {FAILURE.kind}, growing from {_day(FAILURE.onset)}, broke {_day(FAILURE.failure)}"
    )
    if not before_failure:
        console.print("[red]no warning before the failure[/red]")
        return None, (), n_false
    first = _time(before_failure[0]["start"])
    warning = FAILURE.failure - first
    weight: dict[str, float] = {}
    for found in before_failure:
        seconds = (_time(found["end"]) - _time(found["start"])).total_seconds()
        for sensor in found["diagnostics"]:
            weight[sensor["name"]] = weight.get(sensor["name"], 0.0) + sensor["value"] * seconds
    leading = tuple(sorted(weight, key=lambda name: -weight[name])[:LEADING])
    console.print(f"[bold]first warning {_day(first)}, {warning.days} days before the failure[/bold]")
    console.print(f"led by {', '.join(leading)}")
    return warning, leading, n_false


def _live(
    client: Client, bucket: Path, plant: Plant, advance: Callable[[datetime], None], console: Console
) -> tuple[tuple[str, ...], timedelta | None]:
    console.rule("Inference")
    name = "pump-train-scheduler"
    client.create_inference_scheduler(
        ModelName="pump-train-model",
        InferenceSchedulerName=name,
        DataUploadFrequency="PT15M",
        DataInputConfiguration={
            "S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "live/"},
            "InferenceInputNameConfiguration": {
                "TimestampFormat": "yyyyMMddHHmmss",
                "ComponentTimestampDelimiter": "_",
            },
        },
        DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "results/"}},
        RoleArn=ROLE,
    )
    _wait(
        console,
        "starting the scheduler",
        lambda: client.describe_inference_scheduler(InferenceSchedulerName=name),
        wanted="RUNNING",
    )
    console.print(f"the simulator says: {LIVE.kind}, growing from {_minute(LIVE.onset)}")
    results: list[str] = []
    alarm_after = None
    for number in range(N_WINDOWS):
        start = YEAR_END + number * FREQUENCY
        end = start + FREQUENCY
        write_window(plant, bucket / "live", start, end)
        advance(end)
        _wait(
            console,
            f"scoring {_minute(start)} to {_minute(end)}",
            partial(_execution, client, name, end),
        )
        result = client.describe_inference_scheduler(InferenceSchedulerName=name)["LatestInferenceResult"]
        results.append(result)
        if result == "ANOMALOUS" and alarm_after is None:
            alarm_after = end - LIVE.onset
            console.print(f"[bold]{_minute(end)}: ANOMALOUS[/bold]")
    n_anomalous = results.count("ANOMALOUS")
    console.print(f"{len(results)} executions: {len(results) - n_anomalous} normal, {n_anomalous} anomalous")
    events = client.list_inference_events(
        InferenceSchedulerName=name, IntervalStartTime=YEAR_END, IntervalEndTime=YEAR_END + timedelta(days=1)
    )["InferenceEventSummaries"]
    for event in events:
        shares = sorted(json.loads(event["Diagnostics"]), key=lambda sensor: -sensor["value"])[:LEADING]
        console.print(
            f"event {_minute(event['EventStartTime'])} to {_minute(event['EventEndTime'])}; led by "
            + ", ".join(f"{sensor['name']} ({sensor['value']:.0%})" for sensor in shares)
        )
    return tuple(results), alarm_after


def _execution(client: Client, name: str, end: datetime) -> Mapping[str, Any]:
    rows = client.list_inference_executions(InferenceSchedulerName=name, MaxResults=1)["InferenceExecutionSummaries"]
    is_there = bool(rows) and rows[0]["DataEndTime"] == end
    execution: Mapping[str, Any] = rows[0] if is_there else {"Status": "IN_PROGRESS"}
    return execution


def _wait(
    console: Console, what: str, look: Callable[[], Mapping[str, Any]], wanted: str = "SUCCESS"
) -> Mapping[str, Any]:
    """Look until the status is the wanted one.

    Raises:
        DemoFailed: it is FAILED, or does not change for too long.
    """
    started = time.monotonic()
    with console.status(f"{what} …"):
        while True:
            answer = look()
            if answer["Status"] == wanted:
                break
            if answer["Status"] == "FAILED":
                raise DemoFailed(f"{what}: {answer.get('FailedReason', 'FAILED')}")
            if time.monotonic() - started > WAIT_SECONDS_MAX:
                raise DemoFailed(f"{what}: still {answer['Status']} after {WAIT_SECONDS_MAX} s")
            time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - started
    if seconds > 1:
        console.print(f"{what}: {seconds:.1f} s")
    return answer


def _n_issues(statistics: list[Mapping[str, Any]], member: str) -> int:
    return sum(row[member]["Status"] == "POTENTIAL_ISSUE_DETECTED" for row in statistics)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%d %b %Y")


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%d %b %H:%M")
