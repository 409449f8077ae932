"""The spool: readings on disk, before their source is told that they were taken, until their windows are uploaded.

A reading is known by its sensor and its time: one that comes twice is there once, one that was corrected is the newer.
Knows nothing of sources and of buckets. One process has it; threads may share it.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openlookout.collect.errors import CollectError, SpoolUnavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (
    component TEXT NOT NULL, sensor TEXT NOT NULL, time_us INTEGER NOT NULL, value REAL,
    PRIMARY KEY (component, time_us, sensor)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changed (
    component TEXT NOT NULL, start_us INTEGER NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (component, start_us)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploaded (
    component TEXT NOT NULL, start_us INTEGER NOT NULL, at_us INTEGER NOT NULL, is_forgotten INTEGER NOT NULL,
    PRIMARY KEY (component, start_us)
) WITHOUT ROWID;
"""
FORGOTTEN_AT_ONCE_MAX = 1000

_KEEP = """
INSERT INTO reading (component, sensor, time_us, value) VALUES (?, ?, ?, ?)
ON CONFLICT (component, time_us, sensor) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value
"""
_OLD = """
SELECT component, start_us FROM uploaded WHERE at_us <= ? AND NOT is_forgotten AND NOT EXISTS (
    SELECT 1 FROM changed WHERE changed.component = uploaded.component AND changed.start_us = uploaded.start_us
) LIMIT ?
"""
_CHANGE = """
INSERT INTO changed (component, start_us, version) VALUES (?, ?, 1)
ON CONFLICT (component, start_us) DO UPDATE SET version = version + 1
"""


@dataclass(frozen=True)
class Reading:
    """`sensor` without its component; `time_us` microseconds since the epoch; `value` None: bad, or none."""

    component: str
    sensor: str
    time_us: int
    value: float | None


@dataclass(frozen=True)
class Changed:
    """A window (start_us, start_us + length] of a component with readings that are not uploaded yet."""

    component: str
    start_us: int
    version: int


class Spool:
    """One file. `window_us`: the length of a window; windows begin at its multiples.

    Raises:
        CollectError: the file is no spool, or another process has it.
        SpoolUnavailable: what changes it cannot be written just now.
    """

    def __init__(self, path: Path, window_us: int) -> None:
        self._path, self._window_us = path, window_us
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, check_same_thread=False, timeout=0, isolation_level=None)
            self._file.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=FULL")  # What was acknowledged survives a power cut.
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("COMMIT")
            self._file.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise CollectError(f"the spool {path} cannot be opened, or another process has it: {error}") from None
        except sqlite3.DatabaseError:
            raise CollectError(f"{path} is no spool") from None

    def add(self, readings: Iterable[Reading]) -> None:
        """Keep readings; on disk when this returns. What changes nothing makes no window changed."""
        changed: set[tuple[str, int]] = set()
        with self._writing():
            for one in readings:
                kept = self._file.execute(_KEEP, (one.component, one.sensor, one.time_us, one.value))
                if kept.rowcount:
                    changed.add((one.component, self._start(one.time_us)))
            self._file.executemany(_CHANGE, sorted(changed))

    def changed(self, end_us_max: int) -> list[Changed]:
        """Give the changed windows that ended up to a time, oldest first."""
        with self._lock:
            rows = self._file.execute(
                "SELECT component, start_us, version FROM changed WHERE start_us + ? <= ? ORDER BY start_us, component",
                (self._window_us, end_us_max),
            ).fetchall()
        return [Changed(*row) for row in rows]

    def readings(self, window: Changed) -> list[tuple[int, str, float | None]]:
        """Give time, sensor and value of a window's readings, in time order."""
        with self._lock:
            return self._file.execute(
                "SELECT time_us, sensor, value FROM reading "
                "WHERE component = ? AND time_us > ? AND time_us <= ? ORDER BY time_us, sensor",
                (window.component, window.start_us, window.start_us + self._window_us),
            ).fetchall()

    def note_uploaded(self, window: Changed, at_us: int) -> None:
        """A window was uploaded as it was read; what came since then leaves it changed."""
        with self._writing():
            self._file.execute(
                "DELETE FROM changed WHERE component = ? AND start_us = ? AND version = ?",
                (window.component, window.start_us, window.version),
            )
            self._file.execute(
                "INSERT INTO uploaded (component, start_us, at_us, is_forgotten) VALUES (?, ?, ?, 0) "
                "ON CONFLICT (component, start_us) DO UPDATE SET at_us = excluded.at_us",
                (window.component, window.start_us, at_us),
            )

    def is_forgotten(self, window: Changed) -> bool:
        """Whether readings of the window were forgotten: its file cannot be written as a whole again."""
        with self._lock:
            found = self._file.execute(
                "SELECT is_forgotten FROM uploaded WHERE component = ? AND start_us = ?",
                (window.component, window.start_us),
            ).fetchone()
        return bool(found and found[0])

    def forget(self, before_us: int) -> int:
        """Forget the readings of windows that were uploaded last before a time and are not changed; give how many."""
        with self._writing():
            old = self._file.execute(_OLD, (before_us, FORGOTTEN_AT_ONCE_MAX)).fetchall()
            n_forgotten = 0
            for component, start_us in old:
                n_forgotten += self._file.execute(
                    "DELETE FROM reading WHERE component = ? AND time_us > ? AND time_us <= ?",
                    (component, start_us, start_us + self._window_us),
                ).rowcount
            self._file.executemany("UPDATE uploaded SET is_forgotten = 1 WHERE component = ? AND start_us = ?", old)
        return n_forgotten

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            try:
                with self._file:
                    self._file.execute("BEGIN IMMEDIATE")
                    yield
            except sqlite3.OperationalError as error:
                raise SpoolUnavailable(f"the spool {self._path} cannot be written: {error}") from None

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def _start(self, time_us: int) -> int:
        """The window (start, start + length] that a time is in."""
        return (time_us - 1) // self._window_us * self._window_us


def split_name(full: str) -> tuple[str, str]:
    r"""Component and sensor of `component\sensor`.

    Raises:
        CollectError: the name has no component.
    """
    component, slash, sensor = full.partition("\\")
    if not slash or not component or not sensor:
        raise CollectError(f"'{full}' is no sensor: it is called component\\sensor")
    return component, sensor


def as_readings(values: Sequence[tuple[str, int, float | None]]) -> list[Reading]:
    """Readings of full names, times and values."""
    return [Reading(*split_name(full), time_us, value) for full, time_us, value in values]
