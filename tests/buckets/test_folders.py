"""Folders as buckets: what hands and other programs leave in them, and what must not lead out of them."""

import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from buckets.conftest import Place
from openlookout.buckets.buckets import SERVICE
from openlookout.buckets.errors import (
    AccessRefusedError,
    BucketNotFoundError,
    BucketUnavailableError,
    KeyRefusedError,
    ObjectNotFoundError,
)
from openlookout.buckets.folder import FolderBuckets
from openlookout.buckets.folder_files import TEMPORARY_PREFIX

if sys.platform == "win32":
    pytest.skip("the paths of other systems", allow_module_level=True)
import resource


@pytest.fixture
def bucket(folders: Place) -> str:
    return folders.new_bucket()


def keys(folders: Place, bucket: str, prefix: str = "") -> list[str]:
    return [found.key for found in folders.buckets.list(bucket, prefix)]


def test_the_path_is_the_key(folders: Place, bucket: str) -> None:
    key = "out/2021-08-31T12:45:00Z/results 100%.jsonl"
    folders.buckets.write(bucket, key, b"1")
    assert (folders.folder(bucket) / key).read_bytes() == b"1"


def test_a_file_dropped_in_by_hand_is_an_object(folders: Place, bucket: str) -> None:
    for name in ("50%.csv", "a%3Ab.csv", "a%25b.csv", ".hidden"):
        (folders.folder(bucket) / name).write_text(name)
    assert keys(folders, bucket) == [".hidden", "50%.csv", "a%25b.csv", "a%3Ab.csv"]
    assert all(folders.buckets.read(bucket, key).decode() == key for key in keys(folders, bucket))


@pytest.mark.parametrize(
    ("name", "key"), [("50%.csv", "50%.csv"), ("a%25b", "a%b"), ("a%3Ab", "a:b"), ("%3a", "%3a"), ("plain", "plain")]
)
def test_a_file_dropped_in_by_hand_is_an_object_by_windows_names_too(
    folders: Place, bucket: str, name: str, key: str
) -> None:
    buckets = FolderBuckets(folders.settings.root, {}, windows_names=True)
    (folders.folder(bucket) / name).write_bytes(b"1")
    assert [found.key for found in buckets.list(bucket, "")] == [key]
    assert buckets.read(bucket, key) == b"1"
    buckets.write(bucket, key, b"2")
    assert [found.key for found in buckets.list(bucket, "")] == [key]
    assert buckets.read(bucket, key) == b"2"
    buckets.delete(bucket, [key])
    assert list(buckets.list(bucket, "")) == []


@pytest.mark.parametrize("key", ["/etc/passwd", "a//b", "//a", f"{TEMPORARY_PREFIX}x", f"a/{TEMPORARY_PREFIX}x/b"])
def test_a_key_that_no_path_can_be_is_refused(folders: Place, bucket: str, key: str) -> None:
    for attempt in (lambda: folders.buckets.read(bucket, key), lambda: folders.buckets.write(bucket, key, b"1")):
        with pytest.raises(KeyRefusedError, match=re.escape(repr(key))):
            attempt()


@pytest.mark.parametrize("prefix", ["../", "../other/", "a/../../", "/", "/etc/", "a//b", "./a", "a/./"])
def test_a_prefix_that_points_outside_is_refused(folders: Place, bucket: str, prefix: str) -> None:
    with pytest.raises(KeyRefusedError, match=re.escape(f"the prefix {prefix!r} of bucket '{bucket}'")):
        keys(folders, bucket, prefix)


