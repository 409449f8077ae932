"""The time: the only module that reads the system's clock for what the service says and schedules.

Signatures, heartbeats and timeouts keep real time and read `time.monotonic` or the clock of `SystemClock` themselves.
"""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Give the current time, aware, UTC."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class ManualClock:
    """A time that is set by hand, for tests and for the compressed time of the demo; `run` lets it go."""

    def __init__(self, start: datetime) -> None:
        self._base = start
        self._since: float | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            elapsed = 0.0 if self._since is None else time.monotonic() - self._since
            return self._base + timedelta(seconds=elapsed)

    def set(self, to: datetime) -> None:
        with self._lock:
            self._base = to
            if self._since is not None:
                self._since = time.monotonic()

    def advance(self, by: timedelta) -> None:
        self.set(self.now() + by)

    def run(self) -> None:
        """Go on from here as real time does."""
        with self._lock:
            self._since = time.monotonic()
