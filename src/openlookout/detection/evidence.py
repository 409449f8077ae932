"""What speaks for an event: which sensors, since when, what was expected of them, and is it the sensor or the machine.

Three kinds. *instrument*: one sensor (or two exchanged ones) looks broken, and the others agree with each other without
it. *unseen_mode*: sensors are jointly where training never saw them, but their relations hold, or they have none and
moved to a new level together. *machine*: all else (`kinds.py`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from openlookout.api.instants import as_text
from openlookout.detection.contract import Booleans, Floats, Singles
from openlookout.detection.evidence_record import SENSORS_MAX, Evidence, Kind, SensorEvidence
from openlookout.detection.expectation import Expectation, in_units, raw_rows
from openlookout.detection.kinds import kind_of, sensor_event
from openlookout.detection.look import DEVIATES, SUSPECTS_MAX, Case, Look, Rows, find_suspects, look_at, squares_of
from openlookout.detection.scaling import Scaling
from openlookout.detection.signatures import flat_since

# Rows before an event that are looked at, and rows of the event by which it is judged: what a scheduler remembers.
LOOKBACK_ROWS, EVENT_ROWS = 128, 256
# Over so many rows a sensor deviates; onset goes back over gaps of so many rows, within the event and before it.
ONSET_SPAN, ONSET_GAP_INSIDE, ONSET_GAP_BEFORE = 4, 32, 8
POINTWISE_SIGMAS = 4.0


def gather(
    scaling: Scaling, expectation: Expectation, event: Rows, contribution: Floats, names: Sequence[str]
) -> Evidence:
    """Give the evidence of one event; `contribution` (n_sensors,) are its sensors' shares."""
    n = event.first + EVENT_ROWS
    judged = Rows(event.timestamps[:n], event.readings[:n], event.steady[:n], event.first, event.led)
    case = Case(scaling, expectation, judged, contribution, names, slice(0, 0))
    case = replace(case, core=slice(case.begin, None))
    first_look = look_at(case, ())
    case = case.narrowed(squares_of(first_look.sigmas[:, int(first_look.excess.argmax())]))
    suspects, look = find_suspects(case)
    kind, reason = kind_of(case, suspects, look)
    onsets = _onsets(case, suspects, look, kind)
    order = sorted((at, -look.excess[k], k) for k, at in onsets.items())
    whole = case.of(event)
    whole_look = look_at(whole, suspects)
    leading = np.argsort(-contribution, kind="stable")[:SENSORS_MAX]
    return {
        "kind": kind,
        "reason": reason,
        "onset_order": [names[k] for _, _, k in order],
        "sensors": [_sensor(whole, whole_look, int(k), onsets.get(int(k))) for k in leading if contribution[k] > 0],
    }


def pointwise_expected(
    scaling: Scaling, expectation: Expectation, readings: Floats, steady: Singles, alarm: Booleans
) -> tuple[Floats, Floats]:
    """Give what the other sensors let expect of each, in its units, and how many times wider its band is than usual.

    Both (n_rows, n_sensors). In rows that alarm without the few sensors that are off most: a broken one must not bend
    what is expected of others.
    """
    rows, level = raw_rows(readings, steady, scaling)
    unknown = np.isnan(rows)
    expected, wider = expectation.expected(rows, unknown)
    which = np.flatnonzero(alarm)
    for _ in range(min(SUSPECTS_MAX, rows.shape[1] // 2)):
        size = np.abs(rows[which] - expected[which]) / (expectation.spread * wider[which])
        size = np.where(unknown[which], 0.0, np.nan_to_num(size))
        worst = size.argmax(axis=1)
        is_off = size[np.arange(len(which)), worst] > POINTWISE_SIGMAS
        which, worst = which[is_off], worst[is_off]
        if not len(which):
            break
        unknown[which, worst] = True
        expected[which], wider[which] = expectation.expected(rows[which], unknown[which])
    return in_units(expected, level, scaling), wider


def _onsets(case: Case, suspects: list[int], look: Look, kind: Kind) -> dict[int, int]:
    """For each sensor that deviates for good: the first row of that, in microseconds."""
    found = {}
    squares = squares_of(look.sigmas)
    if kind == "unseen_mode":  # What the others let expect holds; what is new is where the sensors are.
        low, high = case.expectation.seen_low, case.expectation.seen_high
        squares = np.where((look.rows < low) | (look.rows > high), 2 * DEVIATES**2, 0.0)
    for k in range(squares.shape[1]):
        row = _onset_row(squares[:, k], case.begin)
        if kind == "instrument":
            since = flat_since(sensor_event(case, look, k)) if k in suspects or case.event.led[k] > 0.3 else None
            # What stands still at a value that it may have deviates from the first such row on.
            row = row if since is None else since + 1 if row is None else min(row, since + 1)
        if row is not None:
            found[k] = int(case.event.timestamps[row])
    return found


def _onset_row(squares: Floats, first: int) -> int | None:
    """Go back from where the sensor deviates most in the event, over short gaps, to where that began."""
    n = len(squares)
    total = np.cumsum(np.r_[0.0, squares])
    starts = np.maximum(np.arange(1, n + 1) - ONSET_SPAN, 0)
    size = (total[1:] - total[starts]) / (np.arange(1, n + 1) - starts)
    deviates = size > DEVIATES**2
    if not deviates[first:].any() or squares[first:].mean() <= DEVIATES**2:
        return None
    row = first + int(np.argmax(size[first:]))
    last = row
    while row > 0 and last - row < (ONSET_GAP_INSIDE if row > first else ONSET_GAP_BEFORE):
        row -= 1
        if deviates[row]:
            last = row
    # A mean over rows deviates with its first deviating row: that is the row itself.
    return last


def _sensor(case: Case, look: Look, k: int, onset_us: int | None) -> SensorEvidence:
    scaling, expectation, event = case.scaling, case.expectation, case.event
    record: SensorEvidence = {
        "sensor": case.names[k],
        "contribution": round(float(case.shares[k]), 5),
        "onset": None if onset_us is None else as_text(onset_us),
        "measured": None,
        "expected": None,
        "low": None,
        "high": None,
    }
    size = np.abs(look.sigmas[event.first :, k])
    if np.isnan(size).all():
        return record
    row = event.first + int(np.nanargmax(size))
    level = raw_rows(event.readings[[row]], event.steady[[row]], scaling)[1]
    expected = look.expected[[row]]
    told = {
        "expected": expected,
        "low": expected + expectation.low * look.wider[[row]],
        "high": expected + expectation.high * look.wider[[row]],
    }
    record["measured"] = _digits(event.readings[row, k])
    for part, values in told.items():
        record[part] = _digits(in_units(values, level, scaling)[0, k])  # type: ignore[literal-required]
    return record


def _digits(value: float) -> float:
    """Seven significant digits: more than a sensor has."""
    return float(f"{value:.7g}")
