"""S3 alone: keys that no folder can have, and what a server, or the lack of one, answers."""

import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from buckets.conftest import Place, s3_client
from openlookout.buckets.buckets import BucketSettings, open_buckets
from openlookout.buckets.errors import AccessRefusedError, BucketUnavailableError, ObjectNotFoundError
from openlookout.buckets.s3 import connect


@pytest.fixture
def s3(s3_endpoint: str, tmp_path: Path) -> Place:
    settings = BucketSettings(kind="s3", root=tmp_path, objects=tmp_path, endpoint=s3_endpoint)
    return Place("s3", settings, open_buckets(settings))


@pytest.fixture
def answering() -> Iterator[list[tuple[int, str]]]:
    """A server at the address in AWS_ENDPOINT_URL_S3 whose every answer is the status and code of the list."""
    answer: list[tuple[int, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, code = answer[0]
            body = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>".encode() if code else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield answer
    server.shutdown()
    server.server_close()


def test_keys_that_no_folder_can_have_neither_stop_a_listing_nor_are_mixed_up(s3: Place) -> None:
    bucket = s3.new_bucket()
    client = s3_client(s3.settings.endpoint or "")
    keys = ["/lead", "lead", "a//b", "a/b", "a/../c", " a", "a", "a/x\x01", "//"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    listed = [found.key for found in s3.buckets.list(bucket, "")]
    assert listed == sorted(set(keys) - {"//"})
    for key in set(listed) - {"a/../c"}:
        assert s3.buckets.read(bucket, key) == key.encode()


def test_markers_of_folders_are_no_objects(s3: Place) -> None:
    bucket = s3.new_bucket()
    client = s3_client(s3.settings.endpoint or "")
    for key in ("data/", "data/pump/", "data/pump/1.csv"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    assert [found.key for found in s3.buckets.list(bucket, "data/")] == ["data/pump/1.csv"]


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AccessDenied", AccessRefusedError),
        (403, "SignatureDoesNotMatch", AccessRefusedError),
        (400, "ExpiredToken", AccessRefusedError),
        (404, "NoSuchKey", ObjectNotFoundError),
        (404, "", ObjectNotFoundError),
        (400, "RequestTimeout", BucketUnavailableError),
        (501, "NotImplemented", BucketUnavailableError),
    ],
)
def test_an_answer_becomes_the_error_it_means(
    answering: list[tuple[int, str]], tmp_path: Path, status: int, code: str, expected: type[Exception]
) -> None:
    answering.append((status, code))
    settings = BucketSettings(kind="s3", root=tmp_path, objects=tmp_path)
    with pytest.raises(expected, match=r"bucket 'plant'") as caught:
        open_buckets(settings).read("plant", "k")
    if code and expected is not ObjectNotFoundError:
        assert f"{code}: so it is" in str(caught.value)


def test_no_server_is_an_error_that_may_pass(s3: Place) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings = replace(s3.settings, endpoint=f"http://127.0.0.1:{closed.getsockname()[1]}")
    with pytest.raises(BucketUnavailableError, match="Could not connect"):
        open_buckets(settings).read("plant", "k")


def test_no_credentials_are_named(s3: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AccessRefusedError, match="no credentials for bucket 'plant'"):
        open_buckets(replace(s3.settings, region="eu-north-1")).read("plant", "k")


def test_credentials_come_from_a_profile(s3: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bucket = s3.new_bucket()
    (tmp_path / "credentials").write_text("[plant]\naws_access_key_id = k\naws_secret_access_key = s\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "plant")
    buckets = open_buckets(replace(s3.settings, region="eu-west-3"))
    buckets.write(bucket, "k", b"1")
    assert buckets.read(bucket, "k") == b"1"


def test_settings_that_lead_nowhere_are_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(BucketUnavailableError, match="'no address' cannot be used"):
        connect("no address", "us-east-1", path_style=None, ca_file=None)
    with pytest.raises(BucketUnavailableError, match=r"the CA file .*missing\.pem for S3 does not exist"):
        connect(None, "us-east-1", path_style=None, ca_file=tmp_path / "missing.pem")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(AccessRefusedError, match="nobody"):
        connect(None, "us-east-1", path_style=None, ca_file=None)