def test_symbolic_links_are_neither_listed_nor_followed(folders: Place, bucket: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("secret")
    here = folders.folder(bucket)
    (here / "folder").symlink_to(outside)
    (here / "file.csv").symlink_to(outside / "secret.csv")
    (here / "dangling").symlink_to(tmp_path / "nothing")
    assert keys(folders, bucket) == []
    for key in ("folder/secret.csv", "file.csv", "dangling", "folder/new.csv"):
        for attempt in (
            lambda key=key: folders.buckets.read(bucket, key),
            lambda key=key: folders.buckets.exists(bucket, key),
            lambda key=key: folders.buckets.write(bucket, key, b"1"),
            lambda key=key: folders.buckets.write_many(bucket, [(f"{i}/a", b"1") for i in range(20)] + [(key, b"1")]),
            lambda key=key: folders.buckets.delete(bucket, [key]),
        ):
            with pytest.raises(KeyRefusedError, match="is a symbolic link"):
                attempt()
        assert "is a symbolic link" in str(folders.buckets.read_many(bucket, [key])[0])
    with pytest.raises(KeyRefusedError, match="is a symbolic link"):
        keys(folders, bucket, "folder/s")
    assert not list(here.rglob(".openlookout-*")), "what was written of many before the link"
    assert [path.name for path in outside.iterdir()] == ["secret.csv"]


def test_a_bucket_that_is_a_symbolic_link_is_refused(folders: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folders.settings.root / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyRefusedError, match=r"bucket 'linked' is a symbolic link: mount it instead"):
        keys(folders, "linked")


def test_a_missing_bucket_says_which_folder_to_create(folders: Place) -> None:
    with pytest.raises(BucketNotFoundError, match=re.escape(f"create the folder {folders.settings.root / 'plant'}")):
        keys(folders, "plant")


def test_a_missing_object_says_which_file_was_looked_for(folders: Place, bucket: str) -> None:
    with pytest.raises(ObjectNotFoundError, match=re.escape(str(folders.folder(bucket) / "a" / "b.csv"))):
        folders.buckets.read(bucket, "a/b.csv")


def test_a_pipe_a_folder_and_a_name_that_is_no_utf8_are_no_objects(folders: Place, bucket: str) -> None:
    here = folders.folder(bucket)
    os.mkfifo(here / "pipe")
    (here / "folder").mkdir()
    (here / os.fsdecode(b"latin-\xfc.csv")).write_bytes(b"1")
    assert keys(folders, bucket) == []
    for key in ("pipe", "folder"):
        assert not folders.buckets.exists(bucket, key)
        with pytest.raises(ObjectNotFoundError):
            folders.buckets.read(bucket, key)


def test_a_key_is_a_file_or_a_folder_not_both(folders: Place, bucket: str) -> None:
    folders.buckets.write(bucket, "a", b"1")
    with pytest.raises(KeyRefusedError, match="a file and a folder at once"):
        folders.buckets.write(bucket, "a/b", b"2")
    assert not folders.buckets.exists(bucket, "a/b")
    folders.buckets.delete(bucket, ["a/b"])
    folders.buckets.write(bucket, "c/d", b"3")
    with pytest.raises(KeyRefusedError, match="a file and a folder at once"):
        folders.buckets.write(bucket, "c", b"4")
    folders.buckets.delete(bucket, ["c"])
    assert keys(folders, bucket) == ["a", "c/d"]


def test_a_name_longer_than_the_file_system_takes_is_refused(folders: Place, bucket: str) -> None:
    with pytest.raises(KeyRefusedError, match="the file system cannot have"):
        folders.buckets.write(bucket, "x" * 256, b"1")


def test_folders_nested_deeper_than_any_key_end_the_listing_not_the_process(folders: Place, bucket: str) -> None:
    n_levels, here = 1500, os.open(folders.folder(bucket), os.O_RDONLY)
    for _ in range(n_levels):
        os.mkdir("a", dir_fd=here)  # No path is that long.
        here = _moved(here, "a")
    folders.buckets.write(bucket, "b", b"1")
    assert keys(folders, bucket) == ["b"]
    for _ in range(n_levels):  # pytest could not remove it.
        here = _moved(here, "..")
        os.rmdir("a", dir_fd=here)
    os.close(here)


def _moved(folder: int, to: str) -> int:
    """Open a folder by way of another one, which is closed."""
    moved = os.open(to, os.O_RDONLY, dir_fd=folder)
    os.close(folder)
    return moved


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_an_error_not_an_empty_listing(folders: Place, bucket: str) -> None:
    folders.buckets.write(bucket, "a/b", b"1")
    (folders.folder(bucket) / "a").chmod(0)
    try:
        with pytest.raises(AccessRefusedError, match="cannot be listed"):
            keys(folders, bucket)
        with pytest.raises(AccessRefusedError):
            folders.buckets.write(bucket, "a/c", b"1")
    finally:
        (folders.folder(bucket) / "a").chmod(0o700)


def test_a_full_disk_is_an_error_that_may_pass_and_leaves_no_part(folders: Place, bucket: str) -> None:
    folders.buckets.write(bucket, "k", b"old")
    with pytest.raises(BucketUnavailableError, match="File too large"):
        _with_file_size_limit(2**20, lambda: folders.buckets.write(bucket, "k", bytes(2**21)))
    assert folders.buckets.read(bucket, "k") == b"old"
    assert [path.name for path in folders.folder(bucket).iterdir()] == ["k"]


def test_unfinished_files_go_with_their_prefix(folders: Place) -> None:
    folders.buckets.write(SERVICE, "datasets/1/x/part", b"1")
    (folders.settings.objects / "datasets/1/x" / f"{TEMPORARY_PREFIX}0").write_bytes(b"half")
    folders.buckets.delete_prefix(SERVICE, "datasets/1/")
    assert list(folders.settings.objects.iterdir()) == []


def test_writers_and_deleters_of_one_folder_do_not_trip_each_other(folders: Place, bucket: str) -> None:
    errors: list[Exception] = []

    def churn(key: str) -> None:
        try:
            for _ in range(60):
                folders.buckets.write(bucket, key, b"1")
                folders.buckets.delete(bucket, [key])
        except Exception as error:  # Shown below.
            errors.append(error)

    threads = [threading.Thread(target=churn, args=(f"a/b/{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(folders.folder(bucket).iterdir()) == []


def _with_file_size_limit(n_bytes: int, act: Callable[[], None]) -> None:
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        act()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
