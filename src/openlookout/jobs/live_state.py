"""What a scheduler remembers between two executions: the detector's state and the readings that rows look back on.

One object, so that a run reads one and writes one, however long the memory. Plain arrays in a zip; no pickle.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from openlookout.detection.contract import State
from openlookout.detection.recent import Recent, recent_of
from openlookout.timeseries.columnar import Readings


@dataclass(frozen=True)
class LiveState:
    """`last_us`: timestamp of the last row scored or found off, None before the first. `tail`: by component, readings
    that rows after it still look back on. `off_value`: the last reading of the off-condition's sensor before the tail.
    `detector`: its state, None before the first row. `recent`: scored rows that the next event is explained with.
    """

    last_us: int | None = None
    tail: Mapping[str, Readings] = field(default_factory=dict)
    off_value: float | None = None
    detector: State | None = None
    recent: Recent | None = None


def dump(state: LiveState) -> bytes:
    """Give the object's bytes."""
    arrays: dict[str, np.ndarray] = {}
    for name, value in (state.detector or {}).items():
        arrays[f"detector.{name}"] = np.asarray(value)
    for name, values in ({} if state.recent is None else state.recent.arrays()).items():
        arrays[f"recent.{name}"] = values
    components = []
    for i, (component, readings) in enumerate(state.tail.items()):
        components.append({"name": component, "sensors": list(readings.sensors)})
        arrays[f"times.{i}"] = readings.timestamps
        arrays[f"values.{i}"] = readings.values
    said = {
        "last_us": state.last_us,
        "off_value": None if state.off_value is None else state.off_value.hex(),
        "components": components,
        "has_detector": state.detector is not None,
        "has_recent": state.recent is not None,
    }
    out = io.BytesIO()
    np.savez(out, said=np.frombuffer(json.dumps(said).encode(), np.uint8), allow_pickle=False, **arrays)
    return out.getvalue()


def restore(content: bytes) -> LiveState:
    """Give the state of an object's bytes."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        said = json.loads(file["said"].tobytes())
        tail = {
            component["name"]: Readings(tuple(component["sensors"]), file[f"times.{i}"], file[f"values.{i}"])
            for i, component in enumerate(said["components"])
        }
        recent = {name.removeprefix("recent."): file[name] for name in file.files if name.startswith("recent.")}
        detector = {name.removeprefix("detector."): file[name] for name in file.files if name.startswith("detector.")}
    off_value = said["off_value"]
    return LiveState(
        said["last_us"],
        tail,
        None if off_value is None else float.fromhex(off_value),
        detector if said["has_detector"] else None,
        recent_of(recent) if said.get("has_recent") else None,  # Earlier states have none.
    )


def remembered(readings: Readings, after_us: int) -> Readings:
    """The rows later than a time that hold a reading: no row looks back on the others, and they would add up."""
    kept = (readings.timestamps > after_us) & ~np.isnan(readings.values).all(axis=1)
    return Readings(readings.sensors, readings.timestamps[kept], readings.values[kept])
