"""Buckets as folders: `root/<bucket>/<key>`, so that any tool drops files in and reads results.

The standard library, not obstore's local store: that one matches prefixes by whole path segments, follows symbolic
links out of the root and turns folder markers into files. Symbolic links are not listed and not opened. `:` stands as
`%3A` in file names, because Windows has no such files; a file that was named with them by hand is found too.
"""

import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from openlookout.buckets.errors import (
    AccessRefusedError,
    BucketNotFoundError,
    BucketUnavailableError,
    KeyRefusedError,
    ObjectNotFoundError,
)
from openlookout.buckets.object_info import ObjectInfo

BUCKET_NAME = re.compile(r"[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9]")
KEY_BYTES_MAX = 1024
TEMPORARY_PREFIX = ".openlookout-"


class FolderBuckets:
    """Folders under one root; `others` maps further bucket names to folders of their own."""

    def __init__(self, root: Path, others: Mapping[str, Path]) -> None:
        self._root = root
        self._others = dict(others)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        folder = self._folder(bucket)
        if "\0" in prefix or ".." in prefix.split("/"):
            raise KeyRefusedError(f"the prefix {prefix!r} of bucket '{bucket}' points outside of it")
        return _walk(folder, "", prefix)

    def open(self, bucket: str, key: str) -> BinaryIO:
        path = self._existing(bucket, key)
        try:
            return path.open("rb")
        except FileNotFoundError:
            raise _missing(bucket, key, path) from None
        except OSError as error:
            raise _refused(bucket, key, error) from None

    def read(self, bucket: str, key: str) -> bytes:
        with self.open(bucket, key) as file:
            return file.read()

    def write(self, bucket: str, key: str, content: bytes) -> None:
        def fill(temporary: Path) -> None:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

        self._publish(bucket, key, fill)

    def write_file(self, bucket: str, key: str, path: Path) -> None:
        def fill(temporary: Path) -> None:
            with path.open("rb") as source, temporary.open("wb") as file:
                while chunk := source.read(1 << 20):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())

        self._publish(bucket, key, fill)

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        folder = self._folder(bucket)
        for key in keys:
            path = self._existing(bucket, key)
            path.unlink(missing_ok=True)
            for parent in path.parents:
                if parent == folder or next(parent.iterdir(), None) is not None:
                    break
                parent.rmdir()  # S3 has no empty folders.

    def _folder(self, bucket: str) -> Path:
        folder = self._others.get(bucket)
        if folder is None:
            if not BUCKET_NAME.fullmatch(bucket):
                raise KeyRefusedError(f"'{bucket}' is no bucket name")
            folder = self._root / bucket
        if folder.is_symlink() or not folder.is_dir():
            raise BucketNotFoundError(f"there is no bucket '{bucket}': the folder {folder} does not exist")
        return folder

    def _existing(self, bucket: str, key: str) -> Path:
        folder = self._folder(bucket)
        path = folder / _checked(bucket, key, escaped(key))
        if not path.exists():
            literal = folder / key
            path = literal if literal.exists() else path
        # A link in any place of the path could lead anywhere.
        if path.exists() and path.resolve() != folder.resolve() / path.relative_to(folder):
            raise KeyRefusedError(f"the key '{key}' of bucket '{bucket}' leads over a symbolic link")
        return path

    def _publish(self, bucket: str, key: str, fill: Callable[[Path], None]) -> None:
        path = self._existing(bucket, key)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fill(temporary)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise _refused(bucket, key, error) from None


def escaped(key: str) -> str:
    """A key as a relative path that every system can hold."""
    return key.replace("%", "%25").replace(":", "%3A")


def unescaped(path: str) -> str:
    """The key of a relative path."""
    return path.replace("%3A", ":").replace("%25", "%")


def _checked(bucket: str, key: str, path: str) -> str:
    segments = key.split("/")
    if (
        not key
        or len(key.encode()) > KEY_BYTES_MAX
        or "\0" in key
        or any(segment in {"", ".", ".."} for segment in segments)
        or "\\" in key
    ):
        raise KeyRefusedError(
            f"the key {key[:200]!r} of bucket '{bucket}' cannot be a file: at most {KEY_BYTES_MAX} bytes, "
            "no empty segment, no '.' or '..', no backslash"
        )
    return path


def _walk(folder: Path, at: str, prefix: str) -> Iterator[ObjectInfo]:
    """Yield in key order: a folder sorts as its name with `/`."""
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.is_symlink()]
    except OSError:  # Deleted meanwhile.
        return
    named = [
        (at + unescaped(entry.name) + ("/" if entry.is_dir(follow_symlinks=False) else ""), entry) for entry in entries
    ]
    for key, entry in sorted(named, key=lambda pair: pair[0]):
        if key.endswith("/"):
            if key.startswith(prefix) or prefix.startswith(key):
                yield from _walk(Path(entry.path), key, prefix)
        elif key.startswith(prefix) and not entry.name.startswith(TEMPORARY_PREFIX):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            yield ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _missing(bucket: str, key: str, path: Path) -> ObjectNotFoundError:
    return ObjectNotFoundError(f"bucket '{bucket}' has no object '{key}' (looked for {path})")


def _refused(bucket: str, key: str, error: OSError) -> AccessRefusedError | BucketUnavailableError:
    what = f"the object '{key}' of bucket '{bucket}': {error.strerror or error}"
    return AccessRefusedError(what) if isinstance(error, PermissionError) else BucketUnavailableError(what)
