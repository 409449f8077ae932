"""How far the work in a child is: the child notes it in a file, the process that waits for the child tells the row.

A child answers once, at its end; a file needs no channel, and one that was left half-written is no harm.
"""

import time
from pathlib import Path

NOTE_SECONDS = 0.5


class ProgressFile:
    """Notes what is done (bytes, rows) and all of it, at most every NOTE_SECONDS: a file a call would cost too much."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted_at = -NOTE_SECONDS

    def note(self, n_done: int, n_all: int) -> None:
        now = time.monotonic()
        if now - self._noted_at >= NOTE_SECONDS:
            self._noted_at = now
            self._path.write_text(f"{n_done} {n_all}")


def read_progress(path: Path) -> str | None:
    """Give the last note on bytes as a sentence; None when there is none (yet, or no longer)."""
    noted = _noted(path)
    if noted is None:
        return None
    n_read, n_bytes = noted
    return f"Reading the files: {n_read} of {n_bytes} bytes ({_percent(n_read, n_bytes)} %)."


def read_percent(path: Path) -> int | None:
    """Give the last note in percent; None when there is none (yet, or no longer)."""
    noted = _noted(path)
    return None if noted is None else _percent(*noted)


def _percent(n_done: int, n_all: int) -> int:
    return 100 * n_done // max(n_all, 1)


def _noted(path: Path) -> tuple[int, int] | None:
    try:
        noted = path.read_text().split()
    except OSError:
        return None
    if len(noted) != 2:  # It is being written.
        return None
    return int(noted[0]), int(noted[1])
