"""Fitting the ensemble: scaling, slow levels, members, calibration and limit, from normal rows alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from openlookout.detection.choosing import FAILURES_MIN, PLAIN, Choice, LeftOut, Option, choose, emphasised, failures_of
from openlookout.detection.contract import Booleans, Floats, Integers, TrainingError
from openlookout.detection.drifting import fit_drifting, looked_at, wandering
from openlookout.detection.ensemble import (
    CHUNK_ROWS,
    HOLDING_SHARE,
    HOLDING_SPAN,
    Calibration,
    Ensemble,
    View,
    decided,
    spanned,
)
from openlookout.detection.expectation import fit_expectation
from openlookout.detection.extremes import fit_extremes
from openlookout.detection.gaussian import fit_gaussian
from openlookout.detection.holding import holding, twice
from openlookout.detection.levels import Levels, fit_levels
from openlookout.detection.members import Member, fit_lagged, fit_level, fit_tails, fit_windowed
from openlookout.detection.rows import smoothed
from openlookout.detection.scaling import Scaling, fit_scaling

TRAINING_ROWS_MIN = 200
# More rows teach little more and cost time; taken as contiguous stretches, so that lags and windows stay whole.
FIT_ROWS_MAX = 40_000
FIT_CELLS_MAX = 4_000_000  # Of wide data fewer rows: time goes with rows times sensors.
STRETCHES = 20
BLOCKS = 5
CALIBRATION_QUANTILE = 0.90
CALIBRATION_MIN = 1e-3
PEAK_QUANTILE = 0.997
WIDTH_MIN = 0.5
# What two rows in a row exceed in an alarm, and what one does.
LIMIT_QUANTILE, PEAK_LIMIT_QUANTILE = 0.995, 0.9995
# One odd block must not blind the whole: its own peak is nearly the most that the limit can be.
PEAK_EXCESS_MAX = 1.15
T_95 = 2.132  # Student's t, one-sided 95 %, BLOCKS - 1 degrees of freedom.
# Few rows do not show all that is normal: the limit is wider by this many rows over the rows of training.
SHORT_ROWS = 25
# A member whose held-out blocks score so many times what it gives rows that it knows decides less, down to hardly.
STEADY_RATIO, UNSTEADY_RATIO = 1.5, 5.0
UNSTEADY_WEIGHT = 0.01
# The least that the score of known rows counts in that ratio.
KNOWN_MIN = 0.3
# Members that see the levels decide less, down to this, where they are unsteady in most blocks, as on sensors that
# wander: held-out blocks lie between others, the future does not. One odd block is a regime that training knows.
LEVEL_WEIGHT = 0.15

Fit = Callable[[Floats, Integers, Booleans], Member | None]


@dataclass(frozen=True)
class Candidate:
    """A member to fit, with its votes on what is an alarm and on the order of rows."""

    fit: Fit
    decides: float
    ranks: float


CANDIDATES = (
    Candidate(fit_level, 1, 0),  # A broken relation alarms; how unusual rows are, the others order better.
    Candidate(fit_lagged, 1, 1),
    Candidate(fit_windowed(5), 1, 1),
    Candidate(fit_windowed(7), 0, 1),  # An alarm would end two hours late on rows of a minute.
    Candidate(fit_tails, 2, 2),
)
STEADIED_CANDIDATES = tuple(each for each in CANDIDATES if each.decides)


@dataclass(frozen=True)
class _Fitted:
    """A view; of its members the candidates, held-out scores (n_rows, n), and what each gives rows that it knows."""

    view: View
    candidates: Sequence[Candidate]
    held_out: Floats
    known: Floats


@dataclass(frozen=True)
class _Judged:
    """What is known of normal rows once the members are fitted, from which who decides, and when, is told.

    `units` (n_rows, n_members): held-out scores of the rows in `blocks`; `segment` (n_rows,). `worst`,
    `typical`: how many times the score of the worst and of the median block is that of known rows. `n_normal`: all rows
    of training.
    """

    fitted: Sequence[_Fitted]
    units: Floats
    segment: Integers
    blocks: Sequence[Integers]
    worst: Floats
    typical: Floats
    n_normal: int

    def decide(self, option: Option) -> tuple[Floats, float, float]:
        """Give weights (n_members,), the limit and the peak limit."""
        deciding = _deciding(self.fitted, self.worst, self.typical, option)
        scores = decided(spanned(self.units, self.segment, option.span), deciding)
        wider = option.factor * float(np.exp(SHORT_ROWS / self.n_normal))
        limit, peak_limit = (
            wider * _limit([np.quantile(scores[block], share) for block in self.blocks])
            for share in (LIMIT_QUANTILE, PEAK_LIMIT_QUANTILE)
        )
        return deciding, limit, max(limit, peak_limit)


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
    blocks = [np.asarray(block) for block in np.array_split(np.flatnonzero(used), BLOCKS)]
    fitted = [_fit_view(np.where(scaling.is_constant, steady, plain), stretch, used, blocks, CANDIDATES)]
    if levels.any_wanders:
        fitted.append(_fit_view(steady, stretch, used, blocks, STEADIED_CANDIDATES))
    held_out = np.hstack([each.held_out for each in fitted])
    quantiles, peaks = (_quantiles(held_out, blocks, share) for share in (CALIBRATION_QUANTILE, PEAK_QUANTILE))
    # A member's unit is that of its worst block, so that one that drifts counts for less.
    unit = np.maximum(quantiles.max(axis=0), CALIBRATION_MIN)
    calibration = Calibration(unit, np.maximum(np.log(np.maximum(peaks.max(axis=0) / unit, 1.0)), WIDTH_MIN))
    known = np.maximum(np.concatenate([each.known for each in fitted]), KNOWN_MIN)
    units = calibration.units(held_out)
    judged = _Judged(fitted, units, stretch, blocks, unit / known, np.median(quantiles, axis=0) / known, n_normal)
    expectation = fit_expectation(
        steady, readings[rows], stretch, use=used, blocks=blocks, is_constant=scaling.is_constant
    )
    extremes = fit_extremes(readings, use, scaling)
    views, ranking = tuple(each.view for each in fitted), _ranking(fitted)
    deciding, limit, peak_limit = judged.decide(PLAIN)
    detector = Ensemble(
        scaling,
        levels,
        views,
        calibration,
        deciding,
        ranking,
        limit,
        peak_limit,
        PLAIN.span,
        extremes,
        drifting,
        expectation,
    )
    failures = [] if anomalous is None else failures_of(anomalous, segment)
    choice = _chosen(detector, judged, readings, segment, failures)
    deciding, limit, peak_limit = judged.decide(choice.option)
    chosen = replace(detector, deciding=deciding, limit=limit, peak_limit=peak_limit, span=choice.option.span)
    return chosen, choice.left_out


def _chosen(
    detector: Ensemble, judged: _Judged, readings: Floats, segment: Integers, failures: Sequence[tuple[int, int]]
) -> Choice:
    """What the failures choose."""
    if len(failures) < FAILURES_MIN:
        return Choice(PLAIN, None)
    units, last = detector.units(readings, segment), smoothed(judged.units, judged.segment, HOLDING_SPAN)
    normal = np.concatenate(judged.blocks)

    def alarms(option: Option) -> tuple[Booleans, Booleans]:
        deciding, limit, peak_limit = judged.decide(option)

        def begin(units: Floats, segment: Integers) -> Booleans:
            scores = decided(spanned(units, segment, option.span), deciding)
            return (scores > peak_limit) | twice(scores > limit, segment, before=True)

        held = decided(last, deciding) > HOLDING_SHARE * limit
        false = holding(begin(judged.units, judged.segment), held, judged.segment, goes_on=False)
        return begin(units, segment), false[normal]

    return choose(alarms, failures, len(CANDIDATES))


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


def _fit_view(
    deviations: Floats, segment: Integers, use: Booleans, blocks: list[Integers], candidates: Sequence[Candidate]
) -> _Fitted:
    """Fit the members that these rows suffice for."""
    missing = np.isnan(deviations)
    imputing = fit_gaussian(np.where(missing, 0.0, deviations)[use])
    features = imputing.completed(deviations, missing)
    members, taken, held_out, known = [], [], [], []
    for candidate in candidates:
        member = candidate.fit(features, segment, use)
        if member is not None:
            members.append(member)
            taken.append(candidate)
            held_out.append(_held_out(candidate.fit, features, segment, use, blocks))
            known.append(np.nanquantile(member.score(features, segment)[0][use], CALIBRATION_QUANTILE))
    return _Fitted(View(imputing, tuple(members)), taken, np.column_stack(held_out), np.array(known))


def _deciding(fitted: Sequence[_Fitted], worst: Floats, typical: Floats, option: Option) -> Floats:
    """(n_members,): weights that sum to 1, from how many times the score of held-out blocks is that of known rows.

    `worst`, `typical`: of the worst and of the median block. The members of the first of two views see the levels of
    sensors that wander.
    """
    weights = np.maximum(_steadiness(worst), UNSTEADY_WEIGHT)
    if len(fitted) > 1:
        n = len(fitted[0].candidates)
        weights[:n] *= LEVEL_WEIGHT + (1 - LEVEL_WEIGHT) * _steadiness(typical[:n]).mean()
    candidates = [candidate for each in fitted for candidate in each.candidates]
    kinds = np.array([CANDIDATES.index(candidate) for candidate in candidates])
    votes = emphasised(np.array([candidate.decides for candidate in candidates]), kinds, option)
    deciding: Floats = weights * votes / (weights * votes).sum()
    return deciding


def _ranking(fitted: Sequence[_Fitted]) -> Floats:
    """(n_members,): weights that sum to 1; who does not see the levels has none."""
    votes = np.array(
        [candidate.ranks if view is fitted[0] else 0.0 for view in fitted for candidate in view.candidates]
    )
    ranking: Floats = votes / votes.sum()
    return ranking


def _steadiness(ratio: Floats) -> Floats:
    """From 1 at STEADY_RATIO and below to 0 at UNSTEADY_RATIO and above, by the logarithm."""
    from_top = np.log(UNSTEADY_RATIO / np.maximum(ratio, STEADY_RATIO))
    steadiness: Floats = np.maximum(from_top / np.log(UNSTEADY_RATIO / STEADY_RATIO), 0.0)
    return steadiness


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


def _quantiles(held_out: Floats, blocks: list[Integers], share: float) -> Floats:
    """(n_blocks, n_members): a quantile of each member's scores in each held-out block."""
    out = np.full((len(blocks), held_out.shape[1]), CALIBRATION_MIN)
    for number, block in enumerate(blocks):
        for member, column in enumerate(held_out[block].T):
            has = column[~np.isnan(column)]
            if len(has):
                out[number, member] = np.quantile(has, share)
    return out


def _limit(reached: Sequence[float]) -> float:
    """What a block of normal rows hardly exceeds, from what each did: a one-sided prediction limit."""
    peaks = np.log(reached)
    limit = peaks.mean() + T_95 * peaks.std(ddof=1) * np.sqrt(1 + 1 / len(peaks))
    return float(np.exp(min(limit, peaks.max() + np.log(PEAK_EXCESS_MAX))))
