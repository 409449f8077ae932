"""Which faults a detector would find: planted, one at a time, into normal rows that it does not know.

Without labels this is what can be said of a model's quality. A detector fitted in the same way on rows of the first
four fifths is judged, at its own limit, on the last fifth; where there are too few rows for that, the detector itself
on the rows that it was fitted on, and the report says so. Bounded: `ROWS_MAX` rows are scored, so of wide data a sample
of the sensors is examined. The same seed gives the same report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, TrainingError
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.training import FIT_CELLS_MAX, FIT_ROWS_MAX, TRAINING_ROWS_MIN, fit

ROWS_MAX = 60_000
STRETCHES = 2
FAULT_ROWS, BEFORE_ROWS, ROWS_MIN = 64, 64, 24
# Of the rows that a fit takes at most, so many are taken here: half of the time.
FIT_SHARE = 0.5
HELD_OUT_SHARE = 0.2
QUIET_SHARE_MAX = 0.02

Fault = Literal["drift", "step", "stuck", "noise", "lost_correlation"]
# In robust sigmas of the sensor; a drift reaches its size at the end, a sensor is stuck so far from where it was.
SIGMAS = (1.0, 2.0, 4.0, 8.0, 16.0)
STUCK_SIGMAS = (0.0, 1.0, 2.0, 4.0, 8.0)
# The share of a sensor's movement that is that of another time.
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
SIZES: dict[Fault, tuple[float, ...]] = {
    "drift": SIGMAS,
    "step": SIGMAS,
    "stuck": STUCK_SIGMAS,
    "noise": SIGMAS,
    "lost_correlation": SHARES,
}


class Smallest(TypedDict):
    """The smallest of the five sizes that is found in most stretches; None where the largest is not.

    `size` in robust sigmas (of lost correlation a share), `in_units` in the sensor's own units (of that: None);
    `delay_seconds` from the first faulty row to the first alarm, of the middle stretch.
    """

    size: float | None
    in_units: float | None
    delay_seconds: float | None


class SensorDetectability(TypedDict):
    """`sigma`: one robust sigma in the sensor's units. `faults`: by kind of fault."""

    sensor: str
    sigma: float
    faults: dict[str, Smallest]


class Detectability(TypedDict):
    """The report. `rows`: "held_out", or "training" where the detector knew them; `reason`: why nothing is said, or
    None. `not_examined`: sensors without faults planted: constant ones, ones without readings, and those beyond the
    bound.
    """

    rows: Literal["held_out", "training"]
    reason: str | None
    n_stretches: int
    fault_rows: int
    sizes: dict[str, list[float]]
    sensors: list[SensorDetectability]
    not_examined: list[str]


@dataclass(frozen=True)
class _Stretch:
    """Normal rows before a fault and during it; `elsewhen` are as many of another time."""

    readings: Floats
    first: int
    elsewhen: Floats


@dataclass(frozen=True)
class _Trial:
    sensor: int
    fault: Fault
    size: float
    stretch: int


def examine(
    detector: Ensemble,
    readings: Floats,
    normal: Booleans,
    segment: Integers,
    *,
    names: Sequence[str],
    rate_us: int,
    seed: int,
) -> Detectability:
    """Give the report of a detector that was fitted on the `normal` ones of the rows (n_rows, n_sensors)."""
    judged, rows, where = _judged(detector, readings, normal, segment)
    rng = np.random.default_rng(seed)
    use = normal & ~np.isnan(readings).all(axis=1)
    stretches = _stretches(judged, readings[rows], use[rows], segment[rows], rng)
    report: Detectability = {
        "rows": where,
        "reason": None,
        "n_stretches": len(stretches),
        "fault_rows": len(stretches[0].readings) - stretches[0].first if stretches else 0,
        "sizes": {fault: list(sizes) for fault, sizes in SIZES.items()},
        "sensors": [],
        "not_examined": list(names),
    }
    if not stretches:
        return report | {"reason": "no stretch of normal rows is long enough, or the model alarms in all of them"}
    sensors = _sampled(judged, stretches, rng)
    found = _smallest(judged, stretches, sensors, seed)
    for sensor in sensors:
        sigma = float(judged.scaling.scale[sensor])
        faults: dict[str, Smallest] = {fault: _told(found[sensor, fault], fault, sigma, rate_us) for fault in SIZES}
        report["sensors"].append({"sensor": names[sensor], "sigma": float(f"{sigma:.6g}"), "faults": faults})
    examined = set(sensors)
    report["not_examined"] = [name for k, name in enumerate(names) if k not in examined]
    return report


