"""Buckets on S3 or any server that speaks its protocol. Credentials, proxies and trust: AWS's standard chain.

boto3, not obstore, whose listing fails as a whole on one key with `..`: docs/adr/0002.
"""

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import botocore.session
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)
from botocore.parsers import ResponseParserError

from openlookout.buckets.errors import (
    AccessRefusedError,
    BucketError,
    BucketNotFoundError,
    BucketUnavailableError,
    KeyRefusedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
)
from openlookout.buckets.names import check_bucket, check_key, check_prefix, refused
from openlookout.buckets.object_info import READ_BYTES_MAX, ObjectInfo

BLOCK_BYTES = 8 * 2**20
# boto3 holds at most ten parts of a file in memory at once.
PARTS = TransferConfig(multipart_threshold=BLOCK_BYTES, multipart_chunksize=BLOCK_BYTES, max_concurrency=4)
ATTEMPTS_MAX = 5
CONNECTIONS_MAX = 32
READERS = WRITERS = 16
BUFFER_BYTES = 2**16

NO_CREDENTIALS = (CredentialRetrievalError, NoCredentialsError, PartialCredentialsError, ProfileNotFound, SSOError)
EXPIRED = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})
NO_NAME = frozenset({"KeyTooLongError", "InvalidBucketName", "InvalidURI", "InvalidObjectName"})

# boto3 builds its clients at run time: there is no type to name.
Client = Any


