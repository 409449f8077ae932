"""Files and folders of folder buckets: made, synced, removed, and what an error of the system says of an object."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from openlookout.buckets.errors import AccessRefusedError, BucketError, BucketUnavailableError, ObjectNotFoundError
from openlookout.buckets.names import refused

TEMPORARY_PREFIX = ".openlookout-"
PUBLISH_ATTEMPTS_MAX = 10
IS_WINDOWS = os.name == "nt"
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)


def usable(bucket: str, key: str, segment: str) -> str:
    """Give a segment of a key that a file or a folder can be called by."""
    if not segment:
        raise refused(bucket, key, "a folder has no empty names: no '/' at the start, no '//'")
    if segment.startswith(TEMPORARY_PREFIX):
        raise refused(bucket, key, f"names that begin with '{TEMPORARY_PREFIX}' are for unfinished files")
    return segment


def not_found(bucket: str, key: str, path: Path | str) -> ObjectNotFoundError:
    """What to raise where there is no such object."""
    return ObjectNotFoundError(f"bucket '{bucket}' has no object '{key}': there is no file {path}")


def linked(bucket: str, key: str, path: Path | str) -> BucketError:
    """What to raise where a symbolic link stands in the way."""
    return refused(bucket, key, f"{path} is a symbolic link, which is not followed")


def is_present(bucket: str, key: str, path: str) -> bool:
    """Whether there is a file or folder; a link is refused. What else is wrong with the name, opening it tells."""
    try:
        is_link = stat.S_ISLNK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    if is_link:
        raise linked(bucket, key, path)
    return True


def is_link(bucket: str, key: str, path: Path) -> bool:
    """Whether the last name of a path is a symbolic link.

    Raises:
        BucketError: no such path can be looked at.
    """
    try:
        return path.is_symlink()
    except OSError as error:  # The name is too long, or the folder may not be entered.
        raise write_error(bucket, key, path, error) from None


def created(folder: Path, parent: str, temporary: str, *, is_there: bool) -> int:
    """Make the empty file `temporary` in `parent`, and the folders down to it; give its descriptor."""
    if not is_there:
        with suppress(FileExistsError, FileNotFoundError):
            Path(parent).mkdir()
    try:
        return os.open(temporary, CREATE_FLAGS, 0o666)
    except FileNotFoundError:
        make_parents(folder, Path(temporary), Path(temporary))
        return os.open(temporary, CREATE_FLAGS, 0o666)


def make_parents(folder: Path, path: Path, temporary: Path) -> list[Path]:
    """Make the folders of `path` and the empty file `temporary` beside it; give the folders that got a new entry."""
    for _ in range(PUBLISH_ATTEMPTS_MAX):
        missing = [parent for parent in path.parents if parent.is_relative_to(folder) and not parent.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch()
        except FileNotFoundError:
            continue  # Someone deletes the last object of the same folder just now, and the folder with it.
        except FileExistsError:
            if any(parent.exists() and not parent.is_dir() for parent in path.parents):
                raise
            continue  # It was there when it was to be made, and gone when it was looked at.
        return [parent.parent for parent in missing]
    raise FileNotFoundError(errno.ENOENT, "the folder is deleted again and again", str(path.parent))


def sync_folder(folder: Path) -> None:
    """Let the names in a folder outlive a loss of power."""
    if IS_WINDOWS:  # It opens no folders, and needs no sync of them.
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return  # The object is deleted already.
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_empty(path: Path, folder: Path) -> None:
    """Remove the folders between `folder` and a deleted file that are empty now: S3 has none."""
    for parent in path.parents:
        if parent == folder:
            return
        try:
            parent.rmdir()
        except OSError:
            return


def read_error(bucket: str, key: str, path: Path, error: OSError) -> BucketError:
    """What to raise for an error of the system while an object was read."""
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ELOOP}:
        return not_found(bucket, key, path)
    return write_error(bucket, key, path, error)


def write_error(bucket: str, key: str, path: Path, error: OSError) -> BucketError:
    """What to raise for an error of the system while an object was written, or its path looked at."""
    if error.errno in {errno.ENOTDIR, errno.EISDIR, errno.EEXIST}:
        return refused(bucket, key, f"{path} would have to be a file and a folder at once")
    if error.errno in {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}:
        return refused(bucket, key, f"the file system cannot have {path}: {error.strerror}")
    what = f"the object '{key}' of bucket '{bucket}', file {path}: {error.strerror or error}"
    # EROFS: mounted read-only; waiting does not help.
    is_refused = error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
    return AccessRefusedError(what) if is_refused else BucketUnavailableError(what)
