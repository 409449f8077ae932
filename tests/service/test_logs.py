"""What a running service logs: one JSON object a line, with the ids of the request or job that it belongs to."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving import serving, start_ingestion, wait


def lines_of(data: Path, **environment: str) -> tuple[list[str], dict[str, Any]]:
    """What a service logs that creates a dataset, refuses a second and ingests a file; and what it answered."""
    (data / "buckets" / "plant" / "in" / "pump").mkdir(parents=True)
    rows = "\n".join(f"2026-01-01 00:{minute:02}:00,{minute}" for minute in range(60))
    (data / "buckets" / "plant" / "in" / "pump" / "a.csv").write_text(f"time,flow\n{rows}\n")
    with serving(data, environment={f"OPENLOOKOUT_{name}": value for name, value in environment.items()}) as process:
        client = process.client()
        created = client.create_dataset(DatasetName="pump")
        with pytest.raises(client.exceptions.ConflictException):
            client.create_dataset(DatasetName="pump")
        client.list_datasets()
        job = start_ingestion(client, "pump", "plant", "in/")
        wait(lambda: client.describe_data_ingestion_job(JobId=job))
        # The row says SUCCESS before the job's last line is written.
        wait(lambda: {"Status": "SUCCESS" if any(job in line for line in process.errors) else "IN_PROGRESS"})
    return process.errors, {"request_id": created["ResponseMetadata"]["RequestId"], "job": job}


def test_json_lines_have_the_ids_of_what_they_belong_to(tmp_path: Path) -> None:
    lines, told = lines_of(tmp_path, LOGS="json")
    read = [json.loads(line) for line in lines]
    assert all({"at", "level", "event"} <= set(line) for line in read)
    requests = [line for line in read if line["event"] == "request"]
    assert [(line["operation"], line["outcome"]) for line in requests] == [
        ("CreateDataset", "ok"),
        ("CreateDataset", "ConflictException"),
        ("StartDataIngestionJob", "ok"),
    ]
    assert requests[0]["request_id"] == told["request_id"]
    assert len({line["request_id"] for line in requests}) == 3
    (job,) = [line for line in read if line["event"] == "job ended"]
    assert (job["kind"], job["job"], job["outcome"]) == ("ingest", told["job"], "ended")


def test_a_level_leaves_out_what_is_less(tmp_path: Path) -> None:
    lines, _ = lines_of(tmp_path, LOG_LEVEL="debug")
    assert any("operation=ListDatasets" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("LOGS", "xml", "logs must be one of text, json, not 'xml'"),
        ("LOG_LEVEL", "loud", "log_level must be one of debug, info, warning, error, not 'loud'"),
        ("TRACES", "on", "traces must be one of off, otlp, not 'on'"),
    ],
)
def test_a_setting_that_is_none_is_refused_in_a_sentence(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    started = subprocess.run(
        [sys.executable, "-m", "openlookout.cli", "serve", "--data", str(tmp_path), "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={f"OPENLOOKOUT_{name}": value, "PATH": "/usr/bin"},
    )
    assert (started.returncode, started.stderr) == (1, f"openlookout: {sentence}\n")