def connect(endpoint: str | None, region: str, *, path_style: bool | None, ca_file: Path | None) -> Client:
    """Make a client of S3; it opens no connection yet.

    Raises:
        AccessRefusedError: the profile that AWS_PROFILE names does not exist.
        BucketUnavailableError: the endpoint is no address, or the CA file does not exist.
    """
    if ca_file is not None and not ca_file.is_file():
        raise BucketUnavailableError(f"the CA file {ca_file} for S3 does not exist")
    session = botocore.session.Session()
    is_foreign = bool(endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"))
    if is_foreign:
        # AWS's newer checksum trailers are an error to many compatible servers. Not by Config: old botocore has no such
        # member.
        session.set_config_variable("request_checksum_calculation", "when_required")
        session.set_config_variable("response_checksum_validation", "when_required")
    in_path = is_foreign if path_style is None else path_style
    try:
        return boto3.Session(botocore_session=session, region_name=region).client(
            "s3",
            endpoint_url=endpoint,
            verify=None if ca_file is None else str(ca_file),
            config=Config(
                s3={"addressing_style": "path" if in_path else "auto"},
                retries={"mode": "standard", "max_attempts": ATTEMPTS_MAX},
                connect_timeout=10,
                read_timeout=60,
                max_pool_connections=CONNECTIONS_MAX,
            ),
        )
    except ProfileNotFound as error:
        raise AccessRefusedError(f"no credentials for S3: {error}") from None
    except (BotoCoreError, ValueError) as error:
        raise BucketUnavailableError(f"the S3 endpoint {endpoint!r} cannot be used: {error}") from None


class S3Buckets:
    """Buckets of one endpoint; `aliases` maps our names to buckets that nobody may reach by their own name."""

    def __init__(self, client: Client, aliases: Mapping[str, str]) -> None:
        self._client = client
        self._aliases = dict(aliases)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        name = self._name(bucket)
        check_prefix(name, prefix)
        return self._listed(name, prefix)

    def exists(self, bucket: str, key: str) -> bool:
        name = self._name(bucket)
        check_key(name, key)
        # Not HeadObject: its 404 does not tell a missing bucket from a missing object. The key itself comes first.
        with mapped(name, key):
            answer = self._client.list_objects_v2(Bucket=name, Prefix=key, MaxKeys=1)
            _check_listing(answer)
        return any(found["Key"] == key for found in answer.get("Contents", []))

    def open(self, bucket: str, key: str) -> BinaryIO:
        name = self._name(bucket)
        check_key(name, key)
        return io.BufferedReader(S3Reader(self._client, name, key), BUFFER_BYTES)

    def read(self, bucket: str, key: str, bytes_max: int = READ_BYTES_MAX) -> bytes:
        name = self._name(bucket)
        check_key(name, key)
        with S3Reader(self._client, name, key) as reader:
            if reader.size > bytes_max:
                message = f"the object '{key}' of bucket '{name}' has {reader.size} bytes, {bytes_max} is the limit"
                raise ObjectTooLargeError(message)
            return reader.readall()

    def read_many(self, bucket: str, keys: Sequence[str]) -> Sequence[bytes | BucketError]:
        def fetch(key: str) -> bytes | BucketError:
            try:
                return self.read(bucket, key)
            except BucketUnavailableError:
                raise
            except BucketError as error:
                return error

        with ThreadPoolExecutor(READERS) as readers:
            return list(readers.map(fetch, keys))

    def write(self, bucket: str, key: str, content: bytes) -> None:
        name = self._name(bucket)
        check_key(name, key)
        with mapped(name, key):
            self._client.put_object(Bucket=name, Key=key, Body=content)

    def write_file(self, bucket: str, key: str, path: Path) -> None:
        name = self._name(bucket)
        check_key(name, key)
        with path.open("rb") as file, mapped(name, key):
            self._client.upload_fileobj(file, name, key, Config=PARTS)

    def write_many(self, bucket: str, objects: Sequence[tuple[str, bytes]]) -> None:
        with ThreadPoolExecutor(WRITERS) as writers:
            for done in [writers.submit(self.write, bucket, key, content) for key, content in objects]:
                done.result()

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        name = self._name(bucket)
        for key in keys:
            check_key(name, key)
            # Not DeleteObjects: compatible servers differ in the checksum that they want with it.
            with mapped(name, key):
                self._client.delete_object(Bucket=name, Key=key)

    def delete_prefix(self, bucket: str, prefix: str) -> None:
        if not prefix:
            raise refused(bucket, prefix, "it would delete the whole bucket", what="prefix")
        self.delete(bucket, (found.key for found in self.list(bucket, prefix)))

    def _name(self, bucket: str) -> str:
        name = self._aliases.get(bucket)
        if name is None:
            name = bucket
            check_bucket(bucket)
            if bucket in self._aliases.values():
                raise AccessRefusedError(f"bucket '{bucket}' holds the service's own objects")
        return name

    def _listed(self, name: str, prefix: str) -> Iterator[ObjectInfo]:
        pages = iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix))
        while True:
            with mapped(name, prefix):
                page = next(pages, None)
                if page is None:
                    return
                _check_listing(page)
            for found in page.get("Contents", []):
                if not found["Key"].endswith("/"):
                    yield ObjectInfo(found["Key"], found["Size"], found["LastModified"], found["ETag"].strip('"'))


