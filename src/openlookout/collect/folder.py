"""A watch folder: sensor files that a historian drops, as readings. A file that was read moves to `done`.

Files are `<component>/<anything>.csv`, `.csv.gz` or `.parquet`, with the columns of training files. One that is still
being written (it changed since the last look) is waited for; one of which nothing can be read, or that belongs to no
component of the model, moves to `failed`, beside a text that says why. What is left out of a file is told.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openlookout.collect.errors import CollectError, SpoolUnavailable
from openlookout.collect.keeper import Keeper, Taken, Value
from openlookout.logs import logger
from openlookout.timeseries.parquet import is_named_as_data, open_sensor_file
from openlookout.timeseries.sensor_file import TIME, BadHeader, Chunk, NotIngestible

LOOK_SECONDS = 2.0
DONE, FAILED = "done", "failed"
CHUNK_ROWS_MAX = 10_000

log = logger(__name__)


@dataclass(frozen=True)
class FolderSource:
    """A folder with a folder for each component. `sensors`: of each component of the model."""

    path: Path
    sensors: Mapping[str, Sequence[str]]


@dataclass
class Folder:
    """Looks into the folder again and again until it is stopped."""

    source: FolderSource
    keeper: Keeper
    _seen: dict[Path, tuple[int, int]] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Raises CollectError: there is no such folder."""
        if not self.source.path.is_dir():
            raise CollectError(f"there is no folder {self.source.path}")
        self._thread = threading.Thread(target=self._run, name="folder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=30)

    def look(self) -> int:
        """Take the files that are whole; give how many."""
        n_taken, there = 0, {}
        for component, path in self._files():
            stat = path.stat()
            there[path] = (stat.st_size, stat.st_mtime_ns)
            if self._seen.get(path) == there[path]:
                self._take(component, path)
                n_taken += 1
        self._seen = there
        return n_taken

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except OSError as error:
                log.warning("the folder cannot be read", folder=str(self.source.path), reason=error.strerror)
            except SpoolUnavailable as error:
                log.warning("a file is left where it is", folder=str(self.source.path), reason=str(error))

    def _files(self) -> Iterator[tuple[str, Path]]:
        for folder in sorted(self.source.path.iterdir()):
            if folder.is_dir() and folder.name not in {DONE, FAILED}:
                for path in sorted(folder.iterdir()):
                    if path.is_file() and is_named_as_data(path.name):
                        yield folder.name, path

    def _take(self, component: str, path: Path) -> None:
        try:
            chunks = self._read(component, path)
        except (BadHeader, NotIngestible, CollectError) as error:
            self._move(path, FAILED, f"{error}\n")
            log.warning("a file cannot be read", file=str(path), reason=str(error))
            return
        for left_out in _left_out(component, self.source.sensors[component], chunks):
            log.warning("a part of a file is left out", file=str(path), reason=left_out)
        for chunk in chunks:
            sensors = [name for name in chunk.readings.columns if name in self.source.sensors[component]]
            for rows in chunk.readings.iter_slices(max(1, CHUNK_ROWS_MAX // max(1, len(sensors)))):
                values: list[Value] = [
                    (f"{component}\\{sensor}", at, value)
                    for sensor in sensors
                    for at, value in zip(rows[TIME].to_list(), rows[sensor].to_list(), strict=True)
                    if value is not None
                ]
                self.keeper.take([Taken(str(path.parent), values, is_live=False)])
        self._move(path, DONE, None)

    def _read(self, component: str, path: Path) -> list[Chunk]:
        """Read all of a file before anything of it is kept: one that turns out broken leaves nothing."""
        if component not in self.source.sensors:
            known = ", ".join(f"'{name}'" for name in self.source.sensors)
            raise CollectError(f"'{component}' is no component of the model: it has {known}")
        with path.open("rb") as stream:
            chunks = list(open_sensor_file(path.name, stream).chunks())
        n_bad = sum(chunk.n_bad_timestamps for chunk in chunks)
        if n_bad and not any(len(chunk.readings) for chunk in chunks):
            raise CollectError(f"file '{path.name}': no row has a time that can be read, of {n_bad:,} rows")
        return chunks

    def _move(self, path: Path, where: str, why: str | None) -> None:
        target = self.source.path / where / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        if why is not None:
            target.with_name(target.name + ".txt").write_text(why)


def _left_out(component: str, sensors: Sequence[str], chunks: Sequence[Chunk]) -> Iterator[str]:
    """Give sentences for what of a file is not kept."""
    columns = {name for chunk in chunks for name in chunk.readings.columns} - {TIME}
    if strange := sorted(columns - set(sensors)):
        yield f"component '{component}' of the model has no {', '.join(repr(name) for name in strange)}"
    if n_bad := sum(chunk.n_bad_timestamps for chunk in chunks):
        yield f"{n_bad:,} rows have no time that can be read"
    invalid: Counter[str] = Counter()
    for chunk in chunks:
        invalid.update({name: n for name, n in chunk.invalid.items() if name in sensors})
    for name, n_invalid in sorted(invalid.items()):
        yield f"{n_invalid:,} cells of '{name}' are no numbers"
