"""The work of the simulation: requests of every kind that makes jobs, and what must be true once they have ended.

Every request carries a ClientToken and is insisted on until an API accepts it. All data are good: whatever is accepted
must end with SUCCESS, once.
"""

import io
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from botocore.exceptions import BotoCoreError, ClientError

from crash.stage import Stage

ROLE = "arn:aws:iam::123456789012:role/plant"
START = datetime(2024, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=1)
N_TRAINED = 1500
WINDOW = timedelta(minutes=5)
LIVE = START + timedelta(days=2)
N_WINDOWS = 600
N_SCHEDULERS = 2
INSIST_SECONDS = 120
QUIET_SECONDS = 180
US = timedelta(microseconds=1)
EPOCH_US = int(START.timestamp() * 1e6)


def plant(first: datetime, n: int, seed: int) -> pl.DataFrame:
    """Four related sensors, row after row; `b` leaves `a` for half an hour every three hours."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(n) / 50) + rng.normal(0, 0.1, n)
    columns = {f"s{i}": load * (i + 1) + rng.normal(0, 0.1, n) for i in range(4)}
    if first == LIVE:
        columns["s1"] += np.where((np.arange(n) // 30) % 6 == 3, 6.0, 0.0)
    times = [f"{first + (i + 1) * STEP:%Y-%m-%dT%H:%M:%S}" for i in range(n)]
    return pl.DataFrame({"time": times, **columns})


def csv(frame: pl.DataFrame) -> bytes:
    text = io.BytesIO()
    frame.write_csv(text)
    return text.getvalue()


@dataclass
class Story:
    """What was accepted so far."""

    stage: Stage
    draw: random.Random
    ingestions: dict[str, list[str]] = field(default_factory=dict)  # Dataset -> jobs.
    models: dict[str, int] = field(default_factory=dict)  # Model -> versions expected.
    first_due: datetime = LIVE + WINDOW
    last_due: datetime = LIVE
    n_requests: int = 0
    n_windows: int = N_WINDOWS  # For which there are files.

    # Requests.

    def insist(self, operation: str, **request: Any) -> Any:
        """Send a request, with the same token, to one API after the other until one accepts it."""
        token = {"ClientToken": uuid.UUID(int=self.draw.getrandbits(128)).hex} if operation not in WITHOUT_TOKEN else {}
        deadline, n = time.monotonic() + INSIST_SECONDS, self.draw.randrange(100)
        while True:
            n += 1
            try:
                answer = getattr(self.stage.client(n), operation)(**request, **token)
            except (BotoCoreError, ZeroDivisionError) as error:  # Nobody listens just now.
                failure: Exception = error
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    raise
                failure = error
            else:
                self.n_requests += bool(token)
                return answer
            assert time.monotonic() < deadline, f"{operation} was not accepted: {failure}"
            time.sleep(0.2)

    def set_up(self) -> None:
        """What the rest builds on: data, a model with a running scheduler for each, and a retraining scheduler."""
        s3 = self.stage.s3
        s3.put_object(Bucket="plant", Key="in/pump/a.csv", Body=csv(plant(START, N_TRAINED, 1)))
        live = plant(LIVE, self.n_windows * 5, 2)
        for number in range(self.n_windows):
            key = f"live/pump_{LIVE + number * WINDOW:%Y%m%d%H%M%S}.csv"
            s3.put_object(Bucket="plant", Key=key, Body=csv(live[5 * number : 5 * number + 5]))
        self.ingest("base")
        self.quiet()
        for number in range(N_SCHEDULERS):
            self.train(f"model-{number}", "base")
        self.quiet()
        for number in range(N_SCHEDULERS):
            self.insist(
                "create_inference_scheduler",
                ModelName=f"model-{number}",
                InferenceSchedulerName=f"scheduler-{number}",
                DataUploadFrequency="PT5M",
                DataInputConfiguration={"S3InputConfiguration": {"Bucket": "plant", "Prefix": "live/"}},
                DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": "plant", "Prefix": f"out-{number}/"}},
                RoleArn=ROLE,
            )
        self.train("again", "base")
        self.quiet()
        self.insist(
            "create_retraining_scheduler",
            ModelName="again",
            RetrainingFrequency="P1M",
            LookbackWindow="P180D",
            PromoteMode="MANUAL",
        )
        self.quiet()

    def ingest(self, name: str) -> None:
        self.insist("create_dataset", DatasetName=name)
        place = {"S3InputConfiguration": {"Bucket": "plant", "Prefix": "in/"}}
        started = self.insist(
            "start_data_ingestion_job", DatasetName=name, IngestionInputConfiguration=place, RoleArn=ROLE
        )
        self.ingestions.setdefault(name, []).append(started["JobId"])

    def train(self, name: str, dataset: str = "base") -> None:
        self.insist("create_model", ModelName=name, DatasetName=dataset, RoleArn=ROLE)
        self.models[name] = 1

    def retrain(self) -> None:
        """Make the retraining scheduler due now; of several dues that were missed there is one retraining."""
        self.stage.sql(f"UPDATE retraining_scheduler SET next_due = {int(self.stage.now.timestamp() * 1e6)}")
        self.models["again"] += 1

    def tick(self, n_windows: int) -> None:
        self.last_due = min(self.last_due + n_windows * WINDOW, LIVE + self.n_windows * WINDOW)
        self.stage.set_clock(max(self.last_due, self.stage.now))

    def import_dataset(self, name: str) -> None:
        source = self.insist("describe_dataset", DatasetName="base")["DatasetArn"]
        made = self.insist("import_dataset", SourceDatasetArn=source, DatasetName=name)
        self.ingestions.setdefault(name, []).append(made["JobId"])

    def import_version(self, name: str) -> None:
        source = self.insist("describe_model_version", ModelName="model-0", ModelVersion=1)["ModelVersionArn"]
        self.insist(
            "import_model_version", SourceModelVersionArn=source, ModelName=name, DatasetName="base", RoleArn=ROLE
        )
        self.models[name] = 1

    # What must be true.

    def quiet(self) -> None:
        """Wait until nothing is due, under way or queued; say what is when that stands still."""
        deadline, before = time.monotonic() + QUIET_SECONDS, None
        while left := self._under_way():
            if left != before:  # It goes on, however slow the machine is.
                deadline, before = time.monotonic() + QUIET_SECONDS, left
            assert time.monotonic() < deadline, f"for {QUIET_SECONDS} s under way as it was: {left}"
            time.sleep(0.5)

    def _under_way(self) -> list[str]:
        now = int(self.stage.now.timestamp() * 1e6)
        return [f"{name}: {rows}" for name, text in UNDER_WAY.items() if (rows := self.stage.sql(text.format(now=now)))]

    def check(self) -> list[str]:
        """Give the sentences that are false, empty when all is well."""
        wrong: list[str] = []
        for look in (self._check_ingestions, self._check_versions, self._check_executions, self._check_events):
            look(wrong)
        wrong += [f"an orphan process: {process}" for process in self.stage.orphans()]
        return wrong

    def _check_ingestions(self, wrong: list[str]) -> None:
        keys = self._keys("openlookout", "datasets/")
        for name, jobs in self.ingestions.items():
            listed = self.insist("list_data_ingestion_jobs", DatasetName=name)["DataIngestionJobSummaries"]
            if sorted(row["JobId"] for row in listed) != sorted(jobs):
                wrong.append(f"dataset {name}: {len(jobs)} ingestions were accepted, {len(listed)} are there")
            for row in listed:
                if row["Status"] != "SUCCESS":
                    why = self.insist("describe_data_ingestion_job", JobId=row["JobId"]).get("FailedReason")
                    wrong.append(f"dataset {name}: an ingestion is {row['Status']}: {why}")
            described = self.insist("describe_dataset", DatasetName=name)
            if described["Status"] != "ACTIVE":
                wrong.append(f"dataset {name} is {described['Status']}")
            n_sensors = len(self.insist("list_sensor_statistics", DatasetName=name)["SensorStatisticsSummaries"])
            if n_sensors != 4:
                wrong.append(f"dataset {name} has statistics of {n_sensors} sensors, not of 4")
        for (manifest,) in self.stage.sql("SELECT manifest_key FROM ingestion_job WHERE status = 'SUCCESS'"):
            if manifest not in keys:
                wrong.append(f"the manifest {manifest} is not there")
                continue
            parts = json.loads(self.stage.s3.get_object(Bucket="openlookout", Key=manifest)["Body"].read())["parts"]
            wrong.extend(f"the part {part['path']} is not there" for part in parts if part["path"] not in keys)

    def _check_versions(self, wrong: list[str]) -> None:
        keys = self._keys("openlookout", "models/")
        for name, n_expected in self.models.items():
            listed = self._all("list_model_versions", "ModelVersionSummaries", ModelName=name)
            if [row["ModelVersion"] for row in listed] != list(range(1, n_expected + 1)):
                wrong.append(f"model {name}: {n_expected} versions are expected, {len(listed)} are there")
            for row in listed:
                described = self.insist("describe_model_version", ModelName=name, ModelVersion=row["ModelVersion"])
                if row["Status"] != "SUCCESS":
                    why = described.get("FailedReason")
                    wrong.append(f"model {name}, version {row['ModelVersion']} is {row['Status']}: {why}")
            described = self.insist("describe_model", ModelName=name)
            if described["Status"] != "SUCCESS" or described.get("ActiveModelVersion") != 1:
                wrong.append(f"model {name} is {described['Status']}, active {described.get('ActiveModelVersion')}")
        for (prefix,) in self.stage.sql("SELECT object_prefix FROM model_version WHERE status = 'SUCCESS'"):
            wrong.extend(
                f"the object {prefix}{file} is not there"
                for file in ("model.npz", "summary.json")
                if prefix + file not in keys
            )

    def _check_executions(self, wrong: list[str]) -> None:
        n = (self.last_due - LIVE) // WINDOW
        due = [LIVE + (number + 1) * WINDOW for number in range(n)]
        for number in range(N_SCHEDULERS):
            rows = self._all(
                "list_inference_executions", "InferenceExecutionSummaries", InferenceSchedulerName=f"scheduler-{number}"
            )
            times = Counter(row["ScheduledStartTime"] for row in rows)
            wrong.extend(f"scheduler-{number}: {k} executions are due at {at}" for at, k in times.items() if k > 1)
            wrong.extend(f"scheduler-{number}: no execution is due at {at}" for at in due if at not in times)
            wrong.extend(
                f"scheduler-{number}: {row['ScheduledStartTime']} is {row['Status']}: {row.get('FailedReason')}"
                for row in rows
                if row["Status"] != "SUCCESS"
            )

    def _check_events(self, wrong: list[str]) -> None:
        """The two schedulers do the same work: their results are equal, and each alarm lies in one event of each."""
        results = [self._results(number, wrong) for number in range(N_SCHEDULERS)]
        for at in sorted(results[0].keys() ^ results[1].keys()):
            wrong.append(f"one of the schedulers has no results for {at}")
        for at in sorted(results[0].keys() & results[1].keys()):
            if results[0][at] != results[1][at]:
                wrong.append(f"the results of {at} differ")
        events = []
        for number in range(N_SCHEDULERS):
            # Not by ListInferenceEvents, which keeps the short ones to itself.
            rows = self.stage.sql(EVENTS.format(name=f"scheduler-{number}"))
            found = [(START + (start - EPOCH_US) * US, START + (end - EPOCH_US) * US, n) for start, end, n in rows]
            events.append(found)
            for text in results[number].values():
                for line in map(json.loads, text.splitlines()):
                    at = datetime.fromisoformat(line["timestamp"]).replace(tzinfo=UTC)
                    n_in = sum(start < at <= end for start, end, _ in found)
                    if line["prediction"] == 1 and n_in != 1:
                        wrong.append(f"scheduler-{number}: the alarm of {at} lies in {n_in} events")
        if events[0] != events[1]:
            wrong.append(f"the events differ: {len(events[0])} and {len(events[1])}")

    def _results(self, number: int, wrong: list[str]) -> dict[str, str]:
        found = {}
        for key in self._keys("plant", f"out-{number}/"):
            if key.endswith("results.jsonl"):
                text = self.stage.s3.get_object(Bucket="plant", Key=key)["Body"].read().decode()
                found[key.split("/")[-2]] = text
                if text.count("\n") != 5:
                    wrong.append(f"{key} has {text.count(chr(10))} lines, not 5")
        return found

    def _keys(self, bucket: str, prefix: str) -> set[str]:
        pages = self.stage.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {found["Key"] for page in pages for found in page.get("Contents", [])}

    def _all(self, operation: str, member: str, **request: Any) -> list[Any]:
        rows: list[Any] = []
        token: dict[str, str] = {}
        while True:
            answer = self.insist(operation, **request, **token)
            rows += answer[member]
            if "NextToken" not in answer:
                return rows
            token = {"NextToken": answer["NextToken"]}


WITHOUT_TOKEN = {
    *("describe_dataset", "describe_data_ingestion_job", "describe_model", "describe_model_version"),
    *("list_data_ingestion_jobs", "list_model_versions", "list_inference_executions", "list_sensor_statistics"),
}
UNDER_WAY = {
    "ingestions": "SELECT id, status FROM ingestion_job WHERE status LIKE '%IN_PROGRESS'",
    "datasets": "SELECT name, status FROM dataset WHERE status LIKE '%IN_PROGRESS'",
    "versions": "SELECT model_id, version FROM model_version WHERE status LIKE '%IN_PROGRESS'",
    "models": "SELECT name, status FROM model WHERE status LIKE '%IN_PROGRESS'",
    "executions": "SELECT id, due_at FROM inference_execution WHERE status = 'IN_PROGRESS'",
    "schedulers": "SELECT name, status FROM inference_scheduler WHERE status IN ('PENDING', 'STOPPING') "
    "OR (status = 'RUNNING' AND next_due <= {now})",
    "retrainings": "SELECT model_id FROM retraining_scheduler WHERE status IN ('PENDING', 'STOPPING') "
    "OR (status = 'RUNNING' AND next_due <= {now})",
    "jobs": "SELECT workflow_uuid, status FROM dbos.workflow_status WHERE status IN ('PENDING', 'ENQUEUED')",
}
EVENTS = """SELECT started_at, ended_at, n_rows FROM inference_event JOIN inference_scheduler
ON inference_scheduler.id = scheduler_id WHERE name = '{name}' ORDER BY started_at"""
ACTIONS: dict[str, Callable[[Story, str], None]] = {
    "ingestion": lambda story, name: story.ingest(f"data-{name}"),
    "training": lambda story, name: story.train(f"trained-{name}"),
    "inference": lambda story, name: story.tick(story.draw.choice((1, 1, 2, 3))),
    "retraining": lambda story, name: story.retrain(),
    "dataset import": lambda story, name: story.import_dataset(f"imported-{name}"),
    "version import": lambda story, name: story.import_version(f"copied-{name}"),
}
