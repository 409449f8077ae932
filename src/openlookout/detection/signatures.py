"""What broken instruments look like: one sensor's readings in an event, held against what training knew of it.

Each signature is told in a few words that finish the sentence «the sensor …»; None where the sensor does not show it.
Knows one sensor at a time; whether the others agree without it is `evidence.py`'s business.
"""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Floats

FLAT_ROWS_MIN, FLAT_TIMES = 8, 3.0
STILL_SHARE = 0.02  # Of the usual move from row to row: what a converter's last digit does.
SPIKE_SIGMAS, SPIKE_ROWS_MAX, SPIKE_SHARE_MAX = 8.0, 3, 0.05
QUIET_SIGMAS = 3.0
NOISE_TIMES = 2.0
FACTOR_MIN = 1.5
FOLLOWS_MIN = 0.9  # Correlation with what is expected.
EXPLAINED_MIN = 0.5
ROWS_MIN = 8


@dataclass(frozen=True)
class SensorEvent:
    """One sensor around an event: its `readings` (n_rows,) and what was `expected`, in its own units, and `sigmas`
    (n_rows,), how far off in usual deviations. `first`: the row with which the event begins. Of training: `center`,
    `scale` (of one robust sigma), `step` (usual move, in sigmas), `flat_rows`, `explained`, `seen` (lowest, highest).
    """

    readings: Floats
    expected: Floats
    sigmas: Floats
    first: int
    center: float
    scale: float
    step: float
    flat_rows: float
    explained: float
    seen: tuple[float, float]


def signature(sensor: SensorEvent) -> str | None:
    """The first signature that fits, the surest first."""
    for look in (_flat, _spike, _rescaled, _noisy, _shifted):
        told = look(sensor)
        if told is not None:
            return told
    return None


def flat_since(sensor: SensorEvent) -> int | None:
    """The row with which a run of unchanged readings begins that training did not know and the event holds."""
    readings = sensor.readings
    if len(readings) < FLAT_ROWS_MIN:
        return None
    size = max(abs(sensor.center), sensor.scale)
    same = np.abs(np.diff(readings)) <= 1e-9 * size
    borders = np.flatnonzero(~same)
    starts, ends = np.r_[0, borders + 1], np.r_[borders, len(readings) - 1]
    inside = np.minimum(ends, len(readings) - 1) - np.maximum(starts, sensor.first) + 1
    longest = int(np.argmax(inside))
    n_rows = int(ends[longest] - starts[longest] + 1)
    n_event = len(readings) - sensor.first
    enough = n_rows >= max(FLAT_ROWS_MIN, FLAT_TIMES * sensor.flat_rows)
    return int(starts[longest]) if enough and inside[longest] >= min(n_event / 2, n_rows) else None


def _flat(sensor: SensorEvent) -> str | None:
    since = flat_since(sensor)
    if since is not None:
        value = float(sensor.readings[min(since + 1, len(sensor.readings) - 1)])
        low, high = sensor.seen
        where = "" if low <= value <= high else ", where it never was"
        return f"stands still at {value:.4g}{where}"
    moves = np.diff(sensor.readings[sensor.first :])
    if len(moves) >= ROWS_MIN and np.sqrt(np.nanmean(moves**2)) < STILL_SHARE * sensor.step * sensor.scale:
        return f"hardly moves at {np.nanmedian(sensor.readings[sensor.first :]):.4g}"
    return None


def _spike(sensor: SensorEvent) -> str | None:
    # An alarm outlasts a spike, and may begin a row later: smoothing.
    sigmas = np.abs(sensor.sigmas[max(sensor.first - SPIKE_ROWS_MAX, 0) :])
    sigmas = sigmas[~np.isnan(sigmas)]
    high = sigmas > SPIKE_SIGMAS
    n_high = int(high.sum())
    if not 1 <= n_high <= max(SPIKE_ROWS_MAX, SPIKE_SHARE_MAX * len(sigmas)) or n_high > len(sigmas) / 2:
        return None
    if np.sqrt(np.mean(sigmas[~high] ** 2)) > QUIET_SIGMAS:
        return None
    return f"jumps away for {n_high} {'row' if n_high == 1 else 'rows'} and is back"


def _rescaled(sensor: SensorEvent) -> str | None:
    readings, expected = sensor.readings[sensor.first :], sensor.expected[sensor.first :]
    has = ~np.isnan(readings)
    readings, expected = readings[has], expected[has]
    if len(readings) < ROWS_MIN:
        return None
    spread = float(np.std(readings))
    if sensor.explained >= EXPLAINED_MIN and spread > 0 and np.std(expected) > sensor.step * sensor.scale / 2:
        follows = float(np.corrcoef(readings, expected)[0, 1])
        factor = float(np.sign(follows) * spread / np.std(expected))
        if abs(follows) >= FOLLOWS_MIN and (factor < 0 or _is_factor(factor)):
            return f"follows what is expected of it, times {factor:.3g}"
    usual = sensor.step * sensor.scale
    moves = np.sqrt(np.mean(np.diff(readings) ** 2)) / usual
    level = float(np.median(readings)) / sensor.center if sensor.center else 0.0
    if level > 0 and moves > 0 and _is_factor(level) and _is_factor(moves):
        by_level, by_moves = np.log(level), np.log(moves)
        if abs(by_level - by_moves) <= 0.25 * abs(by_level) + 0.1:
            return f"reads as if multiplied by {level:.3g}"
    return None


def _is_factor(factor: float) -> bool:
    return factor >= FACTOR_MIN or factor <= 1 / FACTOR_MIN


def _noisy(sensor: SensorEvent) -> str | None:
    moves = np.diff(sensor.readings[sensor.first :])
    moves = moves[~np.isnan(moves)]
    sigmas = sensor.sigmas[sensor.first :]
    sigmas = sigmas[~np.isnan(sigmas)]
    if len(moves) < ROWS_MIN:
        return None
    times = np.sqrt(np.mean(np.clip(moves / sensor.scale, -1e6, 1e6) ** 2)) / sensor.step
    is_centred = abs(np.median(sigmas)) < 0.5 * np.sqrt(np.mean(sigmas**2))
    return f"is {times:.1f} times as noisy as usual" if times >= NOISE_TIMES and is_centred else None


def _shifted(sensor: SensorEvent) -> str | None:
    """One that the others tell well, and still do, but for an offset that came within two rows."""
    if sensor.explained < 0.8 or sensor.first < FLAT_ROWS_MIN:
        return None
    inside = sensor.sigmas[sensor.first :]
    inside = inside[~np.isnan(inside)]
    if len(inside) < ROWS_MIN or abs(np.median(inside)) < 6 or np.std(inside) > 2:
        return None
    jumps = np.abs(sensor.sigmas[2:] - sensor.sigmas[:-2])
    offset = float(np.nanmedian(sensor.readings[sensor.first :] - sensor.expected[sensor.first :]))
    if np.nanmax(jumps) < 0.7 * abs(np.median(inside)):
        return None
    return f"follows what is expected of it with an offset of {offset:.4g}"
