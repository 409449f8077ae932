"""An answer of S3 that breaks off anywhere is an outage: never an empty object, nor a bucket without objects.

A server of our own says, to any request, the first bytes of an answer that was whole.
"""

import socket
import threading
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config

from openlookout.buckets.errors import BucketUnavailableError
from openlookout.buckets.s3 import S3Buckets

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
HEADERS = [f"Last-Modified: {DATE}", 'ETag: "abc"', "Content-Range: bytes 0-4/5", "Content-Length: 5"]
XML = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>plant</Name><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated><Contents><Key>a</Key>"
    '<LastModified>2026-10-21T07:28:00.000Z</LastModified><ETag>"abc"</ETag><Size>5</Size></Contents>'
    "</ListBucketResult>"
)


def answer(status: str, headers: list[str], body: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", f"Date: {DATE}", *headers, "", body)).encode()


LISTING = answer("200 OK", ["Content-Type: application/xml", f"Content-Length: {len(XML)}"], XML)
# In either order: what tells that something lacks may itself be what lacks.
OBJECTS = [answer("206 Partial Content", headers, "12345") for headers in (HEADERS, HEADERS[::-1])]


class Said:
    """A server that says `content` to whoever connects, and hangs up."""

    def __init__(self) -> None:
        self.content = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = "http://{}:{}".format(*self._listening.getsockname())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection:
                if not connection.recv(65536):
                    return
                connection.sendall(self.content)

    def close(self) -> None:
        with socket.create_connection(self._listening.getsockname()) as last:
            last.shutdown(socket.SHUT_WR)
            self._thread.join(30)
        self._listening.close()


@pytest.fixture
def said() -> Iterator[Said]:
    made = Said()
    yield made
    made.close()


def buckets(said: Said) -> S3Buckets:
    """Not by `connect`: that tries again, and waits in between."""
    client = boto3.client(
        "s3",
        endpoint_url=said.endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, response_checksum_validation="when_required"),
    )
    return S3Buckets(client, {})


def cuts(whole: bytes) -> Iterator[bytes]:
    """What is there of an answer that breaks off at each end of a line, and at every third byte."""
    ends = {i + 1 for i, byte in enumerate(whole) if byte in b"\r\n"}
    for n in sorted(ends | {*range(1, len(whole), 3)} - {len(whole)}):
        yield whole[:n]


@pytest.mark.parametrize("whole", OBJECTS, ids=["length-last", "length-first"])
def test_an_object_whose_answer_breaks_off_is_not_read(said: Said, whole: bytes) -> None:
    place, said.content = buckets(said), whole
    assert place.read("plant", "a") == b"12345"
    for part in cuts(whole):
        said.content = part
        with pytest.raises(BucketUnavailableError):
            pytest.fail(f"{part!r} is read as {place.read('plant', 'a')!r}")


def test_a_listing_that_breaks_off_is_none(said: Said) -> None:
    place, said.content = buckets(said), LISTING
    assert [found.key for found in place.list("plant", "")] == ["a"]
    assert place.exists("plant", "a")
    for part in cuts(LISTING):
        said.content = part
        with pytest.raises(BucketUnavailableError):
            pytest.fail(f"{part!r} is the listing {[*place.list('plant', '')]}")
        with pytest.raises(BucketUnavailableError):
            pytest.fail(f"after {part!r} exists() says {place.exists('plant', 'a')}")
