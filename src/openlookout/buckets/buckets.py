"""Objects in buckets: one port with two implementations, folders and S3. Knows keys and bytes, not what they mean.

The users' buckets stand under one root; our own objects in the bucket SERVICE, a name that no user can give.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from openlookout.buckets.errors import BucketError
from openlookout.buckets.folder import FolderBuckets
from openlookout.buckets.object_info import READ_BYTES_MAX, ObjectInfo
from openlookout.buckets.s3 import S3Buckets, connect

SERVICE = ""


@dataclass(frozen=True)
class BucketSettings:
    """Where buckets are; picklable, so that a child process opens them for itself.

    `root`: the folder with a folder for each of the users' buckets. `objects`: the folder of our own objects; with S3
    they are in `service_bucket`. `endpoint`: an S3-compatible server; None: what AWS's standard settings say.
    `region`: of the S3 buckets. `path_style`: the bucket stands in the path, not in the host name; None: it does where
    the endpoint is not AWS's. `ca_file`: whom to trust, for an endpoint with a certificate of one's own.
    """

    kind: Literal["folder", "s3"]
    root: Path
    objects: Path
    endpoint: str | None = None
    region: str = "us-east-1"
    service_bucket: str = "openlookout"
    path_style: bool | None = None
    ca_file: Path | None = None


class Buckets(Protocol):
    """All buckets of one installation. Every method may raise a BucketError; threads may share it."""

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Give the objects whose key begins with `prefix`, a plain text, in the order of their keys (as UTF-8).

        Page by page: an error may come while iterating. Markers of folders (keys that end in `/`) are left out.
        """
        ...

    def exists(self, bucket: str, key: str) -> bool:
        """Tell whether the bucket has the object."""
        ...

    def open(self, bucket: str, key: str) -> BinaryIO:
        """Open an object for reading and seeking, without holding all of it in memory.

        The reader sees the object as it was when it was opened; where S3 has replaced it meanwhile, reading on raises
        BucketUnavailableError.
        """
        ...

    def read(self, bucket: str, key: str, bytes_max: int = READ_BYTES_MAX) -> bytes:
        """Give a whole object.

        Raises:
            ObjectTooLargeError: it has more than `bytes_max` bytes.
        """
        ...

    def read_many(self, bucket: str, keys: Sequence[str]) -> Sequence[bytes | BucketError]:
        """Give whole objects in the order of their keys, or why one cannot be read: faster than one by one.

        Raises:
            BucketUnavailableError: an object cannot be read just now.
        """
        ...

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object: a reader sees the old one or the new one, never a part."""
        ...

    def write_file(self, bucket: str, key: str, path: Path) -> None:
        """Write an object from a file, without holding all of it in memory; atomic as `write`."""
        ...

    def write_many(self, bucket: str, objects: Sequence[tuple[str, bytes]]) -> None:
        """Write objects (key and content), each atomic as `write`, faster than one by one; they last as theirs do."""
        ...

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        ...

    def delete_prefix(self, bucket: str, prefix: str) -> None:
        """Delete the objects whose key begins with `prefix`, a plain text.

        Raises:
            KeyRefusedError: the prefix is empty; that would be the whole bucket.
        """
        ...


@lru_cache(maxsize=8)
def open_buckets(settings: BucketSettings) -> Buckets:
    """Give the buckets of these settings; one and the same for equal settings."""
    if settings.kind == "s3":
        client = connect(settings.endpoint, settings.region, path_style=settings.path_style, ca_file=settings.ca_file)
        return S3Buckets(client, {SERVICE: settings.service_bucket})
    settings.root.mkdir(parents=True, exist_ok=True)
    settings.objects.mkdir(parents=True, exist_ok=True)
    return FolderBuckets(settings.root, {SERVICE: settings.objects})
