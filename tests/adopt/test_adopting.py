"""The first day of someone whose service went silent: from a folder to models under the old names, and the report."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import openlookout
from adopt import simulator
from adopt.simulator import Leftovers
from openlookout.adopt.leftovers import AdoptRefused
from openlookout.adopt.run import Request, adopt
from openlookout.adopt.sensors import sensors_of
from openlookout.buckets.buckets import BucketSettings
from serving import serving


@dataclass(frozen=True)
class Here:
    """A folder to work in, with leftovers and a data folder."""

    folder: Path

    @property
    def left(self) -> Leftovers:
        return Leftovers(self.folder / "old plant")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def command(self, *more: str) -> list[str]:
        source = (str(self.left.folder), "--data", str(self.data))
        return [sys.executable, "-m", "openlookout.cli", "adopt", *source, *more]

    def run(self, *more: str) -> "subprocess.CompletedProcess[str]":
        ran = subprocess.run(
            self.command(*more), cwd=self.folder, capture_output=True, text=True, check=False, timeout=200
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran


def made(folder: Path) -> dict[str, Any]:
    """What there is under the old names, with when it was made."""
    with openlookout.local(folder) as client:
        model = client.describe_model(ModelName="old-pump-model")
        scheduler = client.describe_inference_scheduler(InferenceSchedulerName="old-pump-scheduler")
        dataset = client.describe_dataset(DatasetName="old-pump")
        executions = client.list_inference_executions(InferenceSchedulerName="old-pump-scheduler", MaxResults=500)
        jobs = client.list_data_ingestion_jobs()["DataIngestionJobSummaries"]
        retraining = client.describe_retraining_scheduler(ModelName="old-pump-model")
        for each in (model, scheduler, dataset, retraining):
            each.pop("ResponseMetadata")
        arns = (dataset["DatasetArn"], model["ModelArn"])
        tags = [client.list_tags_for_resource(ResourceArn=arn)["Tags"] for arn in arns]
    past = [row for row in executions["InferenceExecutionSummaries"] if row["DataEndTime"] <= simulator.END]
    there = {"model": model, "scheduler": scheduler, "dataset": dataset, "retraining": retraining, "tags": tags}
    return there | {"executions": past, "n_jobs": len(jobs)}


def test_everything_is_made_again_under_the_old_names_and_compared(tmp_path: Path) -> None:
    """Killed in the middle it goes on; done once more it changes nothing."""
    here = Here(tmp_path)
    for write in ("write_labels", "write_input", "write_results", "write_diagnostics", "write_answers"):
        getattr(here.left, write)()
    here.left.write_training("{prefix}/{component_name}/*")
    planned = here.run()
    assert "Read it, change what is wrong, and run the same command again." in planned.stdout
    assert not here.data.exists(), "a plan makes nothing"

    process = subprocess.Popen(here.command(), cwd=here.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (here.data / "buckets" / "old-plant" / "inference").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    first = here.run()
    assert "model old-pump-model: made" in first.stdout
    there = made(here.data)
    assert there["model"]["Status"] == "SUCCESS"
    assert there["model"]["OffCondition"] == "motor\\speed < 100"
    assert there["model"]["EvaluationDataStartTime"] == simulator.EVALUATED
    assert there["scheduler"]["DataInputConfiguration"] == simulator.SCHEDULER["DataInputConfiguration"]
    assert there["scheduler"]["DataDelayOffsetInMinutes"] == 2
    assert there["dataset"]["IngestionInputConfiguration"]["S3InputConfiguration"]["Prefix"] == "training/"
    assert sensors_of(there["model"]["Schema"]) == ["motor\\a", "motor\\speed", "pump\\b"]
    assert len(sensors_of(there["dataset"]["Schema"])) == 4
    assert there["tags"] == [[{"Key": "site", "Value": "north"}]] * 2
    took_over = ("RetrainingFrequency", "LookbackWindow", "PromoteMode")
    assert all(there["retraining"][name] == simulator.RETRAINING[name] for name in took_over)
    assert there["retraining"]["Status"] in {"STOPPING", "STOPPED"}
    assert f"{there['retraining']['RetrainingStartDate']:%Y-%m-%d}" == "2024-05-01"
    # The old input files were scored, and the old results were kept beside the new ones.
    assert [row["Status"] for row in there["executions"]] == ["SUCCESS"] * (simulator.N_EVALUATED // 12)
    for start in (simulator.EVALUATED, simulator.END - simulator.HOUR):
        folder = Path("inference/output") / f"{start:%Y-%m-%dT%H:%M:%SZ}"
        kept = (here.data / "buckets/old-plant" / folder / "results.jsonl.revision-0").read_text()
        assert kept == (here.left.folder / folder / "results.jsonl").read_text()

    (report,) = json.loads((here.folder / "agreement.json").read_text())["models"]
    assert report["model"] == "old-pump-model"
    false, fault = report["alarms"]
    assert false["start"].startswith(f"{simulator.FALSE_ALARM[0]:%Y-%m-%dT%H:%M}")
    assert not false["is_found"]
    assert fault["is_found"]
    assert fault["start"].startswith(f"{simulator.FAULT + simulator.FOUND_LATE:%Y-%m-%dT%H:%M}")
    assert fault["leading_then"][0] == fault["leading_now"][0] == "pump\\b"
    assert abs(fault["lead_hours"]) < 3
    assert (report["n_then"], report["n_found"]) == (2, 1)
    assert "<svg" in (here.folder / "agreement.html").read_text()

    again = here.run()
    assert "0 files copied" in again.stdout
    for what in (
        *("dataset old-pump", "model old-pump-model", "scheduler old-pump-scheduler"),
        "retraining scheduler old-pump-model",
    ):
        assert f"{what}: is there" in again.stdout
    assert "windows of old-pump-scheduler" not in again.stdout
    assert made(here.data) == there


def test_a_running_service_takes_over_by_its_endpoint_and_says_what_failed(tmp_path: Path) -> None:
    """Flat files, labels as a group that was saved, results of a time that there are no data of."""
    here = Here(tmp_path)
    here.left.write_training("{prefix}/{component_name}_*")
    label = {"LabelGroupName": "faults", "LabelId": "0" * 32, "Rating": "ANOMALY", "FaultCode": "bearing"}
    times = {"StartTime": simulator.FAULT.timestamp(), "EndTime": simulator.END.timestamp()}
    here.left.write("group.json", json.dumps({"LabelGroupName": "faults", "FaultCodes": ["bearing"]}))
    here.left.write("labels.json", json.dumps({"LabelSummaries": [label | times]}))
    here.left.write(
        "setup.py",
        "c.create_model(ModelName='pump', DatasetName='old', LabelsInputConfiguration={'LabelGroupName': 'faults'})\n"
        "c.create_inference_scheduler(InferenceSchedulerName='lost', ModelName='nobody', DataUploadFrequency='PT5M',\n"
        "    DataInputConfiguration={'S3InputConfiguration': {'Bucket': 'old-plant', 'Prefix': 'in/'}},\n"
        "    DataOutputConfiguration={'S3OutputConfiguration': {'Bucket': 'old-plant', 'Prefix': 'out/'}})\n"
        "c.create_inference_scheduler(InferenceSchedulerName='live', ModelName='pump', DataUploadFrequency='PT1H',\n"
        "    DataInputConfiguration={'S3InputConfiguration': {'Bucket': 'old-plant', 'Prefix': 'inference/input/'},\n"
        "        'InferenceInputNameConfiguration': {'TimestampFormat': 'yyyyMMddHHmmss',\n"
        "            'ComponentTimestampDelimiter': '_'}},\n"
        "    DataOutputConfiguration={'S3OutputConfiguration': {'Bucket': 'old-plant', 'Prefix': 'out/'}})\n",
    )
    here.left.write_input()
    row = simulator.result(simulator.FAULT + simulator.FOUND_LATE) | {"prediction": 1}
    later = row | {"timestamp": "2031-01-01T00:00:00.000000"}
    here.left.write("pump/2031-01-01T00:00:00Z/results.jsonl", json.dumps(later) + "\n")
    with serving(here.data) as process:
        client = process.client()
        buckets = BucketSettings("folder", here.data / "buckets", here.data / "objects")
        console = Console(file=(here.folder / "said").open("w"), width=200)

        def run(source: Path, *, can_copy: bool = True) -> int:
            names = (here.folder / "plan.yaml", here.folder / "report")
            request = Request(str(source), None, None, *names, True, buckets, can_copy)
            return adopt(request, lambda: contextlib.nullcontext(openlookout.client(endpoint(process))), None, console)

        with pytest.raises(AdoptRefused, match="the service at the endpoint has buckets of its own"):
            run(here.left.folder, can_copy=False)
        assert run(here.left.folder) == 1, "a scheduler without its model cannot be made"
        console.file.flush()
        said = (here.folder / "said").read_text()
        assert "model pump: made" in said
        assert "scheduler lost: failed" in said
        assert "'nobody' does not exist" in said
        assert "have no time in common: nothing can be compared" in said
        # This command cannot replay on another machine: it says how to, with the span of the files.
        first, last = simulator.EVALUATED, simulator.EVALUATED + timedelta(hours=simulator.N_EVALUATED // 12)
        span = f"--from {first:%Y-%m-%dT%H:%M}Z --to {last:%Y-%m-%dT%H:%M}Z"
        assert "The old input files of live were not scored: the API has no operation for that. " in said
        assert f"openlookout replay live {span} --data" in said
        labels = client.list_labels(LabelGroupName="faults")["LabelSummaries"]
        assert [(one["StartTime"], one["FaultCode"]) for one in labels] == [(simulator.FAULT, "bearing")]
        version = client.describe_model_version(ModelName="pump", ModelVersion=1)
        assert version["LabelsInputConfiguration"] == {"LabelGroupName": "faults"}
        assert run(here.left.folder) == 1
        assert len(client.list_labels(LabelGroupName="faults")["LabelSummaries"]) == 1
        assert len(client.list_data_ingestion_jobs()["DataIngestionJobSummaries"]) == 1


def endpoint(process: Any) -> str:
    return f"http://127.0.0.1:{process.port}"
