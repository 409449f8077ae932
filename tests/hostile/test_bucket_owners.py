"""Buckets of accounts: who is not named in a bucket's line can name it nowhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openlookout.api.caller import Caller
from openlookout.api.definition import definition
from openlookout.api.errors import AccessDeniedException
from openlookout.app.foundation import bucket_owners
from openlookout.app.refused import StartRefused
from openlookout.buckets.buckets import BucketSettings
from openlookout.operations.bucket_owners import BucketOwnersError, parse_bucket_owners
from openlookout.settings import Settings
from openlookout.views.models import ModelViews
from openlookout.views.port import Views
from operations.rows import ROLE, add_dataset, add_model, scheduler_request, unique
from served import ACCOUNT, REGION, Api, api_alone

OWNERS = f"mine {ACCOUNT}\ntheirs 999999999999 # not ours\n\nshared *\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    url = f"sqlite:///{tmp_path_factory.mktemp('owners') / 'openlookout.db'}"
    with api_alone(url, bucket_owners=parse_bucket_owners(OWNERS)) as served:
        yield served


def places(shape: str, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where a request of a shape can name a bucket."""
    for member, target in definition()["shapes"][shape].get("members", {}).items():
        if member == "Bucket":
            yield (*path, member)
        else:
            yield from places(target["shape"], (*path, member))


def requests(api: Api, bucket: str) -> dict[str, dict[str, Any]]:
    """A request for every operation and place that can name a bucket."""
    data, of_s3 = add_dataset(api), {"S3InputConfiguration": {"Bucket": bucket}}
    output, model = {"S3OutputConfiguration": {"Bucket": bucket}}, add_model(api, data)
    scheduled, scheduler = add_model(api, data), unique("s")
    mine = scheduler_request(scheduled, scheduler)
    mine["DataInputConfiguration"]["S3InputConfiguration"]["Bucket"] = "mine"
    mine["DataOutputConfiguration"]["S3OutputConfiguration"]["Bucket"] = "mine"
    api.client.create_inference_scheduler(**mine)
    version = api.client.describe_model_version(ModelName=model, ModelVersion=1)["ModelVersionArn"]
    labels = {"LabelsInputConfiguration": {"S3InputConfiguration": {"Bucket": bucket, "Prefix": "labels/"}}}
    diagnostics = {"ModelDiagnosticsOutputConfiguration": output}
    make = {"ModelName": unique("m"), "DatasetName": data, "RoleArn": ROLE}
    new = {**scheduler_request(model, unique("s")), "DataInputConfiguration": of_s3, "DataOutputConfiguration": output}
    start = {"DatasetName": data, "IngestionInputConfiguration": of_s3, "RoleArn": ROLE}
    return {
        "StartDataIngestionJob.IngestionInputConfiguration": start,
        "CreateModel.LabelsInputConfiguration": {**make, **labels},
        "CreateModel.ModelDiagnosticsOutputConfiguration": {**make, **diagnostics},
        "UpdateModel.LabelsInputConfiguration": {"ModelName": model, "RoleArn": ROLE, **labels},
        "UpdateModel.ModelDiagnosticsOutputConfiguration": {"ModelName": model, "RoleArn": ROLE, **diagnostics},
        "ImportModelVersion.LabelsInputConfiguration": {
            "SourceModelVersionArn": version, "ModelName": unique("m"), "DatasetName": data, "RoleArn": ROLE, **labels,
        },
        "CreateInferenceScheduler.DataInputConfiguration": {
            **new, "DataOutputConfiguration": {"S3OutputConfiguration": {"Bucket": "mine"}},
        },
        "CreateInferenceScheduler.DataOutputConfiguration": {
            **new, "DataInputConfiguration": {"S3InputConfiguration": {"Bucket": "mine"}},
        },
        "UpdateInferenceScheduler.DataInputConfiguration": {
            "InferenceSchedulerName": scheduler, "DataInputConfiguration": of_s3,
        },
        "UpdateInferenceScheduler.DataOutputConfiguration": {
            "InferenceSchedulerName": scheduler, "DataOutputConfiguration": output,
        },
    }  # fmt: skip


EVERYWHERE = sorted(
    f"{name}.{path[0]}"
    for name, operation in definition()["operations"].items()
    for path in places(operation["input"]["shape"])
)


@pytest.mark.parametrize("where", EVERYWHERE)
@pytest.mark.parametrize("bucket", ["theirs", "nobodys"])
def test_a_bucket_of_others_is_denied_wherever_a_request_names_one(api: Api, where: str, bucket: str) -> None:
    request = requests(api, bucket)[where]
    names = api.client.meta.method_to_api_mapping
    call = getattr(api.client, next(name for name in names if names[name] == where.partition(".")[0]))
    with pytest.raises(api.client.exceptions.AccessDeniedException, match=f"may not use the bucket '{bucket}'"):
        call(**request)


@pytest.mark.parametrize("bucket", ["mine", "shared"])
def test_a_bucket_of_ones_own_or_of_all_is_let_in_everywhere(api: Api, bucket: str) -> None:
    every = requests(api, bucket)
    assert sorted(every) == EVERYWHERE
    names = api.client.meta.method_to_api_mapping
    for where in ("StartDataIngestionJob.IngestionInputConfiguration", "UpdateModel.LabelsInputConfiguration"):
        call = getattr(api.client, next(name for name in names if names[name] == where.partition(".")[0]))
        call(**every[where])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("plant", "line 1: 'plant' is not BUCKET ACCOUNT"),
        ("a 1\n", "line 1: 'a 1' is not BUCKET ACCOUNT"),
        ("# a\na 111111111111\na *", "line 3: the bucket 'a' has a line already"),
    ],
)
def test_what_does_not_say_whose_a_bucket_is_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BucketOwnersError, match=sentence):
        parse_bucket_owners(text)
    (tmp_path / "owners").write_text(text)
    with pytest.raises(StartRefused, match=f"the owners of buckets cannot be read from {tmp_path}/owners: {sentence}"):
        bucket_owners(Settings(bucket_owners=str(tmp_path / "owners")))


def test_a_file_of_owners_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="the owners of buckets cannot be read"):
        bucket_owners(Settings(bucket_owners=str(tmp_path / "none")))
    assert bucket_owners(Settings()) is None


def test_a_page_shows_no_labels_of_a_bucket_of_others(api: Api, tmp_path: Path) -> None:
    buckets = BucketSettings("folder", tmp_path / "buckets", tmp_path / "objects")
    for bucket in ("mine", "theirs"):
        (buckets.root / bucket).mkdir(parents=True)
        (buckets.root / bucket / "l.csv").write_text("2026-03-04T00:00:00,2026-03-04T12:00:00\n")
    views = Views(api.database, buckets, str(tmp_path))
    models = ModelViews(api.database, buckets, views.in_child, parse_bucket_owners(OWNERS))
    caller = Caller(ACCOUNT, REGION, "request")
    assert len(models.file_labels(caller, {"Bucket": "mine"})) == 1
    with pytest.raises(AccessDeniedException, match="may not use the bucket 'theirs'"):
        models.file_labels(caller, {"Bucket": "theirs"})
    views.close()
