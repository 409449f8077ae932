"""What speaks for an event: which sensors, since when, what was expected of them, and is it the sensor or the machine.

Three kinds. *instrument*: one sensor (or two exchanged ones) looks broken, and the others agree with each other without
it. *unseen_mode*: sensors are jointly where training never saw them, but their relations hold, or they have none and
moved to a new level together. *machine*: all else. The rules are ours; how often they are right was measured
(docs/detection.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, Steady
from openlookout.detection.evidence_record import SENSORS_MAX, Evidence, Kind, SensorEvidence
from openlookout.detection.expectation import FAR, Expectation, in_units, raw_rows
from openlookout.detection.scaling import Scaling, soft_clipped
from openlookout.detection.signatures import SensorEvent, flat_since, signature

# Rows before an event that are looked at, and rows of the event by which it is judged: what a scheduler remembers.
LOOKBACK_ROWS, EVENT_ROWS = 128, 256
SUSPECTS_MAX, PAIRS_MAX = 3, 12
# Root mean square of a sensor's deviations, in usual ones, from which on it deviates; beyond the second figure a
# deviation counts by its logarithm.
DEVIATES, SIGMAS_SOFT = 2.5, 50.0
# Suspects explain an event if what is left without them is at most this share of what they show.
LEFT_SHARE = 0.1
# Over so many rows a sensor deviates; onset goes back over gaps of so many rows, within the event and before it.
ONSET_SPAN, ONSET_GAP_INSIDE, ONSET_GAP_BEFORE = 4, 32, 8
JUDGED_ROWS_MIN, CORE_ROWS_MIN = 24, 8
HOLDS_SHARE, TOGETHER_SHARE = 0.85, 0.75
BEYOND_SHARE_MIN = 0.1  # Of the sensors: another way of working is not seen by a few.
POINTWISE_SIGMAS = 4.0
TOGETHER_ROWS = 3


@dataclass(frozen=True)
class Rows:
    """The rows of an event and those before it, of one segment; `first` is the event's first row.

    `timestamps` (n_rows,) in microseconds; `readings` and `steady` (n_rows, n_sensors), as `Scores.steady`. `led`
    (n_sensors,): the mean share of each sensor in the rows by which the event is judged.
    """

    timestamps: Integers
    readings: Floats
    steady: Steady
    first: int
    led: Floats


@dataclass(frozen=True)
class _Case:
    """An event and what is known: `event` as far as it is judged, `shares` (n_sensors,), `names` of the sensors.

    `core`: of the rows that are judged those in which something deviates; alarms begin late and end late.
    """

    scaling: Scaling
    expectation: Expectation
    event: Rows
    shares: Floats
    names: Sequence[str]
    core: slice

    @property
    def begin(self) -> int:
        """The first of the rows that are judged: of a short event also rows before it."""
        return max(min(self.event.first, len(self.event.timestamps) - JUDGED_ROWS_MIN), 0)

    @cached_property
    def raw(self) -> tuple[Floats, Floats]:
        """The rows unclipped, and the slow level that was taken off."""
        return raw_rows(self.event.readings, self.event.steady, self.scaling)

    def of(self, event: Rows) -> "_Case":
        return replace(self, event=event)

    def narrowed(self, sensor_squares: Floats) -> "_Case":
        """With the core from the first to the last row in which the sensor that deviates most does."""
        far = self.begin + np.flatnonzero(sensor_squares[self.begin :] > DEVIATES**2)
        if not len(far):
            return self
        return replace(self, core=slice(int(far[0]), max(int(far[-1]) + 1, int(far[0]) + CORE_ROWS_MIN)))


@dataclass(frozen=True)
class _Look:
    """Rows as the rules see them, with some sensors masked: unclipped deviations, what is expected of them and how
    many times wider the band is than usual, how far they are off in usual deviations, and (n_sensors,) how much each
    deviates in the event.
    """

    rows: Floats
    expected: Floats
    wider: Floats
    sigmas: Floats
    excess: Floats


def gather(
    scaling: Scaling, expectation: Expectation, event: Rows, contribution: Floats, names: Sequence[str]
) -> Evidence:
    """Give the evidence of one event; `contribution` (n_sensors,) are its sensors' shares."""
    n = event.first + EVENT_ROWS
    judged = Rows(event.timestamps[:n], event.readings[:n], event.steady[:n], event.first, event.led)
    case = _Case(scaling, expectation, judged, contribution, names, slice(0, 0))
    case = replace(case, core=slice(case.begin, None))
    first_look = _look(case, ())
    case = case.narrowed(_squares(first_look.sigmas[:, int(first_look.excess.argmax())]))
    suspects, look = _suspects(case)
    kind, reason = _kind(case, suspects, look)
    onsets = _onsets(case, suspects, look, kind)
    order = sorted((at, -look.excess[k], k) for k, at in onsets.items())
    whole = case.of(event)
    whole_look = _look(whole, suspects)
    leading = np.argsort(-contribution, kind="stable")[:SENSORS_MAX]
    return {
        "kind": kind,
        "reason": reason,
        "onset_order": [names[k] for _, _, k in order],
        "sensors": [_sensor(whole, whole_look, int(k), onsets.get(int(k))) for k in leading if contribution[k] > 0],
    }


