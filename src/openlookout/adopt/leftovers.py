"""The place where the old service's files are: a bucket on S3, a bucket of this service, or any folder. Only reads."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.buckets.folder import FolderBuckets
from openlookout.buckets.names import BUCKET_NAME
from openlookout.buckets.object_info import ObjectInfo

FILES_MAX = 2_000_000
TEXT_BYTES_MAX = 50_000_000


class AdoptRefused(Exception):
    """Nothing can be adopted as it was asked for; the message is a sentence for whoever asked."""


@dataclass(frozen=True)
class Place:
    """Files under `prefix` of a bucket. `shown` is how a person calls it; `copies` tells that the service has no such
    bucket yet, so that the files are to be copied. `suggested` is what the bucket may be called then.
    """

    buckets: Buckets
    bucket: str
    prefix: str
    shown: str
    copies: bool
    suggested: str

    @cached_property
    def files(self) -> list[ObjectInfo]:
        """Everything there, by key.

        Raises:
            AdoptRefused: it cannot be listed, is empty, or is too much.
        """
        found = []
        try:
            for info in self.buckets.list(self.bucket, self.prefix):
                found.append(info)
                if len(found) > FILES_MAX:
                    raise AdoptRefused(f"{self.shown} has more than {FILES_MAX:,} files; name a part of it")
        except BucketError as error:
            raise AdoptRefused(f"{self.shown} cannot be listed: {error}") from None
        if not found:
            raise AdoptRefused(f"there are no files in {self.shown}")
        return found

    def read(self, key: str, bytes_max: int = TEXT_BYTES_MAX) -> bytes:
        """Give a whole file; raises a BucketError."""
        return self.buckets.read(self.bucket, key, bytes_max)

    def open(self, key: str) -> BinaryIO:
        return self.buckets.open(self.bucket, key)


def find_place(text: str, buckets: BucketSettings) -> Place:
    """Find what the user names: s3://bucket/prefix or a folder.

    Raises:
        AdoptRefused: there is no such folder, or it is no name of a bucket.
    """
    if text.startswith("s3://"):
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if not BUCKET_NAME.fullmatch(bucket):
            raise AdoptRefused(f"'{text}' names no bucket: write s3://bucket/prefix/")
        s3 = buckets if buckets.kind == "s3" else _as_s3(buckets)
        return Place(open_buckets(s3), bucket, prefix, text, buckets.kind != "s3", bucket)
    folder = Path(text).expanduser().resolve()
    if not folder.is_dir():
        raise AdoptRefused(f"there is no folder {folder}")
    root = buckets.root.resolve()
    if buckets.kind == "folder" and root in folder.parents:
        bucket, _, prefix = folder.relative_to(root).as_posix().partition("/")
        return Place(open_buckets(buckets), bucket, f"{prefix}/" if prefix else "", str(folder), False, bucket)
    return Place(
        FolderBuckets(folder.parent, {SERVICE: folder}), SERVICE, "", str(folder), True, bucket_name(folder.name)
    )


def _as_s3(buckets: BucketSettings) -> BucketSettings:
    return BucketSettings(
        kind="s3",
        root=buckets.root,
        objects=buckets.objects,
        endpoint=buckets.endpoint,
        region=buckets.region,
        path_style=buckets.path_style,
        ca_file=buckets.ca_file,
    )


def bucket_name(text: str) -> str:
    """Make a name that a bucket may have."""
    name = re.sub(r"[^a-z0-9.-]+", "-", text.lower()).strip("-.")[:63].strip("-.")
    return name if BUCKET_NAME.fullmatch(name) else "adopted"
