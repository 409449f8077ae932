"""How far the work in a child is: the child notes it in a file, the process that waits for the child tells the row.

A child answers once, at its end; a file needs no channel, and one that was left half-written is no harm.
"""

import time
from pathlib import Path

NOTE_SECONDS = 0.5


class ProgressFile:
    """Notes bytes read and bytes in all, at most every NOTE_SECONDS: a file a call would cost more than the reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._noted_at = -NOTE_SECONDS

    def note(self, n_read: int, n_bytes: int) -> None:
        now = time.monotonic()
        if now - self._noted_at >= NOTE_SECONDS:
            self._noted_at = now
            self._path.write_text(f"{n_read} {n_bytes}")


def read_progress(path: Path) -> str | None:
    """Give the last note as a sentence; None when there is none (yet, or no longer)."""
    try:
        noted = path.read_text().split()
    except OSError:
        return None
    if len(noted) != 2:  # It is being written.
        return None
    n_read, n_bytes = map(int, noted)
    return f"Reading the files: {n_read} of {n_bytes} bytes ({100 * n_read // max(n_bytes, 1)} %)."
