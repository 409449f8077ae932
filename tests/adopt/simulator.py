"""What the old service left of a simulated plant: training data by each key pattern, labels, inference input, results.

The old results are of known quality: the fault was found, some time after it began, with sensors that are named; and
one alarm was false.
"""

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from service.test_live import plant, two_components

STEP, HOUR = timedelta(minutes=5), timedelta(hours=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
N_TRAINED, N_EVALUATED = 1500, 300
EVALUATED = START + N_TRAINED * STEP
END = EVALUATED + N_EVALUATED * STEP
FAULT = EVALUATED + 220 * STEP
FOUND_LATE = timedelta(hours=1)
FALSE_ALARM = (EVALUATED + 40 * STEP, EVALUATED + 46 * STEP)
ACCOUNT = "038552646228"
PATTERNS = {
    "{prefix}/{component_name}/*": "{component}/part-{number}.csv",
    "{prefix}/{component_name}_*": "{component}_{number}.csv",
    "{prefix}/{component_name}.*": "{component}.csv",
    "{prefix}/{component_name}-*": "{component}-{number}.csv",
}


@dataclass(frozen=True)
class Leftovers:
    """A folder as `aws s3 sync` would have made it of the bucket `old-plant`."""

    folder: Path

    def write(self, key: str, content: str | bytes) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def write_training(self, pattern: str, prefix: str = "training/") -> None:
        n_parts = 1 if pattern.endswith(".*") else 2
        for component, frame in two_components(readings()).items():
            length = -(-len(frame) // n_parts)
            for number in range(n_parts):
                name = PATTERNS[pattern].format(component=component, number=number)
                self.write(prefix + name, frame[number * length : (number + 1) * length].write_csv())

    def write_labels(self, key: str = "labels/labels.csv") -> None:
        self.write(key, f"{FAULT:%Y-%m-%dT%H:%M:%S.%f},{END:%Y-%m-%dT%H:%M:%S.%f}\n")

    def write_input(self, prefix: str = "inference/input/") -> None:
        for component, frame in two_components(readings()[N_TRAINED:]).items():
            for number in range(N_EVALUATED // 12):
                start = EVALUATED + number * HOUR
                text = frame[number * 12 : number * 12 + 12].write_csv()
                self.write(f"{prefix}{component}_{start:%Y%m%d%H%M%S}.csv", text)

    def write_results(self, prefix: str = "inference/output/") -> None:
        """results.jsonl of each hour that was scored."""
        for number in range(N_EVALUATED // 12):
            start = EVALUATED + number * HOUR
            lines = [json.dumps(result(start + (i + 1) * STEP)) for i in range(12)]
            self.write(f"{prefix}{start:%Y-%m-%dT%H:%M:%SZ}/results.jsonl", "\n".join(lines) + "\n")

    def write_diagnostics(self, prefix: str = "diagnostics/") -> None:
        lines = [json.dumps(result(EVALUATED + (i + 1) * STEP)) for i in range(N_EVALUATED)]
        self.write(f"{prefix}model_diagnostics_results.json.gz", gzip.compress(("\n".join(lines) + "\n").encode()))

    def write_answers(self) -> None:
        """What the AWS CLI printed of dataset, model and scheduler."""
        self.write("saved/describe-dataset.json", json.dumps(DATASET, indent=4))
        self.write("saved/describe-model.json", json.dumps(MODEL, indent=4))
        self.write("saved/describe-inference-scheduler.json", json.dumps(SCHEDULER, indent=4))
        self.write("saved/describe-retraining-scheduler.json", json.dumps(RETRAINING, indent=4))
        self.write("saved/get-resources.json", json.dumps(TAGS, indent=4))


def readings() -> pl.DataFrame:
    """All readings: normal in training, a sensor that drifts away at the end of what was evaluated."""
    return plant(N_TRAINED + N_EVALUATED, START, 1, N_TRAINED + 220)


def is_alarm(at: datetime) -> bool:
    """Whether the old service alarmed in the row of a time."""
    return FALSE_ALARM[0] < at <= FALSE_ALARM[1] or at > FAULT + FOUND_LATE


def result(at: datetime) -> dict[str, Any]:
    """A line of the old service's results."""
    shares = {"pump\\b": 0.7, "motor\\a": 0.2, "pump\\c": 0.1, "motor\\speed": 0.0}
    return {
        "timestamp": f"{at:%Y-%m-%dT%H:%M:%S.%f}",
        "prediction": int(is_alarm(at)),
        "prediction_reason": "ANOMALY_DETECTED" if is_alarm(at) else "NO_ANOMALY_DETECTED",
        "anomaly_score": 0.9 if is_alarm(at) else 0.1,
        "diagnostics": [{"name": name, "value": value} for name, value in shares.items()],
    }


def place(prefix: str) -> dict[str, Any]:
    return {"Bucket": "old-plant", "Prefix": prefix}


def schema(components: dict[str, list[str]]) -> str:
    """A schema as the service tells it."""
    time = {"Name": "time", "Type": "DATETIME"}
    return json.dumps(
        {
            "Components": [
                {"ComponentName": name, "Columns": [time, *({"Name": one, "Type": "DOUBLE"} for one in sensors)]}
                for name, sensors in components.items()
            ]
        }
    )


def arn(kind: str, name: str) -> str:
    return f"arn:aws:lookoutequipment:eu-west-1:{ACCOUNT}:{kind}/{name}/9f3b8a45-fa09-4e23-971d-29e0b9e30498"


DATASET = {
    "DatasetName": "old-pump",
    "DatasetArn": arn("dataset", "old-pump"),
    "CreatedAt": "2024-04-01T09:03:08.123000+00:00",
    "Status": "ACTIVE",
    "IngestionInputConfiguration": {"S3InputConfiguration": place("training/")},
    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/lookout",
}
MODEL = {
    "ModelName": "old-pump-model",
    "ModelArn": arn("model", "old-pump-model"),
    "DatasetName": "old-pump",
    "DatasetArn": arn("dataset", "old-pump"),
    "LabelsInputConfiguration": {"S3InputConfiguration": place("labels/")},
    "TrainingDataStartTime": START.timestamp(),
    "TrainingDataEndTime": EVALUATED.timestamp(),
    "EvaluationDataStartTime": EVALUATED.timestamp(),
    "EvaluationDataEndTime": END.timestamp(),
    "Schema": schema({"motor": ["a", "speed"], "pump": ["b"]}),
    "OffCondition": "motor\\speed < 100",
    "Status": "SUCCESS",
    "TrainingExecutionStartTime": "2024-04-01T10:00:00+00:00",
    "ModelMetrics": json.dumps(
        {
            "labeled_ranges": [],
            "predicted_ranges": [
                {
                    "start": f"{start:%Y-%m-%dT%H:%M:%S.%f}",
                    "end": f"{end:%Y-%m-%dT%H:%M:%S.%f}",
                    "diagnostics": result(start)["diagnostics"],
                }
                for start, end in (FALSE_ALARM, (FAULT + FOUND_LATE, END))
            ],
        }
    ),
}
SCHEDULER = {
    "ModelName": "old-pump-model",
    "ModelArn": arn("model", "old-pump-model"),
    "InferenceSchedulerName": "old-pump-scheduler",
    "InferenceSchedulerArn": arn("inference-scheduler", "old-pump-scheduler"),
    "Status": "RUNNING",
    "DataDelayOffsetInMinutes": 2,
    "DataUploadFrequency": "PT1H",
    "DataInputConfiguration": {
        "S3InputConfiguration": place("inference/input/"),
        "InputTimeZoneOffset": "+00:00",
        "InferenceInputNameConfiguration": {
            "TimestampFormat": "yyyyMMddHHmmss",
            "ComponentTimestampDelimiter": "_",
        },
    },
    "DataOutputConfiguration": {"S3OutputConfiguration": place("inference/output/")},
    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/lookout",
}

RETRAINING = {
    "ModelName": "old-pump-model",
    "ModelArn": arn("model", "old-pump-model"),
    "RetrainingStartDate": "2024-05-01T00:00:00+00:00",
    "RetrainingFrequency": "P1M",
    "LookbackWindow": "P180D",
    "Status": "STOPPED",
    "PromoteMode": "MANUAL",
}
TAGS = {
    "ResourceTagMappingList": [
        {"ResourceARN": arn(kind, name), "Tags": [{"Key": "site", "Value": "north"}, {"Key": "aws:x", "Value": "y"}]}
        for kind, name in (("dataset", "old-pump"), ("model", "old-pump-model"))
    ]
}
