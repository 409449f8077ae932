"""What every back end promises: one suite for folders, for Windows's names, and for S3."""

import io
import pickle
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buckets.conftest import Place, content
from openlookout.buckets.buckets import SERVICE, open_buckets
from openlookout.buckets.errors import (
    AccessRefusedError,
    BucketError,
    BucketNotFoundError,
    KeyRefusedError,
    ObjectNotFoundError,
    ObjectTooLargeError,
)
from openlookout.buckets.s3 import BLOCK_BYTES

PROPERTY = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# Signs that sort around `/`, that Windows refuses, that URLs quote, and some beyond the first plane of Unicode.
SEGMENTS = st.text(alphabet="ab.-/0:%2F?*+ &\\üñ漢😀\uffff", min_size=1, max_size=8).flatmap(
    lambda text: st.just(text.replace("/", "_"))
)
NAMES = st.one_of(
    SEGMENTS, st.sampled_from(["con", "NUL.txt", "a.", "a ", "%41", "%253A", "x%25y", "2021-08-31T12:45:00Z"])
).filter(lambda name: name not in {".", ".."})
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def without_conflicts(keys: list[str]) -> list[str]:
    """Keep no key that is a folder of another one: no folder can hold both."""
    return [key for key in keys if not any(other.startswith(f"{key}/") for other in keys)]


KEY_SETS = st.lists(KEYS, min_size=1, max_size=8, unique=True).map(without_conflicts)


@PROPERTY
@given(keys=KEY_SETS, data=st.data())
def test_a_listing_is_the_naive_filter_of_the_keys_written(place: Place, keys: list[str], data: st.DataObject) -> None:
    bucket = place.new_bucket()
    for number, key in enumerate(keys):
        place.buckets.write(bucket, key, b"x" * number)
    key = data.draw(st.sampled_from(keys))
    prefix = data.draw(st.one_of(st.integers(0, len(key)).map(lambda n: key[:n]), st.sampled_from(["a", "a/", "%"])))
    expected = sorted(key for key in keys if key.startswith(prefix))
    assert [found.key for found in place.buckets.list(bucket, prefix)] == expected
    assert [found.size for found in place.buckets.list(bucket, prefix)] == [keys.index(key) for key in expected]


@PROPERTY
@given(key=KEYS, body=st.binary(max_size=100))
def test_what_is_written_is_read_and_what_is_deleted_is_gone(place: Place, key: str, body: bytes) -> None:
    buckets, bucket = place.buckets, place.new_bucket()
    assert not buckets.exists(bucket, key)
    buckets.write(bucket, key, b"the former content")
    buckets.write(bucket, key, body)
    assert buckets.exists(bucket, key)
    assert buckets.read(bucket, key) == content(buckets, bucket, key) == body
    buckets.delete(bucket, [key, key])
    assert not buckets.exists(bucket, key)
    assert list(buckets.list(bucket, "")) == []
    with pytest.raises(ObjectNotFoundError, match="has no object"):
        buckets.open(bucket, key)


@PROPERTY
@given(keys=KEY_SETS, missing=KEYS, n_more=st.sampled_from([0, 20]))
def test_many_are_written_and_read_as_one_by_one(place: Place, keys: list[str], missing: str, n_more: int) -> None:
    buckets, bucket = place.buckets, place.new_bucket()
    keys = [*keys, *(f"more/{number}/results.jsonl" for number in range(n_more))]
    for round_ in (b"former", b"new"):  # Also over what is there.
        buckets.write_many(bucket, [(key, round_ + key.encode()) for key in keys])
    assert [found.key for found in buckets.list(bucket, "")] == sorted(keys)
    asked = [*keys, missing, "a/../b", keys[0]]
    for key, read in zip(asked, buckets.read_many(bucket, asked), strict=True):
        if isinstance(read, bytes):
            assert read == buckets.read(bucket, key) == b"new" + key.encode()
        else:
            with pytest.raises(type(read), match=re.escape(str(read))):
                buckets.read(bucket, key)


@PROPERTY
@given(text=st.text(max_size=12, alphabet=st.characters(categories=["L", "N", "P", "S", "Cs"])))
def test_any_text_as_a_key_is_served_or_refused_in_a_sentence(place: Place, bucket: str, text: str) -> None:
    try:
        place.buckets.write(bucket, text, b"1")
    except KeyRefusedError as error:
        assert bucket in str(error)  # noqa: PT017  # Either answer is right, by the text.
        return
    assert place.buckets.read(bucket, text) == b"1"
    assert text in [found.key for found in place.buckets.list(bucket, text)]
    place.buckets.delete(bucket, [text])


@PROPERTY
@given(keys=KEY_SETS, data=st.data())
def test_delete_prefix_leaves_exactly_the_other_keys(place: Place, keys: list[str], data: st.DataObject) -> None:
    bucket = place.new_bucket()
    for key in keys:
        place.buckets.write(bucket, key, b"")
    key = data.draw(st.sampled_from(keys))
    prefix = key[: data.draw(st.integers(1, len(key)))]
    place.buckets.delete_prefix(bucket, prefix)
    assert [found.key for found in place.buckets.list(bucket, "")] == sorted(
        k for k in keys if k[: len(prefix)] != prefix
    )


def test_the_empty_prefix_is_not_deleted(place: Place, bucket: str) -> None:
    with pytest.raises(KeyRefusedError, match="the whole bucket"):
        place.buckets.delete_prefix(bucket, "")


