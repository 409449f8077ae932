"""The time: the only module that reads the system's clock for what the service says and schedules.

Signatures, heartbeats and timeouts keep real time and read `time.monotonic` or the clock of `SystemClock` themselves.
"""

import threading
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
    """A time that stands still until it is set: for tests and for the compressed time of the demo."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def set(self, to: datetime) -> None:
        with self._lock:
            self._now = to

    def advance(self, by: timedelta) -> None:
        with self._lock:
            self._now += by