def pointwise_expected(
    scaling: Scaling, expectation: Expectation, readings: Floats, steady: Steady, alarm: Booleans
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


def _look(case: _Case, masked: Sequence[int]) -> _Look:
    rows = case.raw[0]
    expected, wider, sigmas = _against_expected(case, rows, masked)
    return _Look(rows, expected, wider, sigmas, _excess(sigmas[case.core]))


def _excess_without(case: _Case, masked: Sequence[int]) -> Floats:
    """Give `_look(case, masked).excess` alone, for which only the core matters."""
    return _excess(_against_expected(case, case.raw[0][case.core], masked)[2])


def _against_expected(case: _Case, rows: Floats, masked: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    unknown = np.isnan(rows)
    unknown[:, list(masked)] = True
    expected, wider = case.expectation.expected(rows, unknown)
    return expected, wider, np.clip((rows - expected) / (case.expectation.spread * wider), -FAR, FAR)


def _excess(sigmas: Floats) -> Floats:
    excess: Floats = np.maximum(_squares(sigmas).mean(axis=0) - DEVIATES**2, 0.0)
    return excess


def _squares(sigmas: Floats) -> Floats:
    size = np.abs(np.nan_to_num(sigmas))
    soft: Floats = np.where(size > SIGMAS_SOFT, SIGMAS_SOFT + np.log1p(np.maximum(size - SIGMAS_SOFT, 0)), size)
    return soft**2


def _suspects(case: _Case) -> tuple[list[int], _Look]:
    """The few sensors without which the others agree, and how it looks without them; none where there are none."""
    open_look = _look(case, ())
    if not open_look.excess.any():
        return [], open_look
    masked: list[int] = []
    excess = open_look.excess
    for _ in range(max(min(SUSPECTS_MAX, len(case.names) - 1), 1)):
        tried = [int(k) for k in np.argsort(-_without(excess, masked), kind="stable")[:SUSPECTS_MAX]]
        tries = {k: _excess_without(case, [*masked, k]) for k in tried if k not in masked}
        best = min(tries, key=lambda k: _without(tries[k], [*masked, k]).sum())
        masked, excess = [*masked, best], tries[best]
        if _without(excess, masked).sum() <= LEFT_SHARE * excess[masked].sum():
            return masked, _look(case, masked)
    return [], open_look


def _without(excess: Floats, masked: Sequence[int]) -> Floats:
    out = excess.copy()
    out[list(masked)] = 0.0
    return out


def _kind(case: _Case, suspects: list[int], look: _Look) -> tuple[Kind, str]:
    names, led = case.names, case.event.led
    deviating = np.flatnonzero(look.excess > 0)
    pair = _exchanged(case, look)
    if pair is not None:
        first, second = (names[k] for k in pair)
        return "instrument", f"{first} and {second} read as if they were exchanged; the other sensors agree with that."
    # Where nothing deviates, what led the alarm may stand still or be noisy within its range.
    asked = suspects if len(deviating) else [int(led.argmax())]
    told = [signature(_sensor_event(case, look, k)) for k in asked]
    if told and all(told):
        said = " and ".join(f"{names[k]} {each}" for k, each in zip(asked, told, strict=True))
        alone = "; the other sensors agree with each other without it" if len(names) > 1 else ""
        return "instrument", f"{said}{alone}."
    unseen = _unseen_mode(case, look)
    if unseen is not None:
        return "unseen_mode", unseen
    if suspects:
        said = _listed([names[k] for k in suspects])
        verb = "departs" if len(suspects) == 1 else "depart"
        return "machine", f"{said} {verb} from what the other sensors let expect."
    if len(deviating):
        most = [names[k] for k in np.argsort(-look.excess, kind="stable")[:SUSPECTS_MAX] if look.excess[k] > 0]
        return (
            "machine",
            f"The relations between {len(deviating)} sensors do not hold any more, above all of {_listed(most)}.",
        )
    return "machine", f"How {names[int(led.argmax())]} moves from row to row is not as in training."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sensor_event(case: _Case, look: _Look, k: int) -> SensorEvent:
    scaling, expectation, event = case.scaling, case.expectation, case.event
    _, level = case.raw
    expected = in_units(look.expected, level, scaling)[:, k]
    edges = np.array([expectation.seen_low[k], expectation.seen_high[k]])
    low, high = scaling.center[k] + scaling.scale[k] * (edges + np.median(level[:, k]))
    return SensorEvent(
        readings=event.readings[:, k],
        expected=expected,
        sigmas=look.sigmas[:, k],
        first=case.begin,
        core=case.core,
        center=float(scaling.center[k]),
        scale=float(scaling.scale[k]),
        step=float(expectation.step[k]),
        flat_rows=float(expectation.flat_rows[k]),
        explained=float(expectation.explained[k]),
        seen=(float(low), float(high)),
    )


def _exchanged(case: _Case, look: _Look) -> tuple[int, int] | None:
    """The two sensors after whose exchange nothing deviates."""
    before = _excess_without(case, ()).sum()
    if not before:
        return None
    scaling, event = case.scaling, case.event
    _, level = case.raw
    for first, second in _exchangeable(case, look, level):
        order = np.arange(event.readings.shape[1])
        order[[first, second]] = second, first
        readings = event.readings[:, order]
        steady = soft_clipped((readings - scaling.center) / scaling.scale) - level
        steady = np.where(scaling.is_constant, event.steady, steady)
        rows = Rows(event.timestamps, readings, steady.astype(np.float32), event.first, event.led)
        if _excess_without(case.of(rows), ()).sum() <= LEFT_SHARE * before:
            return first, second
    return None


def _exchangeable(case: _Case, look: _Look, level: Floats) -> list[tuple[int, int]]:
    """Pairs, at most PAIRS_MAX, of one that deviates and one whose readings it may have, and the other way round."""
    scaling, expectation = case.scaling, case.expectation
    readings, level = case.event.readings[case.core], np.median(level[case.core], axis=0)
    margin = expectation.seen_high - expectation.seen_low
    low, high = (
        scaling.center + scaling.scale * (edge + level)
        for edge in (expectation.seen_low - margin, expectation.seen_high + margin)
    )
    has = ~np.isnan(readings).all(axis=0) & ~scaling.is_constant
    value = np.zeros(len(has))
    value[has] = np.nanmedian(readings[:, has], axis=0)
    pairs: list[tuple[int, int]] = []
    for first in np.argsort(-look.excess, kind="stable")[: 2 * SUSPECTS_MAX]:
        if not has[first] or not look.excess[first]:
            continue
        fits = has & (value >= low[first]) & (value <= high[first]) & (value[first] >= low) & (value[first] <= high)
        fits[first] = False
        by_excess = sorted(np.flatnonzero(fits), key=lambda k: -look.excess[k])
        pairs += [(int(min(first, k)), int(max(first, k))) for k in by_excess]
    return list(dict.fromkeys(pairs))[:PAIRS_MAX]


def _unseen_mode(case: _Case, look: _Look) -> str | None:
    """Why this is another way of working and no fault, or None."""
    expectation, names = case.expectation, case.names
    rows = look.rows[case.core]
    n_sensors = rows.shape[1]
    present = ~np.isnan(rows).all(axis=0)
    typical = np.zeros(n_sensors)
    typical[present] = np.nanmedian(rows[:, present], axis=0)
    off = np.zeros(n_sensors)
    off[present] = np.nanmedian((rows - look.expected[case.core])[:, present], axis=0)
    margin = 0.1 * (expectation.seen_high - expectation.seen_low)
    outside = present & ((typical > expectation.seen_high + margin) | (typical < expectation.seen_low - margin))
    beyond = np.flatnonzero(outside)
    moved = typical - expectation.gaussian.mean
    if len(beyond) >= 2:
        is_many = len(beyond) >= BEYOND_SHARE_MIN * n_sensors
        holds = 1 - float((off[beyond] ** 2).sum() / (moved[beyond] ** 2).sum())
        if (is_many and holds >= HOLDS_SHARE) or not look.excess.any():
            led = beyond[np.argsort(-np.abs(moved[beyond]), kind="stable")[:SUSPECTS_MAX]]
            return (
                f"{len(beyond)} of {n_sensors} sensors are where training never was, above all "
                f"{_listed([names[k] for k in led])}, and the relations between them hold."
            )
        if _moved_together(case, look, beyond):
            return (
                f"{len(beyond)} of {n_sensors} sensors moved to a new level together and stay there, among them "
                f"{_listed([names[k] for k in beyond[:SUSPECTS_MAX]])}."
            )
    if not look.excess.any() and float(expectation.far(typical[None])[0]) > 1.5:
        return "The sensors agree with each other, but training knew no such combination of their levels."
    return None


def _moved_together(case: _Case, look: _Look, beyond: Integers) -> bool:
    """Whether sensors that have no relations jumped within a few rows of each other, and rest since."""
    expectation = case.expectation
    if len(beyond) < SUSPECTS_MAX or np.median(expectation.explained[beyond]) > 0.5:
        return False
    # Up to the end of the core: going back is no sign of how they came.
    jumps = np.abs(np.diff(look.rows[: case.core.stop, beyond], axis=0))
    if not len(jumps) or np.isnan(jumps).all(axis=0).any():
        return False
    at = np.nanargmax(jumps, axis=0)
    together = (np.abs(at - np.median(at)) <= TOGETHER_ROWS) & (at <= case.core.start + CORE_ROWS_MIN)
    moved = np.abs(np.nanmedian(look.rows[case.core][:, beyond], axis=0) - expectation.gaussian.mean[beyond])
    is_jump = np.nanmax(jumps, axis=0) >= 0.5 * moved
    return bool((together & is_jump).mean() >= TOGETHER_SHARE)


def _onsets(case: _Case, suspects: list[int], look: _Look, kind: Kind) -> dict[int, int]:
    """For each sensor that deviates for good: the first row of that, in microseconds."""
    found = {}
    squares = _squares(look.sigmas)
    if kind == "unseen_mode":  # What the others let expect holds; what is new is where the sensors are.
        low, high = case.expectation.seen_low, case.expectation.seen_high
        squares = np.where((look.rows < low) | (look.rows > high), 2 * DEVIATES**2, 0.0)
    for k in range(squares.shape[1]):
        row = _onset_row(squares[:, k], case.begin)
        if kind == "instrument":
            since = flat_since(_sensor_event(case, look, k)) if k in suspects or case.event.led[k] > 0.3 else None
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


def _sensor(case: _Case, look: _Look, k: int, onset_us: int | None) -> SensorEvidence:
    scaling, expectation, event = case.scaling, case.expectation, case.event
    record: SensorEvidence = {
        "sensor": case.names[k],
        "contribution": round(float(case.shares[k]), 5),
        "onset": None if onset_us is None else _time(onset_us),
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


def _time(us: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")
