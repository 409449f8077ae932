"""The definition as botocore reads it: service model, paginators and waiters, and where to install them.

botocore drops retired services; with these files in its data path boto3 and the AWS CLI go on working. AWS never had
paginators and waiters for this service: ours come along. botocore takes each file from the first folder that has it,
in the order `AWS_DATA_PATH`, `~/.aws/models`, its own data, and merges nothing: while it still has its own copy, ours
wins. No endpoint rule set is among them: without one botocore forms the host's name from region and endpointPrefix.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from openlookout.api.definition import definition

SERVICE = "lookoutequipment"
LIST_RESULTS = {
    "ListDataIngestionJobs": "DataIngestionJobSummaries",
    "ListDatasets": "DatasetSummaries",
    "ListInferenceEvents": "InferenceEventSummaries",
    "ListInferenceExecutions": "InferenceExecutionSummaries",
    "ListInferenceSchedulers": "InferenceSchedulerSummaries",
    "ListLabelGroups": "LabelGroupSummaries",
    "ListLabels": "LabelSummaries",
    "ListModelVersions": "ModelVersionSummaries",
    "ListModels": "ModelSummaries",
    "ListRetrainingSchedulers": "RetrainingSchedulerSummaries",
    "ListSensorStatistics": "SensorStatisticsSummaries",
}
# name: (operation, status that is waited for, statuses that can no longer lead there, seconds between looks, looks)
WAITERS = {
    "dataset_active": ("DescribeDataset", "ACTIVE", ("CREATED",), 2, 5400),
    "ingestion_job_complete": ("DescribeDataIngestionJob", "SUCCESS", ("FAILED",), 2, 5400),
    "model_trained": ("DescribeModel", "SUCCESS", ("FAILED",), 2, 5400),
    "model_version_complete": ("DescribeModelVersion", "SUCCESS", ("FAILED", "CANCELED"), 2, 5400),
    "inference_scheduler_running": ("DescribeInferenceScheduler", "RUNNING", ("STOPPING", "STOPPED"), 1, 300),
    "inference_scheduler_stopped": ("DescribeInferenceScheduler", "STOPPED", (), 1, 900),
    "retraining_scheduler_running": ("DescribeRetrainingScheduler", "RUNNING", ("STOPPING", "STOPPED"), 1, 300),
    "retraining_scheduler_stopped": ("DescribeRetrainingScheduler", "STOPPED", (), 1, 900),
}


def service_model() -> dict[str, Any]:
    """The content of service-2.json."""
    return {"version": "2.0", **definition()}


def paginators() -> dict[str, Any]:
    """The content of paginators-1.json: one for every List operation with pages."""
    token = {"input_token": "NextToken", "output_token": "NextToken", "limit_key": "MaxResults"}
    return {"pagination": {name: {**token, "result_key": result} for name, result in LIST_RESULTS.items()}}


def waiters() -> dict[str, Any]:
    """The content of waiters-2.json."""
    return {"version": 2, "waiters": {_pascal(name): _waiter(*how) for name, how in WAITERS.items()}}


def install(directory: Path | None = None) -> Path:
    """Write the files under a folder for AWS_DATA_PATH, or under ~/.aws/models; give the folder they are in.

    Each file is replaced as a whole, so that a client that starts meanwhile reads an old or a new one.
    """
    root = Path.home() / ".aws" / "models" if directory is None else directory
    folder = root / SERVICE / str(definition()["metadata"]["apiVersion"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("service-2", service_model()), ("paginators-1", paginators()), ("waiters-2", waiters())):
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False, encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(folder / f"{name}.json")
    return folder


def _waiter(operation: str, wanted: str, lost: tuple[str, ...], delay: int, attempts: int) -> dict[str, Any]:
    def acceptor(status: str, state: str) -> dict[str, str]:
        return {"matcher": "path", "argument": "Status", "expected": status, "state": state}

    return {
        "operation": operation,
        "delay": delay,
        "maxAttempts": attempts,
        "acceptors": [acceptor(wanted, "success"), *(acceptor(status, "failure") for status in lost)],
    }


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))