@pytest.mark.parametrize(
    "key", ["", "..", "../x", "a/../../x", "a/..", "./a", "a/./b", "a\0b", "a/", "a" * 1025, "ü" * 513, "\ud800"]
)
def test_a_hostile_key_is_refused_by_every_method(place: Place, bucket: str, key: str, tmp_path: Path) -> None:
    buckets, path = place.buckets, tmp_path / "file"
    path.write_bytes(b"1")
    for attempt in (
        lambda: buckets.open(bucket, key),
        lambda: buckets.read(bucket, key),
        lambda: buckets.exists(bucket, key),
        lambda: buckets.write(bucket, key, b"1"),
        lambda: buckets.write_many(bucket, [(key, b"1")] * 20),
        lambda: buckets.write_file(bucket, key, path),
        lambda: buckets.delete(bucket, [key]),
    ):
        with pytest.raises(KeyRefusedError, match=re.escape(bucket)):
            attempt()


@pytest.mark.parametrize(
    "name", ["..", "a", "UPPER", "under_score", "a..b", "-ab", "ab-", "127.0.0.1", "a/b", "x" * 64]
)
def test_what_is_no_bucket_name_is_refused(place: Place, name: str) -> None:
    for attempt in (lambda: list(place.buckets.list(name, "")), lambda: place.buckets.read(name, "k")):
        with pytest.raises(KeyRefusedError, match="is no bucket name"):
            attempt()


def test_a_missing_bucket_is_named_by_every_method(place: Place, tmp_path: Path) -> None:
    buckets, path = place.buckets, tmp_path / "file"
    path.write_bytes(b"1")
    for attempt in (
        lambda: list(buckets.list("not-there", "")),
        lambda: buckets.open("not-there", "k"),
        lambda: buckets.read("not-there", "k"),
        lambda: buckets.exists("not-there", "k"),
        lambda: buckets.write("not-there", "k", b"1"),
        lambda: buckets.write_file("not-there", "k", path),
        lambda: buckets.delete_prefix("not-there", "k"),
    ):
        with pytest.raises(BucketNotFoundError, match="there is no bucket 'not-there': create"):
            attempt()


def test_the_service_has_a_bucket_that_no_customer_reaches_by_name(place: Place) -> None:
    place.buckets.write(SERVICE, "models/1/model.npz", b"ours")
    assert place.buckets.read(SERVICE, "models/1/model.npz") == b"ours"
    with pytest.raises(AccessRefusedError if place.kind == "s3" else BucketNotFoundError, match="'openlookout'"):
        place.buckets.read("openlookout", "models/1/model.npz")
    place.buckets.delete_prefix(SERVICE, "models/")


def test_a_reader_seeks_and_reads_lines_across_blocks(place: Place, bucket: str) -> None:
    line = b"2021-08-31T12:45:00.000000,1.25\n"
    body = line * (2 * BLOCK_BYTES // len(line) + 7)
    place.buckets.write(bucket, "big.csv", body)
    with place.buckets.open(bucket, "big.csv") as file:
        assert file.readable()
        assert file.seekable()
        assert file.seek(-len(line), io.SEEK_END) == len(body) - len(line)
        assert file.read() == line
        file.seek(BLOCK_BYTES - 5)
        assert file.read(10) == body[BLOCK_BYTES - 5 : BLOCK_BYTES + 5]
        file.seek(0)
        assert sum(1 for _ in file) == len(body) // len(line)
        assert file.read(1) == b""


@pytest.mark.parametrize("n_bytes", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES + 3])
def test_a_file_of_any_size_arrives_whole(place: Place, bucket: str, tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * (n_bytes // 256) + bytes(n_bytes % 256))
    place.buckets.write_file(bucket, "a/file", path)
    assert place.buckets.read(bucket, "a/file") == content(place.buckets, bucket, "a/file") == path.read_bytes()


def test_a_read_beyond_its_limit_is_refused_with_both_figures(place: Place, bucket: str) -> None:
    place.buckets.write(bucket, "k", b"12345")
    assert place.buckets.read(bucket, "k", 5) == b"12345"
    with pytest.raises(ObjectTooLargeError, match="has 5 bytes, 4 is the limit"):
        place.buckets.read(bucket, "k", 4)


def test_a_listing_says_when_an_object_was_written_and_tells_contents_apart(place: Place, bucket: str) -> None:
    place.buckets.write(bucket, "k", b"one")
    (before,) = place.buckets.list(bucket, "")
    (again,) = place.buckets.list(bucket, "")
    place.buckets.write(bucket, "k", b"two")
    (after,) = place.buckets.list(bucket, "")
    assert before == again
    assert before.etag != after.etag
    assert before.modified.tzinfo is not None
    assert abs(datetime.now(UTC) - after.modified) < timedelta(minutes=1)


def test_a_listing_longer_than_a_page_is_whole_and_in_order(place: Place, bucket: str) -> None:
    keys = sorted(f"p/{number % 7}/{number}" for number in range(1100 if place.kind == "s3" else 300))
    for key in keys:
        place.buckets.write(bucket, key, b"")
    assert [found.key for found in place.buckets.list(bucket, "p/")] == keys


def test_settings_pickled_open_the_same_buckets(place: Place, bucket: str) -> None:
    if place.kind != "windows":
        open_buckets(pickle.loads(pickle.dumps(place.settings))).write(bucket, "k", b"1")
        assert place.buckets.read(bucket, "k") == b"1"


def test_every_error_of_a_bucket_is_one_family() -> None:
    assert {error.__name__ for error in BucketError.__subclasses__()} >= {
        "AccessRefusedError",
        "BucketNotFoundError",
        "BucketUnavailableError",
        "KeyRefusedError",
        "ObjectNotFoundError",
    }
