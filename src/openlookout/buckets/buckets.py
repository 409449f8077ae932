"""Objects in buckets: one port with two implementations, folders and S3. Knows keys and bytes, not what they mean.

The users' buckets stand under one root; our own objects in the bucket SERVICE, a name that no user can give.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from openlookout.buckets.folder import FolderBuckets
from openlookout.buckets.object_info import ObjectInfo
from openlookout.buckets.s3 import S3Buckets

SERVICE = ""


@dataclass(frozen=True)
class BucketSettings:
    """Where buckets are; picklable, so that a child process opens them for itself.

    `root`: the folder with a folder for each of the users' buckets. `objects`: the folder of our own objects; with S3
    they are in `service_bucket`. `endpoint`: an S3-compatible server, None for AWS. `region`: of the S3 buckets.
    """

    kind: Literal["folder", "s3"]
    root: Path
    objects: Path
    endpoint: str | None = None
    region: str = "us-east-1"
    service_bucket: str = "openlookout"


class Buckets(Protocol):
    """All buckets of one installation. Every method may raise a BucketError."""

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Give the objects whose key begins with `prefix`, a plain text, in the order of their keys."""
        ...

    def open(self, bucket: str, key: str) -> BinaryIO:
        """Open an object for reading, without holding all of it in memory."""
        ...

    def read(self, bucket: str, key: str) -> bytes:
        """Give a whole object."""
        ...

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object: a reader sees the old one or the new one, never a part."""
        ...

    def write_file(self, bucket: str, key: str, path: Path) -> None:
        """Write an object from a file, without holding all of it in memory."""
        ...

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        ...


@lru_cache(maxsize=8)
def open_buckets(settings: BucketSettings) -> Buckets:
    """Give the buckets of these settings; one and the same for equal settings."""
    if settings.kind == "s3":
        return S3Buckets({SERVICE: settings.service_bucket}, endpoint=settings.endpoint, region=settings.region)
    settings.root.mkdir(parents=True, exist_ok=True)
    settings.objects.mkdir(parents=True, exist_ok=True)
    return FolderBuckets(settings.root, {SERVICE: settings.objects})
