"""Fitting the ensemble: scaling, slow levels, members, calibration and limit, from normal rows alone."""

import numpy as np

from openlookout.detection.candidates import CANDIDATES, STEADIED_CANDIDATES, blocks_of, fit_view, ranking_of
from openlookout.detection.choosing import FAILURES_MIN, PLAIN, Alarms, LeftOut, Option, choose, failures_of
from openlookout.detection.contract import Booleans, Floats, Integers, TrainingError
from openlookout.detection.drifting import fit_drifting, looked_at, wandering
from openlookout.detection.ensemble import CHUNK_ROWS, HOLDING_SHARE, HOLDING_SPAN, Ensemble
from openlookout.detection.expectation import fit_expectation
from openlookout.detection.extremes import fit_extremes
from openlookout.detection.holding import holding, twice
from openlookout.detection.judging import Judgement, judge
from openlookout.detection.levels import Levels, fit_levels
from openlookout.detection.scaling import Scaling, fit_scaling

TRAINING_ROWS_MIN = 200
# More rows teach little more and cost time; taken as contiguous stretches, so that lags and windows stay whole.
FIT_ROWS_MAX = 40_000
FIT_CELLS_MAX = 4_000_000  # Of wide data fewer rows: time goes with rows times sensors.
STRETCHES = 20


def fit(readings: Floats, normal: Booleans, segment: Integers, anomalous: Booleans | None = None) -> Ensemble:
    """Give the detector that `fit_judged` gives."""
    return fit_judged(readings, normal, segment, anomalous)[0]


def fit_judged(
    readings: Floats, normal: Booleans, segment: Integers, anomalous: Booleans | None = None
) -> tuple[Ensemble, LeftOut | None]:
    """Learn what is normal from rows (n_rows, n_sensors) in time order; rows that are not `normal` are left out.

    `anomalous` (n_rows,): rows labelled as failures, not normal; three failures or more may choose who decides, over
    how many rows, and the limit (`choosing.py`), and judge what was chosen. Nothing is drawn at random: the same rows
    give the same detector.

    Raises:
        TrainingError: too few normal rows with readings, or no sensor that ever moves.
    """
    use = normal & ~np.isnan(readings).all(axis=1)
    n_normal = int(use.sum())
    if n_normal < TRAINING_ROWS_MIN:
        raise TrainingError(f"{n_normal} rows of normal readings are there; {TRAINING_ROWS_MIN} are needed")
    rows, stretch = _sampled(segment, readings.shape[1])
    used = use[rows]
    scaling = fit_scaling(readings[rows][used])
    if scaling.is_constant.all():
        raise TrainingError("every sensor is constant over all normal rows; at least one that moves is needed")
    plain = scaling.deviations(readings[rows])
    levels = fit_levels(plain[used], stretch[used], scaling.is_constant, n_normal)
    steady, moving = _steadied(readings, segment, scaling, levels, rows)
    drifting = fit_drifting(moving[use[:: _every(len(use))]], looked_at(levels), n_normal)
    apart = stretch if anomalous is None else _apart(stretch, anomalous[rows])
    fitted = [fit_view(np.where(scaling.is_constant, steady, plain), apart, used)]
    if levels.any_wanders:
        fitted.append(fit_view(steady, apart, used, STEADIED_CANDIDATES))
    judgement = judge(fitted, apart, used, scaling.is_constant, n_normal)
    expectation = fit_expectation(
        steady, readings[rows], stretch, use=used, blocks=blocks_of(used), is_constant=scaling.is_constant
    )
    extremes = fit_extremes(readings, use, scaling)
    deciding, limit, peak_limit, familiar = judgement.decide(PLAIN)
    detector = Ensemble(
        scaling,
        levels,
        tuple(each.view for each in fitted),
        judgement.everywhere.calibration,
        deciding,
        ranking_of(fitted),
        limit,
        peak_limit,
        PLAIN.span,
        familiar,
        extremes,
        drifting,
        expectation,
    )
    failures = [] if anomalous is None else failures_of(anomalous, segment)
    if len(failures) < FAILURES_MIN:
        return detector, None
    choice = choose(_alarms(detector, judgement, readings, segment), failures, len(CANDIDATES))
    return judgement.applied(detector, choice.option), choice.left_out


def _alarms(detector: Ensemble, judgement: Judgement, readings: Floats, segment: Integers) -> Alarms:
    """Give where an option alarms, on the rows (n_rows, n_sensors) and on held-out normal rows, for `choose`."""
    everywhere = judgement.everywhere
    units, held_out = detector.units(readings, segment), judgement.units
    last = detector.spanned(held_out, everywhere.segment, HOLDING_SPAN)
    normal = np.concatenate(everywhere.blocks)

    def alarms(option: Option) -> tuple[Booleans, Booleans]:
        tried = judgement.applied(detector, option)

        def begin(units: Floats, segment: Integers) -> Booleans:
            scores = tried.decides(units, segment, option.span)
            return (scores > tried.peak_limit) | twice(scores > tried.limit, segment, before=True)

        held = tried.weighed(last) > HOLDING_SHARE * tried.limit
        false = holding(begin(held_out, everywhere.segment), held, everywhere.segment, goes_on=False)
        return begin(units, segment), false[normal]

    return alarms


def _sampled(segment: Integers, n_sensors: int) -> tuple[Integers, Integers]:
    """Row numbers, at most FIT_ROWS_MAX, in stretches spread over the whole; and segments, new with each stretch."""
    n, n_max = len(segment), min(FIT_ROWS_MAX, FIT_CELLS_MAX // n_sensors)
    if n <= n_max:
        return np.arange(n), segment
    size = n_max // STRETCHES
    picked = [part[(len(part) - size) // 2 :][:size] for part in np.array_split(np.arange(n), STRETCHES)]
    rows = np.concatenate(picked)
    begins = np.diff(segment[rows], prepend=segment[rows[0]]) != 0
    begins[np.cumsum([len(part) for part in picked])[:-1]] = True
    return rows, np.cumsum(begins)


def _apart(segment: Integers, anomalous: Booleans) -> Integers:
    """(n_rows,): segments that end where failures begin and end, so that no normal row looks back on one.

    Not at other rows that are not normal, which may be every second one: of a sensor that is seldom read.
    """
    ends = (np.diff(segment, prepend=segment[0]) != 0) | (np.diff(anomalous, prepend=anomalous[0]) != 0)
    return np.cumsum(ends)


def _steadied(
    readings: Floats, segment: Integers, scaling: Scaling, levels: Levels, rows: Integers
) -> tuple[Floats, Floats]:
    """(len(rows), n_sensors): deviations without slow levels; and of evenly many rows where sensors that wander are.

    All rows are gone through: levels are slow.
    """
    out, state = np.empty((len(rows), readings.shape[1])), levels.fresh()
    every, moving = _every(len(readings)), []
    for first in range(0, len(readings), CHUNK_ROWS):
        chunk = slice(first, first + CHUNK_ROWS)
        deviations = scaling.deviations(readings[chunk])
        steady, state = levels.steadied(deviations, segment[chunk], state)
        inside = (rows >= first) & (rows < first + CHUNK_ROWS)
        out[inside] = steady[rows[inside] - first]
        moving.append(wandering(deviations, steady, levels, looked_at(levels))[-first % every :: every])
    return out, np.vstack(moving)


def _every(n_rows: int) -> int:
    """Of so many rows one is looked at for what is slow."""
    return -(-n_rows // FIT_ROWS_MAX)
