"""Buckets as folders: `root/<bucket>/<key>`, so that any tool drops files in and reads results. Knows files only.

The path is the key, sign by sign, except on Windows (`names.windows_name`). Nothing but regular files is listed or
opened, and no symbolic link is followed: what lies outside of the bucket stays outside. Standard library, not
obstore's local store: docs/adr/0002.
"""

import errno
import io
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from openlookout.buckets.errors import (
    AccessRefusedError,
    BucketError,
    BucketNotFoundError,
    BucketUnavailableError,
    KeyRefusedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
)
from openlookout.buckets.folder_files import (
    IS_WINDOWS,
    TEMPORARY_PREFIX,
    created,
    is_link,
    is_present,
    linked,
    make_parents,
    not_found,
    read_error,
    remove_empty,
    sync_folder,
    usable,
    write_error,
)
from openlookout.buckets.names import (
    KEY_BYTES_MAX,
    check_bucket,
    check_key,
    check_prefix,
    is_text,
    refused,
    segment_of_windows_name,
    stands_for_itself,
    windows_name,
)
from openlookout.buckets.object_info import READ_BYTES_MAX, ObjectInfo

Entries = list[tuple[str, os.DirEntry[str]]]
Known = dict[str, tuple[str, bool]]

COPY_BYTES = 2**20
SYNC_FROM = 16
SMALL_BYTES = 2**20
# A pipe would keep the reader waiting for ever; a link put there after the check is not followed. 0: not on Windows.
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class FolderBuckets:
    """Folders under one root; `others` maps further bucket names to folders of their own."""

    def __init__(self, root: Path, others: Mapping[str, Path], *, windows_names: bool = IS_WINDOWS) -> None:
        self._root = root
        self._others = dict(others)
        self._windows_names = windows_names

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        folder = self._folder(bucket)
        check_prefix(bucket, prefix)
        parent = prefix.rpartition("/")[0]
        if prefix.startswith("/") or (parent and {"", ".", ".."} & set(parent.split("/"))):
            reason = "a folder has no empty names, and neither '.' nor '..' leads anywhere"
            raise refused(bucket, prefix, reason, what="prefix")
        start = self._path(folder, bucket, parent) if parent else folder
        return self._walk(bucket, start, f"{parent}/" if parent else "", prefix)

    def exists(self, bucket: str, key: str) -> bool:
        path = self._object(bucket, key)
        try:
            return stat.S_ISREG(path.lstat().st_mode)
        except OSError as error:
            if isinstance(mapped := read_error(bucket, key, path, error), ObjectNotFoundError):
                return False
            raise mapped from None

    def open(self, bucket: str, key: str) -> BinaryIO:
        path = self._object(bucket, key)
        try:
            descriptor = os.open(path, OPEN_FLAGS)
        except OSError as error:
            raise read_error(bucket, key, path, error) from None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise not_found(bucket, key, path)
        return os.fdopen(descriptor, "rb")

    def read(self, bucket: str, key: str, bytes_max: int = READ_BYTES_MAX) -> bytes:
        with self.open(bucket, key) as file:
            size = os.fstat(file.fileno()).st_size
            if size > bytes_max:
                message = f"the object '{key}' of bucket '{bucket}' has {size} bytes, {bytes_max} is the limit"
                raise ObjectTooLargeError(message)
            try:
                return file.read(size)  # Not the limit: Python takes that much memory before it reads.
            except OSError as error:
                raise read_error(bucket, key, Path(file.name), error) from None

    def read_many(self, bucket: str, keys: Sequence[str]) -> Sequence[bytes | BucketError]:
        contents: list[bytes | BucketError] = []
        known: Known = {}
        for key in keys:
            try:
                contents.append(self._read_of_many(bucket, key, known))
            except BucketUnavailableError:
                raise
            except BucketError as error:
                contents.append(error)
        return contents

    def write(self, bucket: str, key: str, content: bytes) -> None:
        self._publish(bucket, key, io.BytesIO(content))

    def write_file(self, bucket: str, key: str, path: Path) -> None:
        with path.open("rb") as source:
            self._publish(bucket, key, source)

    def write_many(self, bucket: str, objects: Sequence[tuple[str, bytes]]) -> None:
        if IS_WINDOWS or len(objects) < SYNC_FROM:  # Windows has no sync of everything.
            for key, content in objects:
                self.write(bucket, key, content)
            return
        folder = self._folder(bucket)
        written: list[tuple[str, str, str]] = []
        known: Known = {}
        try:
            for key, content in objects:
                path, is_there = self._path_of_many(bucket, key, known)
                if is_there:
                    is_present(bucket, key, path)
                parent = path.rpartition(os.sep)[0]
                temporary = f"{parent}{os.sep}{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
                written.append((key, temporary, path))
                with os.fdopen(created(folder, parent, temporary, is_there=is_there), "wb") as file:
                    file.write(content)
                known[key.rpartition("/")[0]] = parent, True
            # One sync of everything, where two or three for each file would take a hundred times as long.
            os.sync()
            for _key, temporary, path in written:
                Path(temporary).replace(path)
            os.sync()
        except BaseException as error:
            for _key, temporary, _path in written:
                Path(temporary).unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            key, _, path = written[-1]
            raise write_error(bucket, key, Path(path), error) from None

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        folder = self._folder(bucket)
        for key in keys:
            path = self._object(bucket, key)
            if path.is_dir():
                continue
            try:
                path.unlink(missing_ok=True)
            except NotADirectoryError:
                continue
            except OSError as error:
                raise write_error(bucket, key, path, error) from None
            remove_empty(path, folder)

    def delete_prefix(self, bucket: str, prefix: str) -> None:
        if not prefix:
            raise refused(bucket, prefix, "it would delete the whole bucket", what="prefix")
        self.delete(bucket, (found.key for found in self.list(bucket, prefix)))
        if prefix.endswith("/"):
            folder = self._folder(bucket)
            for leftover in list(self._path(folder, bucket, prefix[:-1]).rglob(f"{TEMPORARY_PREFIX}*")):
                # Of a process that was killed while it wrote; nobody would ever find it.
                leftover.unlink(missing_ok=True)
                remove_empty(leftover, folder)

    def _folder(self, bucket: str) -> Path:
        folder = self._others.get(bucket)
        if folder is None:
            check_bucket(bucket)
            folder = self._root / (windows_name(bucket) if self._windows_names else bucket)
            if folder.is_symlink():
                raise KeyRefusedError(f"the folder {folder} of bucket '{bucket}' is a symbolic link: mount it instead")
        if not folder.is_dir():
            raise BucketNotFoundError(f"there is no bucket '{bucket}': create the folder {folder}")
        return folder

    def _object(self, bucket: str, key: str) -> Path:
        folder = self._folder(bucket)
        check_key(bucket, key)
        segments = key.split("/")
        for segment in segments:
            usable(bucket, key, segment)
        return self._path(folder, bucket, key)

    def _path_of_many(self, bucket: str, key: str, known: Known) -> tuple[str, bool]:
        """Give the path of a key, as `_object`, and whether its folder is there.

        `known` has what was found of folders already, by their keys, so that each is looked at once.
        """
        if self._windows_names or key.startswith("/"):
            return str(self._object(bucket, key)), True
        check_key(bucket, key)
        above, _, name = key.rpartition("/")
        folder, is_there = self._folder_of_many(bucket, above, known)
        return f"{folder}{os.sep}{usable(bucket, key, name)}", is_there

    def _folder_of_many(self, bucket: str, key: str, known: Known) -> tuple[str, bool]:
        if key not in known:
            if not key:
                known[key] = str(self._folder(bucket)), True
            else:
                above, _, name = key.rpartition("/")
                folder, is_there = self._folder_of_many(bucket, above, known)
                path = f"{folder}{os.sep}{usable(bucket, key, name)}"
                known[key] = path, is_there and is_present(bucket, key, path)
        return known[key]

    def _read_of_many(self, bucket: str, key: str, known: Known) -> bytes:
        path, is_there = self._path_of_many(bucket, key, known)
        if not is_there:
            raise not_found(bucket, key, path)
        try:
            descriptor = os.open(path, OPEN_FLAGS)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise linked(bucket, key, path) from None
            raise read_error(bucket, key, Path(path), error) from None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise not_found(bucket, key, path)
            if status.st_size > SMALL_BYTES:
                return self.read(bucket, key)
            return os.read(descriptor, status.st_size)
        except OSError as error:
            raise read_error(bucket, key, Path(path), error) from None
        finally:
            os.close(descriptor)

    def _path(self, folder: Path, bucket: str, key: str) -> Path:
        path = folder
        for segment in key.split("/"):
            parent, path = path, path / (windows_name(segment) if self._windows_names else segment)
            if self._windows_names and stands_for_itself(segment) and not path.exists():
                literal = parent / segment  # A file that a hand has named `50%.csv`.
                path = literal if literal.exists() else path
            if is_link(bucket, key, path):
                raise linked(bucket, key, path)
        return path

    def _walk(self, bucket: str, start: Path, at: str, prefix: str) -> Iterator[ObjectInfo]:
        # A stack of what is still to be visited, not recursion: a hand can nest folders deeper than Python its calls.
        ahead = self._entries(bucket, start, at, prefix)[::-1]
        while ahead:
            key, entry = ahead.pop()
            if key.endswith("/"):
                ahead += self._entries(bucket, Path(entry.path), key, prefix)[::-1]
            else:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # Deleted meanwhile.
                tag = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
                yield ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC), tag)

    def _entries(self, bucket: str, folder: Path, at: str, prefix: str) -> Entries:
        """Give the files and folders that matter, in key order: a folder sorts as its name with `/`."""
        found: Entries = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if not (is_folder or entry.is_file(follow_symlinks=False)):
                        continue  # A link, a pipe, a device.
                    name = segment_of_windows_name(entry.name) if self._windows_names else entry.name
                    key = at + name + ("/" if is_folder else "")
                    if not (key.startswith(prefix) or (is_folder and prefix.startswith(key))):
                        continue
                    if entry.name.startswith(TEMPORARY_PREFIX) or not is_text(key) or len(key.encode()) > KEY_BYTES_MAX:
                        continue
                    found.append((key, entry))
        except (FileNotFoundError, NotADirectoryError):
            return []  # No such folder, or deleted meanwhile.
        except PermissionError:
            message = f"the folder {folder} of bucket '{bucket}' cannot be listed: permission denied"
            raise AccessRefusedError(message) from None
        except OSError as error:
            message = f"the folder {folder} of bucket '{bucket}' cannot be listed: {error.strerror}"
            raise BucketUnavailableError(message) from None
        return sorted(found, key=lambda pair: pair[0])

    def _publish(self, bucket: str, key: str, source: BinaryIO) -> None:
        folder, path = self._folder(bucket), self._object(bucket, key)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}")
        try:
            made = make_parents(folder, path, temporary)
            try:
                with temporary.open("wb") as file:
                    shutil.copyfileobj(source, file, COPY_BYTES)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            # The row that names the object outlives a loss of power: so must the object's name.
            for parent in {path.parent, *made}:
                sync_folder(parent)
        except OSError as error:
            raise write_error(bucket, key, path, error) from None
