"""What a child needs to know of a dataset and of a model version, read from their objects."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets
from openlookout.buckets.errors import BucketError
from openlookout.detection.choosing import LeftOut
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.model_file import ModelFileError, load
from openlookout.timeseries.columnar import Readings, iter_readings
from openlookout.timeseries.grid import Grid
from openlookout.timeseries.off_condition import OffCondition, parse_off_condition
from openlookout.timeseries.sampling import Sampling
from openlookout.timeseries.schema import Component, parse_schema


@dataclass(frozen=True)
class VersionFiles:
    """A trained version: what it scores with, how readings become its rows, and how it fared on failures left out."""

    detector: Ensemble
    schema: tuple[Component, ...]
    sampling: Sampling
    off: OffCondition | None
    left_out: LeftOut | None

    @property
    def sensors(self) -> tuple[str, ...]:
        return tuple(name for component in self.schema for name in component.full_names)


def write_summary(
    buckets: Buckets, prefix: str, schema: str, sampling: Sampling, off: str | None, *, left_out: LeftOut | None
) -> None:
    """Write what `read_version` needs beside the detector."""
    judged = None if left_out is None else asdict(left_out)
    summary = {"schema": schema, "sampling": asdict(sampling), "off_condition": off, "left_out": judged}
    buckets.write(SERVICE, layout.training_summary(prefix), json.dumps(summary).encode())


class UnusableVersionError(BucketError):
    """A version's detector was kept by another release, or is damaged."""


def read_version(buckets: Buckets, prefix: str) -> VersionFiles:
    """Give a version from its objects.

    Raises:
        BucketError: one is not there, or cannot be used by this release.
    """
    summary = buckets.read(SERVICE, layout.training_summary(prefix))
    try:
        return parse_version(summary, buckets.read(SERVICE, layout.detector(prefix)))
    except ModelFileError as error:
        raise UnusableVersionError(f"of the version's detector {error}; train the model anew") from None


def parse_version(summary_json: bytes, detector: bytes) -> VersionFiles:
    """Give a version from the contents of its two objects."""
    summary = json.loads(summary_json)
    schema = parse_schema(summary["schema"])
    sampling = Sampling(**{**summary["sampling"], "fill_rows": tuple(summary["sampling"]["fill_rows"])})
    off = summary["off_condition"] and parse_off_condition(summary["off_condition"], schema)
    judged = summary.get("left_out")
    return VersionFiles(load(detector), schema, sampling, off or None, None if judged is None else LeftOut(**judged))


class DatasetReadings:
    """The readings of an ingested dataset, fetched part by part into a folder on first use."""

    def __init__(self, buckets: Buckets, manifest_key: str, folder: Path) -> None:
        self._buckets = buckets
        self._parts: list[dict[str, Any]] = json.loads(buckets.read(SERVICE, manifest_key))["parts"]
        self._folder = folder

    def iterate(self, sensors: Sequence[str], start_us: int | None, end_us: int | None) -> Iterator[Readings]:
        """Give the readings of these sensors (full names) in (start_us, end_us], component by component."""
        for component in dict.fromkeys(name.partition("\\")[0] for name in sensors):
            paths = [
                self._fetched(number, part["path"])
                for number, part in enumerate(self._parts)
                if part["component"] == component
                and (start_us is None or part["last_us"] > start_us)
                and (end_us is None or part["first_us"] <= end_us)
            ]
            yield from iter_readings(component, paths, sensors, start_us, end_us)

    @property
    def range_us(self) -> tuple[int, int]:
        """The times of the first and the last reading of all."""
        return min(part["first_us"] for part in self._parts), max(part["last_us"] for part in self._parts)

    def _fetched(self, number: int, key: str) -> Path:
        path = self._folder / f"{number}.parquet"
        if not path.exists():
            with self._buckets.open(SERVICE, key) as source, path.open("wb") as file:
                shutil.copyfileobj(source, file)
        return path


def running_segments(grid: Grid) -> np.ndarray:
    """(n_rows,) int64: one higher where a row does not follow a running row without a break.

    What a machine did before it was off says nothing of how it starts.
    """
    breaks = np.zeros(len(grid.timestamps), np.int64)
    breaks[1:] = (grid.segment[1:] != grid.segment[:-1]) | grid.off[:-1]
    return np.cumsum(breaks)
