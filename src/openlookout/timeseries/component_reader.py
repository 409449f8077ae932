"""The files of one component, read into runs of readings on the disk, with what was counted and observed of them.

Memory is bounded by a run, whatever the size of the files; a file that turns out broken leaves no trace.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from openlookout.timeseries.csv import (
    MARKS_MAX,
    TIME,
    Allowance,
    BadHeader,
    Chunk,
    Header,
    NotIngestible,
    UnpackedTooMuch,
)
from openlookout.timeseries.observation import SensorObservation, observe_part
from openlookout.timeseries.parquet import is_named_as_data, open_sensor_file
from openlookout.timeseries.runs import Run, merge_runs, run_cells_max, write_run
from openlookout.timeseries.schema import Component
from openlookout.timeseries.sources import IngestionError, Meter, Source


@dataclass(frozen=True)
class Marks:
    """Where the readings of a component have faults, at most MARKS_MAX places of each kind; microseconds, ascending.

    `repeated_us`: times that several rows have. `invalid_us`: of each sensor the times of cells that are no numbers.
    """

    repeated_us: list[int]
    invalid_us: dict[str, list[int]]


@dataclass
class Tally:
    """What the parser counted: rows with a timestamp, rows without, and the cells of each sensor."""

    n_rows: int = 0
    n_bad_timestamps: int = 0
    readings: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    invalid_us: dict[str, list[int]] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        self.n_rows += other.n_rows
        self.n_bad_timestamps += other.n_bad_timestamps
        self.readings.update(other.readings)
        self.invalid.update(other.invalid)
        self._mark(other.invalid_us)

    def count(self, chunk: Chunk) -> None:
        self.n_rows += len(chunk.readings)
        self.n_bad_timestamps += chunk.n_bad_timestamps
        n_rows = len(chunk.readings)
        if chunk.is_whole:
            self.readings.update(dict.fromkeys(chunk.readings.columns[1:], n_rows))
        else:
            columns = list(chunk.readings.iter_columns())[1:]
            self.readings.update({one.name: n_rows - one.null_count() for one in columns})
        self.invalid.update(chunk.invalid)
        self._mark(chunk.invalid_us)

    def _mark(self, invalid_us: Mapping[str, list[int]]) -> None:
        for name, times in invalid_us.items():
            self.invalid_us[name] = (self.invalid_us.get(name, []) + times)[:MARKS_MAX]


class ComponentReader:
    """Reads the files of one component into runs; a file that turns out broken leaves no trace."""

    def __init__(self, name: str, given: Component | None, scratch: Path, number: int, writer: Executor) -> None:
        self.name = name
        self.runs: list[Run] = []
        self.tally = Tally()
        self._given, self._writer = given, writer
        self._writing: list[Future[Run]] = []
        self._observed: dict[str, SensorObservation] | None = {}
        self._observed_us: int | None = None
        self._scratch, self._number, self._n_written = scratch, number, 0
        self._timestamp = ""
        self._columns: dict[str, None] = {}
        self._buffer: list[pl.DataFrame] = []

    def read(self, source: Source, meter: "Meter", allowance: Allowance | None) -> str | None:
        """Read one file; give the reason if it was discarded.

        Raises:
            IngestionError: its header is malformed, or the allowance is spent.
        """
        mark, tally = len(self._writing), Tally()
        whole, self._buffer = self._buffer, []
        try:
            with meter.opened(source) as stream:
                file = open_sensor_file(source.key, stream, self._scratch, allowance)
                sensors = self._wanted(file.header)
                for chunk in file.chunks(sensors):
                    tally.count(chunk)
                    self._buffer.append(chunk.readings)
                    meter.report()
                    if _n_cells(whole) + _n_cells(self._buffer) > run_cells_max(len(sensors)):
                        # What earlier files gave is theirs: a run belongs to whole files, or to this one alone.
                        mark += self._write(whole)
                        self._write(self._buffer)
                        whole, self._buffer = [], []
            if not tally.readings.total():
                raise NotIngestible(_empty_reason(tally))
        except BadHeader as error:
            if not is_named_as_data(source.key):
                return self._undo(mark, whole, f"not a CSV file: {error.reason}")
            raise IngestionError(f"{error}") from None
        except UnpackedTooMuch as error:
            raise IngestionError(f"{error} of a dataset; that was seen in file '{source.key}'.") from None
        except NotIngestible as error:
            return self._undo(mark, whole, str(error))
        except (FileNotFoundError, PermissionError) as error:
            return self._undo(mark, whole, f"unreadable: {error.strerror}")
        self._buffer = whole + self._buffer
        self.tally.add(tally)
        self._timestamp = self._timestamp or file.header.timestamp
        self._columns |= dict.fromkeys(sensors)
        return None

    def settle(self) -> None:
        """Write what is left and make the runs disjoint and ordered."""
        self._write(self._buffer)
        self._buffer = []
        met = [writing.result() for writing in self._writing]
        self._writing = []
        self.runs = merge_runs(met, self._scratch, f"{self._number:04}")

    def marks(self) -> Marks:
        """Say where faults are, once the runs are settled."""
        repeated = [at for run in self.runs for at in run.repeated_us.tolist()]
        return Marks(repeated[:MARKS_MAX], {name: sorted(times) for name, times in self.tally.invalid_us.items()})

    def detected(self) -> Component:
        """Give the component as its files show it."""
        # What is the timestamp in one file and a sensor in another is the timestamp.
        sensors = tuple(name for name in self._columns if name != self._timestamp)
        return Component(self.name, self._timestamp, sensors)

    def observed(self) -> dict[str, SensorObservation]:
        """Give what was observed of each sensor, once the runs are settled."""
        if self._observed is None:
            self._observed = {}
            for run in self.runs:
                self._observe(pl.read_parquet(run.path))
        return self._observed

    def _wanted(self, header: Header) -> tuple[str, ...]:
        if self._given is None:
            return header.sensors
        wanted = set(self._given.sensors)
        sensors = tuple(sensor for sensor in header.sensors if sensor in wanted)
        if not sensors:
            raise NotIngestible(f"none of its columns is a sensor of component '{self.name}' in the schema")
        return sensors

    def _write(self, frames: Sequence[pl.DataFrame]) -> int:
        """Have frames written as a run, once the one before is; give how many runs that makes: none without a row."""
        rows = [frame for frame in frames if len(frame)]
        if not rows:
            return 0
        if self._writing:
            self._writing[-1].result()  # One at a time: what waits to be written is in memory.
        path = self._scratch / f"{self._number:04}-{self._n_written:06}.parquet"
        self._n_written += 1
        self._writing.append(self._writer.submit(self._write_run, rows, path))
        return 1

    def _write_run(self, frames: Sequence[pl.DataFrame], path: Path) -> Run:
        """Write a run, and observe it while it is in memory, as long as runs come in the order of time."""
        frame, run = write_run(frames, path)
        if self._observed is not None:
            if self._observed_us is None or run.first_us > self._observed_us:
                self._observe(frame)
                self._observed_us = run.last_us
            else:
                self._observed = None  # The runs will be merged, and then read again.
        return run

    def _observe(self, frame: pl.DataFrame) -> None:
        assert self._observed is not None
        for name in frame.columns:
            if name != TIME and name not in self._observed:
                self._observed[name] = SensorObservation()
        observe_part(frame, self._observed)

    def _undo(self, mark: int, whole: list[pl.DataFrame], reason: str) -> str:
        """Forget the file in hand: its runs, and what of it is still in memory."""
        if self._writing[mark:]:
            self._writing[-1].result()
            self._observed = None  # Some of it was observed.
        for writing in self._writing[mark:]:
            writing.result().path.unlink()
        del self._writing[mark:]
        self._buffer = whole
        return reason


def _empty_reason(tally: Tally) -> str:
    if tally.n_rows:
        return f"none of its {tally.n_rows} rows has a reading"
    if tally.n_bad_timestamps:
        return f"none of its {tally.n_bad_timestamps} rows has a supported timestamp, such as 2024-01-31 23:59:59"
    return "it has a header and no rows"


def _n_cells(frames: Sequence[pl.DataFrame]) -> int:
    return sum(frame.height * frame.width for frame in frames)