def _judged(
    detector: Ensemble, readings: Floats, normal: Booleans, segment: Integers
) -> tuple[Ensemble, slice, Literal["held_out", "training"]]:
    """The detector that is examined, on which rows, and whether it knows them."""
    n = len(readings)
    cut = int(n * (1 - HELD_OUT_SHARE))
    first = max(cut - int(FIT_SHARE * min(FIT_ROWS_MAX, FIT_CELLS_MAX // readings.shape[1])), 0)
    known = slice(first, cut)
    if normal[known].sum() >= 2 * TRAINING_ROWS_MIN:
        try:
            return fit(readings[known], normal[known], segment[known]), slice(cut, n), "held_out"
        except TrainingError:
            pass
    return detector, slice(max(n - FIT_ROWS_MAX, 0), n), "training"


def _stretches(
    detector: Ensemble, readings: Floats, use: Booleans, segment: Integers, rng: np.random.Generator
) -> list[_Stretch]:
    """Up to STRETCHES stretches of normal rows of one segment, in which the detector is quiet."""
    alarm = detector.score(readings, segment)[0].alarm
    runs = np.split(np.arange(len(readings)), np.flatnonzero(np.diff(segment) != 0) + 1)
    longest = max((len(run) for run in runs), default=0)
    n_rows = min(BEFORE_ROWS + FAULT_ROWS, longest)
    first = n_rows // 2
    if n_rows - first < ROWS_MIN:
        return []
    starts = [run[0] + k for run in runs for k in range(0, len(run) - n_rows + 1, max(first // 2, 1))]
    quiet = [
        int(start)
        for start in starts
        if alarm[start : start + n_rows].mean() <= QUIET_SHARE_MAX and use[start : start + n_rows].mean() > 0.9
    ]
    picked = [quiet[k] for k in sorted(rng.permutation(len(quiet))[:STRETCHES])]
    others = [quiet[k] for k in rng.permutation(len(quiet))]
    return [
        _Stretch(
            readings[start : start + n_rows],
            first,
            readings[other + first : other + n_rows] if other != start else readings[start : start + n_rows - first],
        )
        for start, other in zip(picked, others, strict=False)
    ]


def _sampled(detector: Ensemble, stretches: list[_Stretch], rng: np.random.Generator) -> list[int]:
    """Sensors that move and have readings, as many as the bound allows."""
    has = np.all([~np.isnan(each.readings).any(axis=0) for each in stretches], axis=0)
    moving = np.flatnonzero(has & ~detector.scaling.is_constant)
    # Three rounds find one of five sizes.
    rows_a_sensor = len(SIZES) * 3 * sum(len(each.readings) for each in stretches)
    return sorted(int(k) for k in rng.permutation(moving)[: max(ROWS_MAX // rows_a_sensor, 1)])


def _smallest(
    detector: Ensemble, stretches: list[_Stretch], sensors: list[int], seed: int
) -> dict[tuple[int, Fault], tuple[float, int] | None]:
    """By bisection over the sizes, taken to be found from some size on: that size, and the rows until the alarm."""
    below = {(sensor, fault): -1 for sensor in sensors for fault in SIZES}
    found: dict[tuple[int, Fault], tuple[int, int]] = {}
    while True:
        asked = {}
        for key, low in below.items():
            high = found[key][0] if key in found else len(SIZES[key[1]])
            if high - low > 1:
                asked[key] = (low + high) // 2
        if not asked:
            break
        trials = [
            _Trial(sensor, fault, SIZES[fault][number], k)
            for (sensor, fault), number in asked.items()
            for k in range(len(stretches))
        ]
        delays = np.array(_delays(detector, stretches, trials, seed)).reshape(len(asked), len(stretches))
        for (key, number), rows in zip(asked.items(), delays, strict=True):
            alarmed = rows[rows >= 0]
            if 2 * len(alarmed) > len(rows):
                found[key] = number, int(np.sort(alarmed)[len(alarmed) // 2])
            else:
                below[key] = number
    return {key: (SIZES[key[1]][found[key][0]], found[key][1]) if key in found else None for key in below}


def _delays(detector: Ensemble, stretches: list[_Stretch], trials: list[_Trial], seed: int) -> list[int]:
    """Rows from the begin of each fault to the first alarm, -1 where there is none; each trial is a segment."""
    planted = [_planted(stretches[trial.stretch], trial, detector.scaling.scale, seed) for trial in trials]
    n_rows = len(stretches[0].readings)
    segment = np.repeat(np.arange(len(trials)), n_rows)
    alarm = detector.score(np.vstack(planted), segment)[0].alarm.reshape(len(trials), n_rows)
    first = [np.flatnonzero(row[stretches[0].first :]) for row in alarm]
    return [int(rows[0]) if len(rows) else -1 for rows in first]


def _planted(stretch: _Stretch, trial: _Trial, scale: Floats, seed: int) -> Floats:
    """The rows of a stretch with a fault of one sensor."""
    out = stretch.readings.copy()
    fault = slice(stretch.first, len(out))
    now, size = out[fault, trial.sensor], trial.size * scale[trial.sensor]
    if trial.fault == "drift":
        now = now + np.linspace(0, size, len(now))
    elif trial.fault == "step":
        now = now + size
    elif trial.fault == "stuck":
        now = np.full(len(now), now[0] + size)
    elif trial.fault == "noise":
        now = now + np.random.default_rng([seed, trial.sensor, trial.stretch]).normal(0, size, len(now))
    else:
        other = np.nan_to_num(stretch.elsewhen[:, trial.sensor], nan=now[0])
        now = (1 - trial.size) * now + trial.size * other
    out[fault, trial.sensor] = now
    return out


def _told(found: tuple[float, int] | None, fault: Fault, sigma: float, rate_us: int) -> Smallest:
    if found is None:
        return {"size": None, "in_units": None, "delay_seconds": None}
    size, rows = found
    in_units = None if fault == "lost_correlation" else float(f"{size * sigma:.6g}")
    return {"size": size, "in_units": in_units, "delay_seconds": rows * rate_us / 1e6}
