"""Fitting the ensemble: scaling, members, calibration and limit, from normal rows alone."""

from collections.abc import Callable

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, TrainingError
from openlookout.detection.ensemble import Ensemble, calibrated, combine
from openlookout.detection.gaussian import fit_gaussian
from openlookout.detection.members import Member, fit_lagged, fit_level, fit_memory, fit_range, fit_windowed
from openlookout.detection.scaling import fit_scaling

TRAINING_ROWS_MIN = 200
# More rows teach little more and cost time; taken as contiguous stretches, so that lags and windows stay whole.
FIT_ROWS_MAX = 40_000
FIT_CELLS_MAX = 4_000_000  # Of wide data fewer rows: time goes with rows times sensors.
STRETCHES = 20
BLOCKS = 5
CALIBRATION_QUANTILE = 0.90
CALIBRATION_MIN = 1e-3
BLOCK_QUANTILE = 0.997
# One odd block must not blind the whole: its own peak is nearly the most that the limit can be.
PEAK_EXCESS_MAX = 1.05
T_95 = 2.132  # Student's t, one-sided 95 %, BLOCKS - 1 degrees of freedom.

Fit = Callable[[Floats, Integers, Booleans], Member | None]


def fit(readings: Floats, normal: Booleans, segment: Integers, *, seed: int) -> Ensemble:
    """Learn what is normal from rows (n_rows, n_sensors) in time order; rows that are not `normal` are left out.

    Raises:
        TrainingError: too few normal rows with readings, or no sensor that ever moves.
    """
    use = normal & ~np.isnan(readings).all(axis=1)
    n_normal = int(use.sum())
    if n_normal < TRAINING_ROWS_MIN:
        raise TrainingError(f"{n_normal} rows of normal readings are there; {TRAINING_ROWS_MIN} are needed")
    readings, segment, use = _sampled(readings, segment, use)
    scaling = fit_scaling(readings[use])
    if scaling.is_constant.all():
        raise TrainingError("every sensor is constant over all normal rows; at least one that moves is needed")
    deviations = scaling.deviations(readings)
    missing = np.isnan(deviations)
    imputing = fit_gaussian(np.where(missing, 0.0, deviations)[use])
    features = imputing.completed(deviations, missing)
    fits: list[Fit] = [
        fit_level(1),
        fit_level(8),
        fit_lagged,
        fit_windowed(5),
        fit_windowed(7),
        fit_memory(seed, 8),
        fit_range(8),
    ]
    fitted = [(each, each(features, segment, use)) for each in fits]
    members = tuple(member for _, member in fitted if member is not None)
    blocks = [np.asarray(block) for block in np.array_split(np.flatnonzero(use), BLOCKS)]
    held_out = np.column_stack(
        [_held_out(each, features, segment, use, blocks) for each, member in fitted if member is not None]
    )
    calibration = _calibration(held_out, blocks)
    combined, _ = combine(calibrated(held_out, calibration), segment)
    return Ensemble(scaling, imputing, members, calibration, _limit([combined[block] for block in blocks]))


def _sampled(readings: Floats, segment: Integers, use: Booleans) -> tuple[Floats, Integers, Booleans]:
    """At most FIT_ROWS_MAX rows, in stretches spread over the whole; each stretch begins a segment."""
    n_max = min(FIT_ROWS_MAX, FIT_CELLS_MAX // readings.shape[1])
    if len(readings) <= n_max:
        return readings, segment, use
    size = n_max // STRETCHES
    stretches = np.array_split(np.arange(len(readings)), STRETCHES)
    picked = [stretch[(len(stretch) - size) // 2 :][:size] for stretch in stretches]
    rows = np.concatenate(picked)
    begins = np.diff(segment[rows], prepend=segment[rows[0]]) != 0
    begins[np.cumsum([len(part) for part in picked])[:-1]] = True
    return readings[rows], np.cumsum(begins), use[rows]


def _held_out(fit_member: Fit, features: Floats, segment: Integers, use: Booleans, blocks: list[Integers]) -> Floats:
    """(n_rows,): each normal row scored by a model that did not see its block; NaN elsewhere."""
    out = np.full(len(features), np.nan)
    for block in blocks:
        others = use.copy()
        others[block] = False
        member = fit_member(features, segment, others)
        if member is not None:
            first, last = block[0], block[-1] + 1
            out[block] = member.score(features[first:last], segment[first:last])[0][block - first]
    return out


def _calibration(held_out: Floats, blocks: list[Integers]) -> Floats:
    """(n_members,): the quantile of each member's worst block, so that a member that drifts counts for less."""
    quantiles = []
    for block in blocks:
        for column in held_out[block].T:
            has = column[~np.isnan(column)]
            quantiles.append(np.quantile(has, CALIBRATION_QUANTILE) if len(has) else CALIBRATION_MIN)
    worst = np.array(quantiles).reshape(len(blocks), -1).max(axis=0)
    calibration: Floats = np.maximum(worst, CALIBRATION_MIN)
    return calibration


def _limit(blocks: list[Floats]) -> float:
    """What a block of normal rows hardly exceeds: a one-sided prediction limit over the peaks of the blocks."""
    peaks = np.log([np.quantile(block, BLOCK_QUANTILE) for block in blocks])
    limit = peaks.mean() + T_95 * peaks.std(ddof=1) * np.sqrt(1 + 1 / len(peaks))
    return float(np.exp(min(limit, peaks.max() + np.log(PEAK_EXCESS_MAX))))