class S3Reader(io.RawIOBase):
    """One object, read in blocks: every block is a request of its own, so a slow reader keeps no connection waiting.

    All blocks are of the version that was there first. Holds one block in memory.
    """

    def __init__(self, client: Client, bucket: str, key: str) -> None:
        super().__init__()
        self._client, self._bucket, self._key = client, bucket, key
        self._position = 0
        self._etag: str | None = None
        self._block_at = 0
        self._block = b""
        self.size = 0
        self._fetch(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if origin + offset < 0:
            raise ValueError(f"seek to {origin + offset}, before the beginning")
        self._position = origin + offset
        return self._position

    def readinto(self, into: Any) -> int:  # Any: what the base class takes, a buffer, has a name only since 3.12.
        if self._position >= self.size:
            return 0
        if not self._block_at <= self._position < self._block_at + len(self._block):
            self._fetch(self._position)
        first = self._position - self._block_at
        part = self._block[first : first + len(into)]
        into[: len(part)] = part
        self._position += len(part)
        return len(part)

    def readall(self) -> bytes:
        content = bytearray(max(0, self.size - self._position))
        view, n_read = memoryview(content), 0
        while n := self.readinto(view[n_read:]):
            n_read += n
        return bytes(view[:n_read])

    def _fetch(self, start: int) -> None:
        span = f"bytes={start}-{start + BLOCK_BYTES - 1}"
        condition = {} if self._etag is None else {"IfMatch": self._etag}
        with mapped(self._bucket, self._key):
            for attempt in range(1, ATTEMPTS_MAX + 1):
                try:
                    answer = self._client.get_object(Bucket=self._bucket, Key=self._key, Range=span, **condition)
                except ClientError as error:
                    if _code(error) == "InvalidRange" and start == 0:
                        return  # An empty object has no first byte.
                    raise
                try:
                    block = answer["Body"].read()
                    etag = _etag(answer)
                except BotoCoreError:  # boto3 tries a request again, but not a body that breaks off.
                    if attempt == ATTEMPTS_MAX:
                        raise
                    continue
                break
        if self._etag not in {None, etag}:  # A server that knows no conditions.
            raise BucketUnavailableError(_replaced(self._bucket, self._key))
        self._etag = etag
        self.size = int(answer.get("ContentRange", f"/{len(block)}").rpartition("/")[2])
        self._block_at, self._block = start, block


class BrokenOff(BotoCoreError):
    """The answer broke off within its headers.

    http.client takes those that came for all there are, and then a body without a length for an empty one. So what
    every whole answer has is asked for, or an outage would be an object without content, a listing without objects.
    """

    fmt = "the answer broke off"


def _etag(answer: Mapping[str, Any]) -> str:
    """Raises BrokenOff: the headers of an object's answer are not all there."""
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    if "ETag" not in answer or not headers.keys() & {"content-length", "transfer-encoding"}:
        raise BrokenOff
    return str(answer["ETag"])


def _check_listing(answer: Mapping[str, Any]) -> None:
    """Raises BrokenOff: the answer does not even say whether it is the last one."""
    if "IsTruncated" not in answer:
        raise BrokenOff


@contextmanager
def mapped(bucket: str, key: str) -> Iterator[None]:
    """Turn errors of boto3 into ours."""
    try:
        yield
    except ClientError as error:
        raise _of_server(bucket, key, error) from None
    except NO_CREDENTIALS as error:
        raise AccessRefusedError(f"no credentials for bucket '{bucket}': {error}") from None
    except ParamValidationError as error:
        raise refused(bucket, key, str(error)) from None
    # The last three are what boto3 makes of an answer that breaks off: half a date, no number, a member that lacks.
    except (BotoCoreError, ResponseParserError, ValueError, KeyError) as error:
        raise BucketUnavailableError(f"'{key}' of bucket '{bucket}': {_said(error)}") from None


def _of_server(bucket: str, key: str, error: ClientError) -> BucketError:
    code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = f"{code}: {str(error.response.get('Error', {}).get('Message', ''))[:300]}"
    if code == "NoSuchBucket":
        return BucketNotFoundError(f"there is no bucket '{bucket}': create it first")
    if code in {"NoSuchKey", "404"}:  # A bare status: some servers send no body, or none that can be parsed.
        return ObjectNotFoundError(f"bucket '{bucket}' has no object '{key}'")
    if code == "PreconditionFailed":
        return BucketUnavailableError(_replaced(bucket, key))
    if status in {401, 403} or code in EXPIRED:
        return AccessRefusedError(f"access to '{key}' of bucket '{bucket}' is refused: {said}")
    if code in NO_NAME:
        return KeyRefusedError(f"the key {key[:200]!r} of bucket '{bucket}' is refused: {said}")
    return BucketUnavailableError(f"'{key}' of bucket '{bucket}': {said}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _said(error: Exception) -> str:
    if isinstance(error, BotoCoreError):
        return str(error)[:300]
    return f"the answer cannot be understood: {type(error).__name__}: {str(error)[:300]}"


def _replaced(bucket: str, key: str) -> str:
    return f"the object '{key}' of bucket '{bucket}' was replaced while it was read"
