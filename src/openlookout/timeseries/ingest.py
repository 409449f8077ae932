"""Ingestion: CSV and Parquet files of many components into Parquet parts, with statistics of every sensor.

Knows readable streams and local folders. Knows no bucket, no dataset and no job: those call it in a process that may
be killed. Everything is streamed; memory is bounded by a run of readings, whatever the size of the input.
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from openlookout.timeseries.component_reader import ComponentReader, Marks, Tally
from openlookout.timeseries.csv import AHEAD
from openlookout.timeseries.observation import SensorObservation
from openlookout.timeseries.quality import SensorStatistics
from openlookout.timeseries.schema import COMPONENTS_MAX, SENSORS_MAX, Component
from openlookout.timeseries.sensor_file import Allowance
from openlookout.timeseries.sources import IngestionError, Meter, Progress, Source


@dataclass(frozen=True)
class Part:
    """A Parquet file of one component: TIME ascending and unique, a Float64 column for each sensor, null = none."""

    component: str
    path: Path
    first_us: int
    last_us: int
    n_rows: int


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
    meter = Meter(sum(source.size for source in sources), progress)
    discarded: dict[str, str] = {}
    read: list[ComponentReader] = []
    # The next run is read while one is written.
    with ThreadPoolExecutor(AHEAD, "readings") as workers, ThreadPoolExecutor(1, "runs") as writer:
        for number, (name, files) in enumerate(by_component.items()):
            if given is not None and name not in given:
                unknown = f"the schema has no component '{name}'"
                discarded |= {source.key: unknown for source in files}
                continue
            reader = ComponentReader(
                name, None if given is None else given[name], scratch, number, writer=writer, workers=workers
            )
            discarded |= reader.read(files, meter, allowance)
            read.append(reader)
    return _joined(sources, schema, read, discarded, out)


def _joined(
    sources: Sequence[Source],
    schema: tuple[Component, ...] | None,
    read: Sequence[ComponentReader],
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


def _statistics(component: Component, reader: ComponentReader | None) -> list[SensorStatistics]:
    """Join what the parser counted and what was observed; without a reader no file has the component."""
    tally = reader.tally if reader else Tally()
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


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
