"""What broken instruments look like: one sensor's readings in an event, held against what training knew of it.

Each signature is told in a few words that finish the sentence «the sensor …»; None where the sensor does not show it.
Knows one sensor at a time; whether the others agree without it is `kinds.py`'s business.
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
# Powers of ten; seconds and minutes; m/s and km/h; psi and kPa, bar and psi; °F and °C; lb and kg; mile and km;
# gallon and litre; hp and kW; inch and mm; foot and metre.
UNIT_FACTORS = (10.0, 100.0, 1e3, 1e6, 60.0, 3.6, 6.895, 14.504, 1.8, 2.2046, 1.6093, 3.7854, 1.341, 25.4, 3.2808)
UNIT_TOLERANCE = 0.01
JUMP_SHARE = 0.7


@dataclass(frozen=True)
class SensorEvent:
    """One sensor around an event: its `readings` (n_rows,) and what was `expected`, in its own units, and `sigmas`
    (n_rows,), how far off in usual deviations. `first`: the row with which what is judged begins;
    `core`: the rows in which something deviates. Of training: `center`,
    `scale` (of one robust sigma), `step` (usual move, in sigmas), `flat_rows`, `explained`, `seen` (lowest, highest).
    """

    readings: Floats
    expected: Floats
    sigmas: Floats
    first: int
    core: slice
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


def usual_move(moves: Floats) -> float | None:
    """The root mean square of moves but for the largest tenth, which may be jumps; None of fewer than ROWS_MIN - 1."""
    moves = np.sort(np.abs(moves[~np.isnan(moves)]))
    return float(np.sqrt(np.mean(moves[: len(moves) - len(moves) // 10] ** 2))) if len(moves) >= ROWS_MIN - 1 else None


def flat_since(sensor: SensorEvent) -> int | None:
    """The row with which a run of unchanged readings begins that the event holds and training did not know, neither so
    long nor anywhere near.
    """
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
    low, high = sensor.seen
    margin = high - low
    is_elsewhere = not low - margin <= readings[ends[longest]] <= high + margin
    enough = n_rows >= (FLAT_ROWS_MIN if is_elsewhere else max(FLAT_ROWS_MIN, FLAT_TIMES * sensor.flat_rows))
    return int(starts[longest]) if enough and inside[longest] >= min(n_event / 2, n_rows) else None


def _flat(sensor: SensorEvent) -> str | None:
    since = flat_since(sensor)
    if since is not None:
        value = float(sensor.readings[min(since + 1, len(sensor.readings) - 1)])
        low, high = sensor.seen
        where = "" if low <= value <= high else ", where it never was"
        return f"stands still at {value:.4g}{where}"
    inside = sensor.readings[sensor.core]
    moves = usual_move(np.diff(inside)) if len(inside) > ROWS_MIN else None
    often_still = len(inside) < FLAT_TIMES * sensor.flat_rows
    if moves is not None and not often_still and moves < STILL_SHARE * sensor.step * sensor.scale:
        return f"hardly moves at {np.nanmedian(inside):.4g}"
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
    readings, expected = sensor.readings[sensor.core], sensor.expected[sensor.core]
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
    converted = _converted(sensor)
    if converted is not None:
        return converted
    moves = (usual_move(np.diff(readings)) or 0.0) / (sensor.step * sensor.scale)
    level = float(np.median(readings)) / sensor.center if sensor.center else 0.0
    if level > 0 and moves > 0 and _is_factor(level) and _is_factor(moves) and _jumped(sensor):
        by_level, by_moves = np.log(level), np.log(moves)
        if abs(by_level - by_moves) <= 0.25 * abs(by_level) + 0.1:
            return f"reads as if multiplied by {level:.3g}"
    return None


def _converted(sensor: SensorEvent) -> str | None:
    """Where the sensor jumped from one reading to what that is in another unit."""
    before, after = sensor.readings[: sensor.core.start][-ROWS_MIN:], sensor.readings[sensor.core][:ROWS_MIN]
    before, after = before[~np.isnan(before)], after[~np.isnan(after)]
    if len(before) < ROWS_MIN or len(after) < ROWS_MIN:
        return None
    was, is_now = float(np.median(before)), float(np.median(after))
    if abs(is_now - was) < SPIKE_SIGMAS * sensor.scale or was == 0:
        return None
    factor = is_now / was
    for unit in UNIT_FACTORS:
        for each in (unit, 1 / unit):
            if abs(factor / each - 1) < UNIT_TOLERANCE:
                return f"reads as if multiplied by {each:.4g} from one row to the next, as in another unit"
    for converted in (1.8 * was + 32, (was - 32) / 1.8, was + 273.15, was - 273.15):
        if converted and abs(is_now / converted - 1) < UNIT_TOLERANCE:
            return f"reads {is_now:.4g} after {was:.4g}, as in another unit of temperature"
    return None


def _jumped(sensor: SensorEvent) -> bool:
    """Whether most of what it is off came within two rows and no later than the event, as a unit or an offset does."""
    before = sensor.sigmas[: sensor.first + ROWS_MIN]
    jumps = np.abs(before[2:] - before[:-2])
    usual = abs(float(np.nanmedian(sensor.sigmas[sensor.first :])))
    return len(jumps) > 0 and float(np.nanmax(jumps)) >= JUMP_SHARE * usual


def _is_factor(factor: float) -> bool:
    return factor >= FACTOR_MIN or factor <= 1 / FACTOR_MIN


def _noisy(sensor: SensorEvent) -> str | None:
    moves = usual_move(np.diff(sensor.readings[sensor.core]))
    sigmas = sensor.sigmas[sensor.core]
    sigmas = sigmas[~np.isnan(sigmas)]
    if moves is None or len(sigmas) < ROWS_MIN:
        return None
    times = moves / sensor.scale / sensor.step
    is_centred = abs(np.median(sigmas)) < 0.5 * np.sqrt(np.mean(sigmas**2))
    return f"is {times:.1f} times as noisy as usual" if times >= NOISE_TIMES and is_centred else None


def _shifted(sensor: SensorEvent) -> str | None:
    """One that the others tell well, and still do, but for an offset that came within two rows."""
    if sensor.explained < 0.8 or sensor.first < FLAT_ROWS_MIN:
        return None
    inside = sensor.sigmas[sensor.core]
    inside = inside[~np.isnan(inside)]
    if len(inside) < ROWS_MIN or abs(np.median(inside)) < 6 or np.std(inside) > 2:
        return None
    offset = float(np.nanmedian(sensor.readings[sensor.core] - sensor.expected[sensor.core]))
    if not _jumped(sensor):
        return None
    return f"follows what is expected of it with an offset of {offset:.4g}"
