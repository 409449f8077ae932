"""Judging members by rows that were held out: who decides, over how many rows, and from which score on it alarms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from openlookout.detection.candidates import (
    BLOCKS,
    CALIBRATION_QUANTILE,
    CANDIDATES,
    FittedView,
    blocks_of,
    held_out_scores,
)
from openlookout.detection.choosing import Option, emphasised
from openlookout.detection.contract import Booleans, Floats, Integers
from openlookout.detection.ensemble import Calibration, Ensemble, Familiar, decided, spanned
from openlookout.detection.modes import Modes, fit_modes

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


@dataclass(frozen=True)
class Judged:
    """What is known of normal rows once the members are fitted, from which who decides, and when, is told.

    `units` (n_rows, n_members): held-out scores of the rows in `blocks`, as `calibration` tells; `segment` (n_rows,).
    `worst`, `typical`: how many times the score of the worst and of the median block is that of known rows. `n_normal`:
    all rows of training.
    """

    fitted: Sequence[FittedView]
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
class KnownModes:
    """What is known of rows in known modes, `is_known` (n_rows,), besides."""

    modes: Modes
    judged: Judged
    is_known: Booleans

    def familiar(self, option: Option, limit: float) -> Familiar:
        """Give who decides in known modes, by scores that are held against `limit`."""
        deciding, own, _ = self.judged.decide(option)
        return Familiar(self.modes, self.judged.calibration, deciding, limit / own)


@dataclass(frozen=True)
class Judgement:
    """What is known of all normal rows, and, where training holds a change of regime, of those in known modes."""

    everywhere: Judged
    known: KnownModes | None

    @property
    def units(self) -> Floats:
        """(n_rows, n_units): what members said of rows that were held out, as `Ensemble.score_and_units` tells it."""
        if self.known is None:
            return self.everywhere.units
        return np.column_stack([self.everywhere.units, self.known.judged.units, self.known.is_known])

    def decide(self, option: Option) -> tuple[Floats, float, float, Familiar | None]:
        """Give weights (n_members,), the limit and the peak limit, and who decides in known modes."""
        deciding, limit, peak_limit = self.everywhere.decide(option)
        return deciding, limit, peak_limit, None if self.known is None else self.known.familiar(option, limit)

    def applied(self, detector: Ensemble, option: Option) -> Ensemble:
        """Give the detector with who decides, and when, by the option."""
        deciding, limit, peak_limit, familiar = self.decide(option)
        return replace(
            detector, deciding=deciding, limit=limit, peak_limit=peak_limit, span=option.span, familiar=familiar
        )


def judge(
    fitted: Sequence[FittedView], segment: Integers, use: Booleans, is_constant: Booleans, n_normal: int
) -> Judgement:
    """Tell what scores of views mean that were fitted to the rows (n_rows,) in `use`, of `n_normal` there are.

    `is_constant` (n_sensors,): such sensors tell no modes.
    """
    held_out = np.hstack([each.held_out for each in fitted])
    everywhere = _judged(fitted, held_out, segment, blocks_of(use), n_normal)
    return Judgement(everywhere, _known_modes(everywhere, use, is_constant))


def _judged(
    fitted: Sequence[FittedView], held_out: Floats, segment: Integers, blocks: Sequence[Integers], n_normal: int
) -> Judged:
    """Tell what scores mean from those of rows in blocks that were held out, (n_rows, n_members)."""
    quantiles, peaks = (_quantiles(held_out, blocks, share) for share in (CALIBRATION_QUANTILE, PEAK_QUANTILE))
    # A member's unit is that of its worst block, so that one that drifts counts for less.
    unit = np.maximum(quantiles.max(axis=0), CALIBRATION_MIN)
    calibration = Calibration(unit, np.maximum(np.log(np.maximum(peaks.max(axis=0) / unit, 1.0)), WIDTH_MIN))
    known = np.maximum(np.concatenate([each.known for each in fitted]), KNOWN_MIN)
    typical = np.median(quantiles, axis=0) / known
    return Judged(fitted, calibration, calibration.units(held_out), segment, blocks, unit / known, typical, n_normal)


def _known_modes(judged: Judged, used: Booleans, is_constant: Booleans) -> KnownModes | None:
    """Tell what scores mean in known modes, if training holds a change of regime and enough rows in them."""
    fitted, segment = judged.fitted, judged.segment
    votes = np.array([candidate.decides for each in fitted for candidate in each.candidates])
    if np.log(judged.worst / judged.typical) @ votes < np.log(CHANGED_RATIO) * votes.sum():
        return None
    blocks = blocks_of(used, MODE_BLOCKS)
    modes, is_known = fit_modes(fitted[0].features, segment, used, is_constant, blocks)
    blocks = [block for block in blocks if is_known[block].mean() >= MODE_SHARE_MIN]
    if len(blocks) < BLOCKS:
        return None
    judged_here = np.zeros(len(is_known), bool)
    judged_here[np.concatenate(blocks)] = True
    is_known &= judged_here
    held_out = [
        # Who has no vote is not asked again.
        held_out_scores(candidate.fit, each.features, segment, used, blocks) if candidate.decides else before
        for each in fitted
        for candidate, before in zip(each.candidates, each.held_out.T, strict=True)
    ]
    inside = [block[is_known[block]] for block in blocks]
    own = _judged(fitted, np.column_stack(held_out), segment, inside, judged.n_normal)
    return KnownModes(modes, own, is_known)


def _deciding(fitted: Sequence[FittedView], worst: Floats, typical: Floats, option: Option) -> Floats:
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


def _steadiness(ratio: Floats) -> Floats:
    """From 1 at STEADY_RATIO and below to 0 at UNSTEADY_RATIO and above, by the logarithm."""
    from_top = np.log(UNSTEADY_RATIO / np.maximum(ratio, STEADY_RATIO))
    steadiness: Floats = np.maximum(from_top / np.log(UNSTEADY_RATIO / STEADY_RATIO), 0.0)
    return steadiness


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
