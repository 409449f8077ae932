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
    Familiar,
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
from openlookout.detection.modes import Modes, fit_modes
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
# Student's t, one-sided 95 %, of 4 to 19 degrees of freedom: one less than there are blocks.
T_95 = (
    *(2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796),
    *(1.782, 1.771, 1.761, 1.753, 1.746, 1.740, 1.734, 1.729),
)
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
# Where the worst block scores so many times what the median one does (by the votes' geometric mean), training holds a
# change of regime. What scores mean in modes that stayed is then learned from shorter blocks, one as long as the least
# that makes a mode known; of those that lie in known modes for half or more, at least as many as there are long ones.
CHANGED_RATIO = 3.0
MODE_BLOCKS, MODE_SHARE_MIN = 20, 0.5

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
    """A view with what it sees, (n_rows, n_sensors); of its members the candidates, held-out scores (n_rows, n), and
    what each gives rows that it knows.
    """

    view: View
    features: Floats
    candidates: Sequence[Candidate]
    held_out: Floats
    known: Floats


@dataclass(frozen=True)
class _Judged:
    """What is known of normal rows once the members are fitted, from which who decides, and when, is told.

    `units` (n_rows, n_members): held-out scores of the rows in `blocks`, as `calibration` tells; `segment` (n_rows,).
    `worst`, `typical`: how many times the score of the worst and of the median block is that of known rows. `n_normal`:
    all rows of training.
    """

    fitted: Sequence[_Fitted]
    calibration: Calibration
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


@dataclass(frozen=True)
class _KnownModes:
    """What is known of rows in known modes, `is_known` (n_rows,), besides."""

    modes: Modes
    judged: _Judged
    is_known: Booleans

    def familiar(self, option: Option, limit: float) -> Familiar:
        deciding, own, _ = self.judged.decide(option)
        return Familiar(self.modes, self.judged.calibration, deciding, limit / own)


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
    judged = _judge(fitted, np.hstack([each.held_out for each in fitted]), stretch, blocks, n_normal)
    known = _known_modes(judged, used, scaling.is_constant)
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
        judged.calibration,
        deciding,
        ranking,
        limit,
        peak_limit,
        PLAIN.span,
        None if known is None else known.familiar(PLAIN, limit),
        extremes,
        drifting,
        expectation,
    )
    failures = [] if anomalous is None else failures_of(anomalous, segment)
    choice = _chosen(detector, (judged, known), readings, segment, failures)
    return _with_option(detector, judged, known, choice.option), choice.left_out


def _with_option(detector: Ensemble, judged: _Judged, known: _KnownModes | None, option: Option) -> Ensemble:
    deciding, limit, peak_limit = judged.decide(option)
    familiar = None if known is None else known.familiar(option, limit)
    return replace(detector, deciding=deciding, limit=limit, peak_limit=peak_limit, span=option.span, familiar=familiar)


def _chosen(
    detector: Ensemble,
    judged: tuple[_Judged, _KnownModes | None],
    readings: Floats,
    segment: Integers,
    failures: Sequence[tuple[int, int]],
) -> Choice:
    """What the failures choose."""
    if len(failures) < FAILURES_MIN:
        return Choice(PLAIN, None)
    plain, known = judged
    units, held_out = detector.units(readings, segment), plain.units
    if known is not None:
        held_out = np.column_stack([held_out, known.judged.units, known.is_known])
    last = detector.spanned(held_out, plain.segment, HOLDING_SPAN)
    normal = np.concatenate(plain.blocks)

    def alarms(option: Option) -> tuple[Booleans, Booleans]:
        tried = _with_option(detector, plain, known, option)

        def begin(units: Floats, segment: Integers) -> Booleans:
            scores = tried.decides(units, segment, option.span)
            return (scores > tried.peak_limit) | twice(scores > tried.limit, segment, before=True)

        held = tried.weighed(last) > HOLDING_SHARE * tried.limit
        false = holding(begin(held_out, plain.segment), held, plain.segment, goes_on=False)
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
    return _Fitted(View(imputing, tuple(members)), features, taken, np.column_stack(held_out), np.array(known))


def _judge(
    fitted: Sequence[_Fitted], held_out: Floats, segment: Integers, blocks: Sequence[Integers], n_normal: int
) -> _Judged:
    """Tell what scores mean from those of rows in blocks that were held out, (n_rows, n_members)."""
    quantiles, peaks = (_quantiles(held_out, blocks, share) for share in (CALIBRATION_QUANTILE, PEAK_QUANTILE))
    # A member's unit is that of its worst block, so that one that drifts counts for less.
    unit = np.maximum(quantiles.max(axis=0), CALIBRATION_MIN)
    calibration = Calibration(unit, np.maximum(np.log(np.maximum(peaks.max(axis=0) / unit, 1.0)), WIDTH_MIN))
    known = np.maximum(np.concatenate([each.known for each in fitted]), KNOWN_MIN)
    typical = np.median(quantiles, axis=0) / known
    return _Judged(fitted, calibration, calibration.units(held_out), segment, blocks, unit / known, typical, n_normal)


def _known_modes(judged: _Judged, used: Booleans, is_constant: Booleans) -> _KnownModes | None:
    """Tell what scores mean in known modes, if training holds a change of regime and enough rows in them."""
    fitted, segment = judged.fitted, judged.segment
    votes = np.array([candidate.decides for each in fitted for candidate in each.candidates])
    if np.log(judged.worst / judged.typical) @ votes < np.log(CHANGED_RATIO) * votes.sum():
        return None
    blocks = [np.asarray(block) for block in np.array_split(np.flatnonzero(used), MODE_BLOCKS)]
    modes, is_known = fit_modes(fitted[0].features, segment, used, is_constant, blocks)
    blocks = [block for block in blocks if is_known[block].mean() >= MODE_SHARE_MIN]
    if len(blocks) < BLOCKS:
        return None
    judged_here = np.zeros(len(is_known), bool)
    judged_here[np.concatenate(blocks)] = True
    is_known &= judged_here
    held_out = [
        # Who has no vote is not asked again.
        _held_out(candidate.fit, each.features, segment, used, blocks) if candidate.decides else before
        for each in fitted
        for candidate, before in zip(each.candidates, each.held_out.T, strict=True)
    ]
    inside = [block[is_known[block]] for block in blocks]
    own = _judge(fitted, np.column_stack(held_out), segment, inside, judged.n_normal)
    return _KnownModes(modes, own, is_known)


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


def _quantiles(held_out: Floats, blocks: Sequence[Integers], share: float) -> Floats:
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
    limit = peaks.mean() + T_95[len(peaks) - BLOCKS] * peaks.std(ddof=1) * np.sqrt(1 + 1 / len(peaks))
    return float(np.exp(min(limit, peaks.max() + np.log(PEAK_EXCESS_MAX))))
