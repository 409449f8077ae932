"""The readings that a retraining learns from: the dataset's, and between them what inference accumulated.

On overlap the dataset wins: a window of which it has a reading of a component is its own (guide, "Retraining your
model"). No new ingestion is needed.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets
from openlookout.jobs.version_files import DatasetReadings
from openlookout.jobs.windows import window_of
from openlookout.timeseries.columnar import Readings, read_readings

READERS = 8  # Many small objects: waiting for S3, not computing, takes the time.
WINDOWS_AT_ONCE = 512


@dataclass(frozen=True)
class AccumulatedWindow:
    """The readings of one window, (start_us, end_us]: in one object for each component under `prefix`.

    The objects of a replay hold the readings of many windows, of which some may have been read anew since.
    """

    start_us: int
    end_us: int
    prefix: str


class RetrainingReadings:
    """Gives readings as `DatasetReadings` does; `windows` are in time order."""

    def __init__(self, dataset: DatasetReadings | None, windows: Sequence[AccumulatedWindow], buckets: Buckets) -> None:
        self._dataset = dataset
        self._windows = windows
        self._buckets = buckets

    def iterate(self, sensors: Sequence[str], start_us: int | None, end_us: int | None) -> Iterator[Readings]:
        """Give the readings of these sensors (full names) in (start_us, end_us], component by component."""
        for component in dict.fromkeys(name.partition("\\")[0] for name in sensors):
            wanted = [name for name in sensors if name.startswith(f"{component}\\")]
            pieces = [] if self._dataset is None else self._dataset.iterate(wanted, start_us, end_us)
            waiting = [
                window
                for window in self._windows
                if (start_us is None or window.end_us > start_us) and (end_us is None or window.start_us < end_us)
            ]
            for piece in pieces:
                waiting = [window for window in waiting if not _has(piece, window)]
                before = [window for window in waiting if window.end_us < int(piece.timestamps[0])]
                amid = [window for window in waiting[len(before) :] if window.end_us <= int(piece.timestamps[-1])]
                waiting = waiting[len(before) + len(amid) :]
                yield from self._accumulated(component, wanted, before, start_us, end_us)
                yield _merged([piece, *self._accumulated(component, wanted, amid, start_us, end_us)])
            yield from self._accumulated(component, wanted, waiting, start_us, end_us)

    @property
    def range_us(self) -> tuple[int, int]:
        """The times of the first and the last reading of all, as far as they are known without reading them."""
        ranges = [(window.start_us, window.end_us) for window in self._windows]
        if self._dataset is not None:
            ranges.append(self._dataset.range_us)
        return min(first for first, _ in ranges), max(last for _, last in ranges)

    def _accumulated(
        self,
        component: str,
        sensors: Sequence[str],
        windows: Sequence[AccumulatedWindow],
        start_us: int | None,
        end_us: int | None,
    ) -> Iterator[Readings]:
        for first in range(0, len(windows), WINDOWS_AT_ONCE):
            some = windows[first : first + WINDOWS_AT_ONCE]
            of_prefix: dict[str, list[AccumulatedWindow]] = {}
            for window in some:
                of_prefix.setdefault(window.prefix, []).append(window)
            keys = [layout.accumulated_part(prefix, component) for prefix in of_prefix]
            with ThreadPoolExecutor(READERS) as readers:
                parts = list(readers.map(lambda key: self._buckets.read(SERVICE, key), keys))
            pieces = [
                _within(read_readings(component, [part], sensors, start_us, end_us), own)
                for part, own in zip(parts, of_prefix.values(), strict=True)
            ]
            readings = _merged(pieces)
            if len(readings.timestamps):
                yield readings


def _within(readings: Readings, windows: Sequence[AccumulatedWindow]) -> Readings:
    """The readings in these windows, which are in time order."""
    starts, ends = (np.array([getattr(window, name) for window in windows]) for name in ("start_us", "end_us"))
    inside = window_of(readings.timestamps, starts, ends) >= 0
    return Readings(readings.sensors, readings.timestamps[inside], readings.values[inside])


def _has(piece: Readings, window: AccumulatedWindow) -> bool:
    first = int(np.searchsorted(piece.timestamps, window.start_us, "right"))
    return first < len(piece.timestamps) and int(piece.timestamps[first]) <= window.end_us


def _merged(pieces: Sequence[Readings]) -> Readings:
    """One piece in time order; no two have a time in common."""
    if len(pieces) == 1:
        return pieces[0]
    timestamps = np.concatenate([piece.timestamps for piece in pieces])
    order = np.argsort(timestamps, kind="stable")
    return Readings(pieces[0].sensors, timestamps[order], np.concatenate([piece.values for piece in pieces])[order])
