"""Is it the sensor, the machine, or another way of working? Rules of ours, and the sentence that says why.

How often they are right was measured (docs/detection.md).
"""

from collections.abc import Sequence

import numpy as np

from openlookout.detection.contract import Floats, Integers
from openlookout.detection.evidence_record import Kind
from openlookout.detection.expectation import in_units
from openlookout.detection.look import CORE_ROWS_MIN, LEFT_SHARE, SUSPECTS_MAX, Case, Look, Rows, excess_without
from openlookout.detection.scaling import soft_clipped
from openlookout.detection.signatures import NOISE_TIMES, SensorEvent, signature, usual_move

PAIRS_MAX = 12
HOLDS_SHARE, TOGETHER_SHARE = 0.85, 0.75
BEYOND_SHARE_MIN = 0.1  # Of the sensors: another way of working is not seen by a few.
TOGETHER_ROWS = 3
# Slow drift is seen in sensors that lead together, none of which deviates by itself.
LEADS_SHARE, ASIDE_SIGMAS = 0.15, 1.0


def kind_of(case: Case, suspects: list[int], look: Look) -> tuple[Kind, str]:
    names, led = case.names, case.event.led
    deviating = np.flatnonzero(look.excess > 0)
    pair = _exchanged(case, look)
    if pair is not None:
        first, second = (names[k] for k in pair)
        return "instrument", f"{first} and {second} read as if they were exchanged; the other sensors agree with that."
    # Where nothing deviates, what led the alarm may stand still or be noisy within its range.
    asked = suspects if len(deviating) else [int(led.argmax())]
    told = [signature(sensor_event(case, look, k)) for k in asked]
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
    return "machine", _faint(case, look)


def _faint(case: Case, look: Look) -> str:
    """What is wrong where no sensor deviates by itself."""
    drifted = _drifted(case, look)
    if not drifted:
        return f"How {case.names[int(case.event.led.argmax())]} moves from row to row is not as in training."
    verb = "has" if len(drifted) == 1 else "have"
    said = _listed([case.names[k] for k in drifted])
    return f"{said} {verb} drifted slowly from what the other sensors let expect."


def _drifted(case: Case, look: Look) -> list[int]:
    """Sensors that lead, stay on one side of what is expected of them, and move from row to row as ever."""
    found = []
    led = case.event.led
    for k in np.argsort(-led, kind="stable")[:SUSPECTS_MAX]:
        off, step = look.sigmas[case.core, k], case.expectation.step[k]
        moves = usual_move(np.diff(look.rows[case.core, k]))
        is_aside = led[k] >= LEADS_SHARE and abs(np.median(np.nan_to_num(off))) >= ASIDE_SIGMAS
        if is_aside and moves is not None and moves <= NOISE_TIMES * step:
            found.append(int(k))
    return found


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def sensor_event(case: Case, look: Look, k: int) -> SensorEvent:
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


def _exchanged(case: Case, look: Look) -> tuple[int, int] | None:
    """The two sensors after whose exchange nothing deviates."""
    before = excess_without(case, ()).sum()
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
        if excess_without(case.of(rows), ()).sum() <= LEFT_SHARE * before:
            return first, second
    return None


def _exchangeable(case: Case, look: Look, level: Floats) -> list[tuple[int, int]]:
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
        fits &= look.excess > 0
        by_excess = sorted(np.flatnonzero(fits), key=lambda k: -look.excess[k])
        pairs += [(int(min(first, k)), int(max(first, k))) for k in by_excess]
    return list(dict.fromkeys(pairs))[:PAIRS_MAX]


def _unseen_mode(case: Case, look: Look) -> str | None:
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


def _moved_together(case: Case, look: Look, beyond: Integers) -> bool:
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
