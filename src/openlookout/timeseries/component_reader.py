"""The files of one component, read into runs of readings on the disk, with what was counted and observed of them.

Memory is bounded by a run, whatever the size of the files; a file that turns out broken leaves no trace.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from openlookout.timeseries.gathering import REFUSALS, Batch, LeftOut, Opened, Parsed, gathered, refusal
from openlookout.timeseries.observation import SensorObservation, observe_part
from openlookout.timeseries.runs import Run, joined, merge_runs, run_cells_max, write_rows
from openlookout.timeseries.schema import Component
from openlookout.timeseries.sensor_file import MARKS_MAX, TIME, Allowance, Chunk, Header, NotIngestible
from openlookout.timeseries.sources import Meter, Source


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
    """Reads the files of one component into runs; a file that turns out broken leaves no trace.

    `writer`, of one thread, makes a run of what was read meanwhile; `workers` parse for this thread and compress for
    that one, and wait for neither.
    """

    def __init__(
        self, name: str, given: Component | None, scratch: Path, number: int, *, writer: Executor, workers: Executor
    ) -> None:
        self.name = name
        self.runs: list[Run] = []
        self.tally = Tally()
        self._given, self._writer, self._workers = given, writer, workers
        self._parsing: tuple[Batch, tuple[str, ...], Future[Parsed | None]] | None = None
        self._left_out: dict[str, str] = {}
        self._writing: list[Future[Run]] = []
        self._observed: dict[str, SensorObservation] | None = {}
        self._observed_us: int | None = None
        self._scratch, self._number, self._n_written = scratch, number, 0
        self._timestamp = ""
        self._columns: dict[str, None] = {}
        self._buffer: list[pl.DataFrame] = []

    def read(self, sources: Sequence[Source], meter: Meter, allowance: Allowance | None) -> dict[str, str]:
        """Read the files and settle the runs; give the reason of each that was left out.

        Raises:
            IngestionError: a header is malformed, or the allowance is spent.
        """
        for piece in gathered(sources, meter, self._scratch, allowance):
            if isinstance(piece, LeftOut):
                self._left_out[piece.key] = piece.reason
            elif isinstance(piece, Batch):
                self._take_parsed()
                self._parse(piece)
            else:
                self._take_parsed()
                self._read_opened(piece, meter)
        self._take_parsed()
        self._settle()
        return {source.key: self._left_out[source.key] for source in sources if source.key in self._left_out}

    def _parse(self, batch: Batch) -> None:
        """Have a batch parsed, while the next is gathered."""
        try:
            sensors = self._wanted(batch.header)
        except NotIngestible as error:
            self._left_out |= {one.key: str(error) for one in batch.files}
        else:
            self._parsing = batch, sensors, self._workers.submit(batch.parsed, sensors)

    def _take_parsed(self) -> None:
        """Take the readings of the batch that is being parsed, if one is."""
        if self._parsing is None:
            return
        (batch, sensors, parsing), self._parsing = self._parsing, None
        try:
            parsed = parsing.result()
        except NotIngestible:
            parsed = None
        if parsed is None or parsed.silent.files:
            # A file that gives nothing says by itself why, and its rows are not counted.
            for one in (parsed.silent if parsed else batch).alone():
                self._read_opened(one, None)
            if parsed and parsed.speaking.files:
                self._parse(parsed.speaking)
                self._take_parsed()
            return
        self._buffer.append(parsed.chunk.readings)
        self.tally.count(parsed.chunk)
        self._know(batch.header, sensors)
        if _n_cells(self._buffer) > run_cells_max(len(sensors)):
            self._write(self._buffer)
            self._buffer = []

    def _read_opened(self, opened: Opened, meter: Meter | None) -> None:
        mark, tally = len(self._writing), Tally()
        whole, self._buffer = self._buffer, []
        try:
            sensors = self._wanted(opened.header)
            for chunk in opened.chunks(sensors, self._workers):
                tally.count(chunk)
                self._buffer.append(chunk.readings)
                if meter:
                    meter.report()
                if _n_cells(whole) + _n_cells(self._buffer) > run_cells_max(len(sensors)):
                    # What earlier files gave is theirs: a run belongs to whole files, or to this one alone.
                    mark += self._write(whole)
                    self._write(self._buffer)
                    whole, self._buffer = [], []
            if not tally.readings.total():
                raise NotIngestible(_empty_reason(tally))
        except REFUSALS as error:
            self._undo(mark, whole)
            self._left_out[opened.key] = refusal(opened.key, error)
            return
        self._buffer = whole + self._buffer
        self.tally.add(tally)
        self._know(opened.header, sensors)

    def _know(self, header: Header, sensors: Sequence[str]) -> None:
        self._timestamp = self._timestamp or header.timestamp
        self._columns |= dict.fromkeys(sensors)

    def _settle(self) -> None:
        """Write what is left and make the runs disjoint and ordered."""
        self._write(self._buffer, is_last=True)
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

    def _write(self, frames: Sequence[pl.DataFrame], *, is_last: bool = False) -> int:
        """Have frames written as a run, once the one before is; give how many runs that makes: none without a row."""
        rows = [frame for frame in frames if len(frame)]
        if not rows:
            return 0
        if len(self._writing) > 1:
            self._writing[-2].result()  # One is written, one waits: what waits is in memory.
        path = self._scratch / f"{self._number:04}-{self._n_written:06}.parquet"
        self._n_written += 1
        self._writing.append(self._writer.submit(self._write_run, rows, path, is_last=is_last))
        return 1

    def _write_run(self, frames: list[pl.DataFrame], path: Path, *, is_last: bool) -> Run:
        """Write a run, and observe it while it is in memory, as long as runs come in the order of time."""
        frame, run = joined(frames, path)
        writing = self._workers.submit(write_rows, frame, path)
        if self._observed is not None:
            if self._observed_us is None or run.first_us > self._observed_us:
                self._observe(frame)
                self._observed_us = run.last_us
            else:
                self._observed = None  # The runs will be merged, and then read again.
        if is_last:  # What is asked of each sensor at the end takes a while where they are thousands.
            for one in (self._observed or {}).values():
                one.conclude()
        writing.result()
        return run

    def _observe(self, frame: pl.DataFrame) -> None:
        assert self._observed is not None
        for name in frame.columns:
            if name != TIME and name not in self._observed:
                self._observed[name] = SensorObservation()
        observe_part(frame, self._observed)

    def _undo(self, mark: int, whole: list[pl.DataFrame]) -> None:
        """Forget the file in hand: its runs, and what of it is still in memory."""
        if self._writing[mark:]:
            self._writing[-1].result()
            self._observed = None  # Some of it was observed.
        for writing in self._writing[mark:]:
            writing.result().path.unlink()
        del self._writing[mark:]
        self._buffer = whole


def _empty_reason(tally: Tally) -> str:
    if tally.n_rows:
        return f"none of its {tally.n_rows} rows has a reading"
    if tally.n_bad_timestamps:
        return f"none of its {tally.n_bad_timestamps} rows has a supported timestamp, such as 2024-01-31 23:59:59"
    return "it has a header and no rows"


def _n_cells(frames: Sequence[pl.DataFrame]) -> int:
    return sum(frame.height * frame.width for frame in frames)
