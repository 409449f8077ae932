"""What a child does for a chart of readings. Works on objects; knows no rows."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.timeseries.columnar import read_readings
from openlookout.timeseries.reduce import broken, reduced
from openlookout.views.local_copies import local_copy

# A pause this many times as long as the usual step between readings is shown as a gap.
GAP_STEPS = 10
GAPS_MAX = 200
OFF_MAX = 300

Times = NDArray[np.int64]
Floats = NDArray[np.float64]


def of_dataset(  # noqa: PLR0917  # Called in a child, by position.
    settings: BucketSettings,
    scratch: str,
    manifest_key: str,
    sensors: Sequence[str],
    span: tuple[int | None, int | None],
    off: tuple[str, float] | None = None,
) -> dict[str, Any]:
    """Give `start` and `end` of what is shown and of each sensor x (ms), y (None breaks the line), gaps and n_readings,
    and where times came twice (`repeated`) and cells were no numbers (`invalid`).

    Sensors that the dataset does not have are left out. `off`: `<` or `>` and a value; of each sensor come then the
    stretches in which it holds, `off`, and the share of the readings, `off_share`.
    """
    buckets = open_buckets(settings)
    manifest = json.loads(local_copy(buckets, scratch, SERVICE, manifest_key).read_bytes())
    parts: list[Mapping[str, Any]] = manifest["parts"]
    first, last = min(part["first_us"] for part in parts), max(part["last_us"] for part in parts)
    start = first if span[0] is None else span[0]
    end = last if span[1] is None else span[1]
    shown: dict[str, Any] = {}
    known, marks = _sensors(manifest["schema"]), _marks(buckets, scratch, manifest_key)
    for component in dict.fromkeys(name.partition("\\")[0] for name in sensors):
        wanted = [name for name in sensors if name in known and name.startswith(component + "\\")]
        paths = [
            local_copy(buckets, scratch, SERVICE, part["path"])
            for part in parts
            if part["component"] == component and part["last_us"] >= start and part["first_us"] <= end
        ]
        readings = read_readings(component, paths, wanted, start - 1, end)
        for column, name in enumerate(readings.sensors):
            values = readings.values[:, column]
            shown[name] = _shown(readings.timestamps, values, start, end) | _marked(marks, name, start, end)
            if off is not None:
                shown[name] |= _off(readings.timestamps, values, off)
    return {"start": start // 1000, "end": end // 1000, "first": first // 1000, "last": last // 1000, "sensors": shown}


def _shown(times: Times, values: Floats, start: int, end: int) -> dict[str, Any]:
    there = ~np.isnan(values)
    times, values = times[there], values[there]
    gap_us = GAP_STEPS * int(np.median(np.diff(times))) if len(times) > 2 else end - start + 1
    gaps = np.flatnonzero(np.diff(times) > gap_us)
    longest = np.sort(gaps[np.argsort(-np.diff(times)[gaps], kind="stable")[:GAPS_MAX]])
    x, y = reduced(times, values, start, end)
    # Buckets stand apart too: only what is a gap among the readings is one among the points.
    x, y = broken(x, y, max(gap_us, 3 * (end - start) // 2000)) if len(gaps) else (x, y)
    return {
        "x": (x // 1000).tolist(),
        "y": [None if math.isnan(value) else value for value in y.tolist()],
        "gaps": [[int(times[i]) // 1000, int(times[i + 1]) // 1000] for i in longest],
        "n_gaps": len(gaps),
        "n_readings": len(times),
    }


def _marks(buckets: Buckets, scratch: str, manifest_key: str) -> dict[str, Any]:
    """Where an ingestion saw faults; one of an earlier release, or an import, did not write it down."""
    key = layout.marks(manifest_key.removesuffix("manifest.json"))
    if not buckets.exists(SERVICE, key):
        return {}
    marks: dict[str, Any] = json.loads(local_copy(buckets, scratch, SERVICE, key).read_bytes())
    return marks


def _marked(marks: Mapping[str, Any], name: str, start: int, end: int) -> dict[str, Any]:
    component, _, sensor = name.partition("\\")
    of = marks.get(component, {"repeated_us": [], "invalid_us": {}})
    places = {"repeated": of["repeated_us"], "invalid": of["invalid_us"].get(sensor, [])}
    return {kind: [at // 1000 for at in times if start <= at <= end] for kind, times in places.items()}


def _off(times: Times, values: Floats, off: tuple[str, float]) -> dict[str, Any]:
    """The stretches in which a condition holds; a reading says so until the next one comes."""
    there = ~np.isnan(values)
    times, values = times[there], values[there]
    holds = values < off[1] if off[0] == "<" else values > off[1]
    edges = np.flatnonzero(np.diff(np.r_[0, holds.astype(np.int8), 0]))
    starts, ends = edges[::2], np.minimum(edges[1::2], len(times) - 1)
    longest = np.sort(np.argsort(times[starts] - times[ends], kind="stable")[:OFF_MAX])
    return {
        "off": [[int(times[starts[i]]) // 1000, int(times[ends[i]]) // 1000] for i in longest],
        "off_share": float(holds.mean()) if len(holds) else 0.0,
    }


def _sensors(schema: str) -> set[str]:
    return {
        f"{component['ComponentName']}\\{column['Name']}"
        for component in json.loads(schema)["Components"]
        for column in component["Columns"][1:]
    }
