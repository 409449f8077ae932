"""The data folder of a process: one owner at a time, and a place for what need not last."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from openlookout.app.refused import StartRefused

if sys.platform != "win32":
    import fcntl


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the data folder: two processes on one SQLite would run a job twice.

    Raises:
        StartRefused: another process holds it.
    """
    with (data / "lock").open("a+") as file:
        try:
            _lock(file)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            message = f"the data folder {data} is in use by another openlookout (process {owner})"
            raise StartRefused(message) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str]) -> None:
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt  # noqa: PLC0415  # Exists on Windows only.

        file.seek(2**30)  # Beyond what is written: a locked byte cannot be read by the process that asks who holds it.
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def emptied(folder: Path) -> str:
    """Give the absolute path of a folder that is there and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder.resolve())


@contextmanager
def own_scratch(data: Path) -> Iterator[str]:
    """Give the absolute path of an empty folder of this process alone, beside those of others; gone at the end.

    What processes left that were killed goes too: a folder belongs to whoever holds the lock of its file.
    """
    root = data.resolve() / "scratch-of-workers"
    root.mkdir(parents=True, exist_ok=True)
    for file in root.glob("*.lock"):
        _remove_left(file)
    file = root / f"{uuid.uuid4().hex}.lock"
    with _held(file):
        folder = file.with_suffix("")
        folder.mkdir()
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            file.unlink(missing_ok=True)


@contextmanager
def _held(file: Path) -> Iterator[None]:
    while True:
        with file.open("a+") as opened:
            _lock(opened)
            # Between the two somebody may have taken the new file for one that was left.
            if file.exists() and file.stat().st_ino == os.fstat(opened.fileno()).st_ino:
                yield
                return


def _remove_left(file: Path) -> None:
    try:
        with file.open("a+") as opened:
            _lock(opened)
            shutil.rmtree(file.with_suffix(""), ignore_errors=True)
            file.unlink(missing_ok=True)
    except OSError:  # Its process lives.
        return
