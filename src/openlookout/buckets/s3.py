"""Buckets on S3 or any server that speaks its protocol, by obstore. Credentials: AWS's standard chain."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, cast

import boto3
import obstore
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from openlookout.buckets.errors import (
    AccessRefusedError,
    BucketError,
    BucketNotFoundError,
    BucketUnavailableError,
    ObjectNotFoundError,
)
from openlookout.buckets.object_info import ObjectInfo

READ_BYTES = 4 * 2**20


class S3Buckets:
    """Buckets of one endpoint; `aliases` maps names to the names of real buckets."""

    def __init__(self, aliases: Mapping[str, str], *, endpoint: str | None, region: str) -> None:
        self._aliases = dict(aliases)
        self._endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        self._region = region
        self._stores: dict[str, S3Store] = {}

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        # obstore matches whole segments: list the folder, compare as text.
        folder = prefix.rpartition("/")[0]
        try:
            for batch in obstore.list(self._store(bucket), prefix=folder or None):
                for found in batch:
                    if found["path"].startswith(prefix):
                        yield ObjectInfo(found["path"], found["size"], found["last_modified"])
        except BaseError as error:
            raise self._mapped(bucket, prefix, error) from None

    def open(self, bucket: str, key: str) -> BinaryIO:
        try:
            return cast(BinaryIO, obstore.open_reader(self._store(bucket), key, buffer_size=READ_BYTES))
        except (BaseError, FileNotFoundError) as error:
            raise self._mapped(bucket, key, error) from None

    def read(self, bucket: str, key: str) -> bytes:
        try:
            return bytes(obstore.get(self._store(bucket), key).bytes())
        except (BaseError, FileNotFoundError) as error:
            raise self._mapped(bucket, key, error) from None

    def write(self, bucket: str, key: str, content: bytes) -> None:
        try:
            obstore.put(self._store(bucket), key, content)
        except (BaseError, FileNotFoundError) as error:
            raise self._mapped(bucket, key, error) from None

    def write_file(self, bucket: str, key: str, path: Path) -> None:
        try:
            obstore.put(self._store(bucket), key, path)
        except (BaseError, FileNotFoundError) as error:
            raise self._mapped(bucket, key, error) from None

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        try:
            obstore.delete(self._store(bucket), list(keys))
        except FileNotFoundError:
            return
        except BaseError as error:
            raise self._mapped(bucket, "", error) from None

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            session = boto3.Session(region_name=self._region)
            self._stores[bucket] = S3Store(
                self._aliases.get(bucket, bucket),
                region=self._region,
                endpoint=self._endpoint,
                virtual_hosted_style_request=self._endpoint is None,
                credential_provider=Boto3CredentialProvider(session),
                client_options={"allow_http": True} if (self._endpoint or "").startswith("http://") else {},
            )
        return self._stores[bucket]

    def _mapped(self, bucket: str, key: str, error: Exception) -> BucketError:
        name = self._aliases.get(bucket, bucket)
        if isinstance(error, NotFoundError | FileNotFoundError):
            if "NoSuchBucket" in str(error):
                return BucketNotFoundError(f"there is no bucket '{name}'")
            return ObjectNotFoundError(f"bucket '{name}' has no object '{key}'")
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return AccessRefusedError(f"the credentials do not allow access to '{key}' of bucket '{name}'")
        return BucketUnavailableError(f"'{key}' of bucket '{name}': {str(error)[:300]}")
