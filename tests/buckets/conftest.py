"""Both back ends of the port, real: scratch folders, and S3 served by moto. Windows's names on any system."""

import io
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.folder import FolderBuckets

SERVICE_BUCKET = "openlookout"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 server of this session, with the service's own bucket."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_CONFIG_FILE", os.devnull)
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    patch.setattr("werkzeug.serving.WSGIRequestHandler.log", lambda *_: None)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    s3_client(endpoint).create_bucket(Bucket=SERVICE_BUCKET)
    yield endpoint
    server.stop()
    patch.undo()


def s3_client(endpoint: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


@dataclass(frozen=True)
class Place:
    """Buckets under test, and how to make one more bucket in them."""

    kind: str
    settings: BucketSettings
    buckets: Buckets

    def new_bucket(self) -> str:
        name = f"b-{uuid.uuid4().hex}"
        if self.kind == "s3":
            assert self.settings.endpoint
            s3_client(self.settings.endpoint).create_bucket(Bucket=name)
        else:
            (self.settings.root / name).mkdir()
        return name

    def folder(self, bucket: str) -> Path:
        return self.settings.root / bucket


def folder_place(path: Path) -> Place:
    settings = BucketSettings(kind="folder", root=path / "buckets", objects=path / "objects")
    return Place("folder", settings, open_buckets(settings))


@pytest.fixture(scope="session", params=["folder", "windows", "s3"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Each back end in turn; one for the session: buckets are made anew, not servers."""
    here = folder_place(tmp_path_factory.mktemp("place"))
    if request.param == "windows":
        names = FolderBuckets(here.settings.root, {SERVICE: here.settings.objects}, windows_names=True)
        return Place("windows", here.settings, names)
    if request.param == "folder":
        return here
    endpoint = request.getfixturevalue("s3_endpoint")
    settings = BucketSettings(
        kind="s3",
        root=here.settings.root,
        objects=here.settings.objects,
        endpoint=endpoint,
        service_bucket=SERVICE_BUCKET,
    )
    return Place("s3", settings, open_buckets(settings))


@pytest.fixture
def bucket(place: Place) -> str:
    return place.new_bucket()


@pytest.fixture
def folders(tmp_path: Path) -> Place:
    """Folders alone, empty."""
    return folder_place(tmp_path)


def content(buckets: Buckets, bucket: str, key: str) -> bytes:
    """Read by way of `open`, to the end."""
    with buckets.open(bucket, key) as file:
        assert isinstance(file, io.BufferedReader)
        return file.read()
