"""A version whose detector this release cannot read fails what asks for it, with a sentence that says what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.jobs.apply_limit import carry_detectability, limited_version
from openlookout.jobs.inference_work import infer_window
from openlookout.jobs.replay_work import read_part, score_part
from openlookout.jobs.version_files import write_summary
from openlookout.timeseries.sampling import Sampling

SCHEMA = {
    "Components": [
        {
            "ComponentName": "pump",
            "Columns": [{"Name": "time", "Type": "DATETIME"}, {"Name": "flow", "Type": "DOUBLE"}],
        }
    ]
}
JOB: dict[str, Any] = {
    "version_prefix": "old",
    "source": "old",
    "output": "new",
    "factor": 1.2,
    "input": {"S3InputConfiguration": {"Bucket": "plant"}},
    "windows": [],
}


@pytest.mark.parametrize("work", [infer_window, read_part, score_part, limited_version])
def test_what_needs_a_version_that_cannot_be_read_fails_with_a_sentence(work: Any, tmp_path: Path) -> None:
    settings = BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects")
    buckets = open_buckets(settings)
    write_summary(buckets, "old", json.dumps(SCHEMA), Sampling(60_000_000, 0, 1, (1,)), None, left_out=None)
    buckets.write(SERVICE, layout.detector("old"), b"of another release")
    told = work(settings, JOB)
    assert "detector" in told["failed"]
    assert "train the model anew" in told["failed"]
    assert not (tmp_path / "objects" / "new").exists()


def test_a_limit_of_a_limit_tells_of_the_one_that_was_examined(tmp_path: Path) -> None:
    settings = BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects")
    buckets = open_buckets(settings)
    carry_detectability(buckets, "none/", "still-none/", 2.0)
    assert not buckets.exists(SERVICE, layout.detectability("still-none/"))
    buckets.write(SERVICE, layout.detectability("first/"), b'{"sensors": []}')
    carry_detectability(buckets, "first/", "second/", 1.5)
    carry_detectability(buckets, "second/", "third/", 0.5)
    assert json.loads(buckets.read(SERVICE, layout.detectability("third/"))) == {"sensors": [], "limit_factor": 0.75}
