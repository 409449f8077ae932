"""Ingestion: CSV and Parquet files of many components into Parquet parts, with statistics of every sensor.

Knows readable streams and local folders. Knows no bucket, no dataset and no job: those call it in a process that may
be killed. Everything is streamed; memory is bounded by a run of readings, whatever the size of the input.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

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
from openlookout.timeseries.quality import SensorStatistics
from openlookout.timeseries.runs import Run, merge_runs, run_cells_max, write_run
from openlookout.timeseries.schema import COMPONENTS_MAX, SENSORS_MAX, Component

Progress = Callable[[int, int], None]


class IngestionError(Exception):
    """Nothing can be ingested; the message names the file and what was expected."""


@dataclass(frozen=True)
class Source:
    """One file: its key, the component it belongs to, its size in bytes, and how to open it from its start."""

    key: str
    component: str
    size: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Part:
    """A Parquet file of one component: TIME ascending and unique, a Float64 column for each sensor, null = none."""

    component: str
    path: Path
    first_us: int
    last_us: int
    n_rows: int


@dataclass(frozen=True)
class Marks:
    """Where the readings of a component have faults, at most MARKS_MAX places of each kind; microseconds, ascending.

    `repeated_us`: times that several rows have. `invalid_us`: of each sensor the times of cells that are no numbers.
    """

    repeated_us: list[int]
    invalid_us: dict[str, list[int]]


@dataclass(frozen=True)
class Ingested:
    """What an ingestion gave.

    Parts of a component do not overlap and come in time order; `statistics` are by component and sensor; `discarded`
    has the reason of each key that was left out; `n_bytes` are those of the files that were not; times are
    microseconds since the epoch.
    """

    schema: tuple[Component, ...]
    parts: tuple[Part, ...]
    statistics: tuple[SensorStatistics, ...]
    discarded: dict[str, str]
    n_files: int
    n_files_ingested: int
    n_bytes: int
    start_us: int
    end_us: int
    marks: dict[str, Marks]


def ingest(
    sources: Sequence[Source],
    schema: tuple[Component, ...] | None,
    out: Path,
    scratch: Path,
    *,
    progress: Progress | None = None,
    allowance: Allowance | None = None,
) -> Ingested:
    """Read all files and write the parts into `out`, which is emptied first; `scratch` is needed meanwhile.

    The order of `sources` is the order of encounter: of rows with the same time the last wins. Without a schema it is
    detected: the first column is the timestamp, the sensors are all others of all files, in the order first seen. With
    one, columns it does not name are ignored, those it names and a file lacks have no data there, and the files of a
    component it does not name are discarded. `progress` is called with the bytes read and the bytes in all.
    `allowance`: what all compressed files together may unpack to.

    Raises:
        IngestionError: a header is malformed, a limit is passed, or no file has a reading.
    """
    _make_empty(out)
    _make_empty(scratch)
    given = None if schema is None else {component.name: component for component in schema}
    by_component: dict[str, list[Source]] = {}
    for source in sources:
        by_component.setdefault(source.component, []).append(source)
    meter = _Meter(sum(source.size for source in sources), progress)
    discarded: dict[str, str] = {}
    read: list[_ComponentReader] = []
    with ThreadPoolExecutor(1, "runs") as writer:  # The next run is read while one is written.
        for number, (name, files) in enumerate(by_component.items()):
            if given is not None and name not in given:
                unknown = f"the schema has no component '{name}'"
                discarded |= {source.key: unknown for source in files}
                continue
            reader = _ComponentReader(name, None if given is None else given[name], scratch, number, writer)
            for source in files:
                reason = reader.read(source, meter, allowance)
                if reason is not None:
                    discarded[source.key] = reason
            reader.settle()
            read.append(reader)
    return _joined(sources, schema, read, discarded, out)


def _joined(
    sources: Sequence[Source],
    schema: tuple[Component, ...] | None,
    read: Sequence["_ComponentReader"],
    discarded: dict[str, str],
    out: Path,
) -> Ingested:
    """Check that there is something, observe the parts and move them to where they belong."""
    if not any(reader.runs for reader in read):
        raise IngestionError(_nothing(sources, discarded))
    if schema is None:
        schema = tuple(reader.detected() for reader in read if reader.runs)
        n_sensors = sum(len(component.sensors) for component in schema)
        if len(schema) > COMPONENTS_MAX or n_sensors > SENSORS_MAX:
            raise IngestionError(
                f"the files have {len(schema)} components and {n_sensors} sensors; "
                f"{COMPONENTS_MAX} and {SENSORS_MAX} are the limits"
            )
    by_name = {reader.name: reader for reader in read}
    parts: list[Part] = []
    statistics: list[SensorStatistics] = []
    for number, component in enumerate(schema):
        reader = by_name.get(component.name)
        statistics += _statistics(component, reader)
        for index, run in enumerate(reader.runs if reader else ()):
            # By number, not by name: '..' is a component's name too.
            path = out / f"{number:04}-{index:06}.parquet"
            shutil.move(run.path, path)
            parts.append(Part(component.name, path, run.first_us, run.last_us, run.n_rows))
    return Ingested(
        schema=schema,
        parts=tuple(parts),
        statistics=tuple(sorted(statistics, key=lambda one: (one.component, one.sensor))),
        discarded=discarded,
        n_files=len(sources),
        n_files_ingested=len(sources) - len(discarded),
        n_bytes=sum(source.size for source in sources if source.key not in discarded),
        start_us=min(part.first_us for part in parts),
        end_us=max(part.last_us for part in parts),
        marks={reader.name: reader.marks() for reader in read},
    )


def _nothing(sources: Sequence[Source], discarded: dict[str, str]) -> str:
    if not sources:
        return "there is no file to ingest"
    shown = "; ".join(f"'{key}': {reason}" for key, reason in list(discarded.items())[:3])
    more = f"; and {len(discarded) - 3} more" if len(discarded) > 3 else ""
    return f"none of the {len(sources)} files has a reading that can be ingested: {shown}{more}"


@dataclass
class _Tally:
    """What the parser counted: rows with a timestamp, rows without, and the cells of each sensor."""

    n_rows: int = 0
    n_bad_timestamps: int = 0
    readings: Counter[str] = field(default_factory=Counter)
    invalid: Counter[str] = field(default_factory=Counter)
    invalid_us: dict[str, list[int]] = field(default_factory=dict)

    def add(self, other: "_Tally") -> None:
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


class _ComponentReader:
    """Reads the files of one component into runs; a file that turns out broken leaves no trace."""

    def __init__(self, name: str, given: Component | None, scratch: Path, number: int, writer: Executor) -> None:
        self.name = name
        self.runs: list[Run] = []
        self.tally = _Tally()
        self._given, self._writer = given, writer
        self._writing: list[Future[Run]] = []
        self._observed: dict[str, SensorObservation] | None = {}
        self._observed_us: int | None = None
        self._scratch, self._number, self._n_written = scratch, number, 0
        self._timestamp = ""
        self._columns: dict[str, None] = {}
        self._buffer: list[pl.DataFrame] = []

    def read(self, source: Source, meter: "_Meter", allowance: Allowance | None) -> str | None:
        """Read one file; give the reason if it was discarded.

        Raises:
            IngestionError: its header is malformed, or the allowance is spent.
        """
        mark, tally = len(self._writing), _Tally()
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


def _statistics(component: Component, reader: _ComponentReader | None) -> list[SensorStatistics]:
    """Join what the parser counted and what was observed; without a reader no file has the component."""
    tally = reader.tally if reader else _Tally()
    seen = reader.observed() if reader else {}
    n_duplicates = tally.n_rows - sum(run.n_rows for run in reader.runs) if reader else 0
    statistics = []
    for sensor in component.sensors:
        one = seen.get(sensor) or SensorObservation()
        statistics.append(
            SensorStatistics(
                component=component.name,
                sensor=sensor,
                n_rows=tally.n_rows,
                n_missing=tally.n_rows - tally.readings[sensor] - tally.invalid[sensor],
                n_invalid=tally.invalid[sensor],
                n_bad_timestamps=tally.n_bad_timestamps,
                n_duplicates=n_duplicates,
                start_us=one.start_us,
                end_us=one.end_us,
                n_categories=one.n_categories,
                has_operating_modes=one.has_operating_modes,
                n_gaps=one.n_gaps,
                gap_us_max=one.gap_us_max,
                monotonicity=one.monotonicity,
            )
        )
    return statistics


class _Meter:
    """Counts the bytes that were read of all the files."""

    def __init__(self, n_bytes: int, progress: Progress | None) -> None:
        self._n_bytes, self._progress = n_bytes, progress
        self._n_before, self._n_read = 0, 0

    def opened(self, source: Source) -> "_Metered":
        self._n_before += self._n_read
        self._n_read = 0
        return _Metered(self, source)

    def add(self, n_bytes: int) -> None:
        self._n_read += n_bytes

    def report(self) -> None:
        if self._progress is not None:
            self._progress(min(self._n_before + self._n_read, self._n_bytes), self._n_bytes)


class _Metered:
    """The stream of a source, opened and closed with it, that tells the meter what was read."""

    def __init__(self, meter: _Meter, source: Source) -> None:
        self._meter, self._source = meter, source

    def __enter__(self) -> BinaryIO:
        self._stream = self._source.open()
        return self  # type: ignore[return-value]  # The reader needs read() alone.

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._meter.report()

    def read(self, n_bytes: int = -1) -> bytes:
        read = self._stream.read(n_bytes)
        self._meter.add(len(read))
        return read


def _empty_reason(tally: _Tally) -> str:
    if tally.n_rows:
        return f"none of its {tally.n_rows} rows has a reading"
    if tally.n_bad_timestamps:
        return f"none of its {tally.n_bad_timestamps} rows has a supported timestamp, such as 2024-01-31 23:59:59"
    return "it has a header and no rows"


def _n_cells(frames: Sequence[pl.DataFrame]) -> int:
    return sum(frame.height * frame.width for frame in frames)


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
