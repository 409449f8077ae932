"""Objects between processes: bounded memory, no half object, nothing left by one that was killed."""

import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from buckets.conftest import Place, content
from openlookout.buckets.errors import BucketUnavailableError, ObjectNotFoundError
from openlookout.buckets.s3 import BLOCK_BYTES

BIG_BYTES = 160 * 2**20
MEMORY_BYTES_MAX = 120 * 2**20  # boto3's ten parts and a block, and less than the object.

STREAM = """
import pickle, resource, sys
from pathlib import Path
from openlookout.buckets.buckets import open_buckets
buckets = open_buckets(pickle.loads(bytes.fromhex(sys.argv[1])))
buckets.write(sys.argv[2], "small", b"1")
buckets.read(sys.argv[2], "small")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
buckets.write_file(sys.argv[2], "big", Path(sys.argv[3]))
size = 0
with buckets.open(sys.argv[2], "big") as file:
    while block := file.read(2**20):
        size += len(block)
print(size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""

WRITE = """
import pickle, sys
from pathlib import Path
from openlookout.buckets.buckets import open_buckets
open_buckets(pickle.loads(bytes.fromhex(sys.argv[1]))).write_file(sys.argv[2], "a/half", Path(sys.argv[3]))
"""


@pytest.fixture
def real(place: Place) -> Place:
    if place.kind == "windows":
        pytest.skip("the same folders")
    return place


def start(program: str, place: Place, bucket: str, path: Path) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", program, pickle.dumps(place.settings).hex(), bucket, str(path)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_a_big_object_passes_in_bounded_memory(real: Place, bucket: str, tmp_path: Path) -> None:
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(BIG_BYTES)
    process = start(STREAM, real, bucket, path)
    size, grown = map(int, process.communicate(timeout=60)[0].split())
    real.buckets.delete(bucket, ["big"])
    assert size == BIG_BYTES
    assert grown < MEMORY_BYTES_MAX


@pytest.mark.skipif(os.name == "nt", reason="needs a named pipe")
def test_a_writer_killed_in_the_middle_leaves_no_object(real: Place, bucket: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = start(WRITE, real, bucket, pipe)
    with pipe.open("wb") as half:
        half.write(bytes(3 * BLOCK_BYTES))  # Comes back when all but a pipe's buffer is read.
        half.flush()
        process.kill()
        process.wait()
    assert list(real.buckets.list(bucket, "")) == []
    assert not real.buckets.exists(bucket, "a/half")
    with pytest.raises(ObjectNotFoundError):
        real.buckets.open(bucket, "a/half")
    real.buckets.write(bucket, "a/half", b"whole")
    assert real.buckets.read(bucket, "a/half") == b"whole"


def test_readers_never_see_half_an_object(real: Place, bucket: str) -> None:
    bodies = {bytes([letter]) * 300_000 for letter in b"abcd"}
    stop = threading.Event()
    real.buckets.write(bucket, "k", min(bodies))

    def write(body: bytes) -> None:
        while not stop.is_set():
            real.buckets.write(bucket, "k", body)

    writers = [threading.Thread(target=write, args=(body,)) for body in bodies]
    for writer in writers:
        writer.start()
    try:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert content(real.buckets, bucket, "k") in bodies
            assert [(found.key, found.size) for found in real.buckets.list(bucket, "")] == [("k", 300_000)]
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_a_reader_never_mixes_two_versions_of_an_object(real: Place, bucket: str) -> None:
    real.buckets.write(bucket, "k", b"a" * (2 * BLOCK_BYTES))
    with real.buckets.open(bucket, "k") as file:
        assert file.read(1) == b"a"
        real.buckets.write(bucket, "k", b"b" * (2 * BLOCK_BYTES))
        if real.kind == "s3":
            with pytest.raises(BucketUnavailableError, match="was replaced while it was read"):
                file.read()
        else:
            assert set(file.read()) == set(b"a")
