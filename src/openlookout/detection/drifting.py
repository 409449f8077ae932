"""Slow drift: have several sensors that wander gone further than wandering takes them?

A sensor that wandered like a random walk in training will be where it never was, but how far it goes in a given time is
known. Knows how far each sensor that wanders is from its own slow mean; what deviates at once is the members' business.
"""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, State
from openlookout.detection.expectation import carried
from openlookout.detection.holding import holding, twice
from openlookout.detection.levels import Levels
from openlookout.detection.members import REACH_ROWS
from openlookout.detection.rows import row_sums

# The slow mean follows with this share of the training rows as its span: long against what windows see, and training
# still holds several spans.
SPAN_SHARE = 1 / 8
# Below this weight a sensor hardly wanders.
WEIGHT_MIN = 0.5
# What is held against «all wander as ever»: that a tenth of the sensors is three usual distances off, either way.
MOVED_SHARE, MOVED = 0.1, 3.0
SIGMAS_MAX = 20.0
# No sensor alarms by itself: it may have wandered less in training than it can, as one at the end of its range does.
EVIDENCE_MAX = 4.0
# The logarithm of a likelihood ratio: wandering as ever reaches it once in exp(4.5) looks at the most, whatever the
# number of sensors. More where training itself did.
LIMIT = 4.5
HOLDING_SHARE = 0.8
# Steps of a walk are alike: the median ones tell the same spread as all do. Below this ratio of squares a sensor jumps
# now and then, as where a machine changes how it works.
EVEN_RATIO_MIN = 0.7
# How far increments over a twentieth of a span let expect a random walk to be from its slow mean, and how far it was in
# training: below this ratio of squares it is no walk, and nothing is known of how far it may go.
WALK_RATIO_MIN = 0.6
LAG_SHARE = 1 / 20
# A step of this share of how far a sensor is far from its level is a jump: the way back may be shorter than the way
# there, for its level went a part of that.
JUMP_SHARE = 0.5
# How many looks the increments count for, beside the few spans of training.
INCREMENTS_COUNT = 64


@dataclass(frozen=True)
class Drifting:
    """Learned: `which` (k,), numbers of the sensors looked at; `scale` (k,), how far each usually is from its slow mean
    of `span` rows; `limit` of the evidence, infinite where training does not tell.
    """

    which: Integers
    scale: Floats
    span: int
    limit: float

    @property
    def looks(self) -> bool:
        return bool(np.isfinite(self.limit))

    def fresh(self) -> dict[str, np.ndarray]:
        """The state before the first row."""
        return {
            "slow": np.full(len(self.which), np.nan),
            "moved": np.full(len(self.which), np.nan),
            "jumped": np.zeros(len(self.which)),
            "is_drift_over": np.zeros((), np.bool_),
            "is_drift": np.zeros((), np.bool_),
        }

    def evidence(self, moving: Floats, slow: Floats) -> tuple[Floats, Floats]:
        """Give each sensor's evidence (n_rows, k) of `moving` (n_rows, k), and the slow means after the last row.

        Evidence is the logarithm of how many times likelier it is that some sensors moved than that all wander on.
        """
        sigmas, slow = distances(moving, slow, self.span)
        sigmas = np.clip(np.nan_to_num(sigmas / self.scale), -SIGMAS_MAX, SIGMAS_MAX)
        ratio = 1 - MOVED_SHARE + MOVED_SHARE * np.exp(-(MOVED**2) / 2) * np.cosh(MOVED * sigmas)
        return np.minimum(np.log(ratio), EVIDENCE_MAX), slow

    def alarms(
        self, deviations: Floats, steady: Floats, levels: Levels, segment: Integers, state: State, *, goes_on: bool
    ) -> tuple[Booleans, Floats, dict[str, np.ndarray]]:
        """Give the rows (n_rows,) that alarm, the evidence (n_rows, n_sensors) in them, and the state."""
        told = np.zeros(deviations.shape)
        if not self.looks or not len(segment):
            return np.zeros(len(segment), bool), told, {name: np.asarray(state[name]) for name in self.fresh()}
        moving, jumps = without_jumps(
            wandering(deviations, steady, levels, self.which),
            np.asarray(state["moved"], np.float64),
            np.asarray(state["jumped"], np.float64),
            JUMP_SHARE * levels.far[self.which],
        )
        evidence, slow = self.evidence(moving, np.asarray(state["slow"], np.float64))
        total = row_sums(evidence)
        over = total > self.limit
        begins = twice(over, segment, before=bool(state["is_drift_over"]) or not goes_on)
        held = total > HOLDING_SHARE * self.limit
        alarm = holding(begins, held, segment, goes_on=goes_on and bool(state["is_drift"]))
        told[:, self.which] = np.maximum(evidence, 0.0) * alarm[:, None]
        return alarm, told, {"slow": slow, "is_drift_over": over[-1], "is_drift": alarm[-1], **jumps}


def wandering(deviations: Floats, steady: Floats, levels: Levels, which: Integers) -> Floats:
    """(n_rows, k): where sensors are, and where one is suddenly far from its level, the level: that is no drift."""
    off = steady[:, which] / levels.weight[which]
    off -= deviations[:, which] * (1 / levels.weight[which] - 1)
    return deviations[:, which] - np.where(np.abs(off) > levels.far[which], off, 0.0)


def without_jumps(moving: Floats, last: Floats, jumped: Floats, size: Floats) -> tuple[Floats, dict[str, np.ndarray]]:
    """Give where sensors would be (n_rows, k) had they never jumped, and the state: the last reading, all jumps so far.

    A jump is a step of more than `size` (k,), as a new level is accepted: another way of working, or the way back from
    it. What deviates at once is the members' business; a spike jumps there and back.
    """
    rows = np.vstack([last, moving])
    known = np.maximum.accumulate(np.where(np.isnan(rows), 0, np.arange(len(rows))[:, None]), axis=0)
    filled = np.take_along_axis(rows, known, axis=0)
    steps = np.diff(filled, axis=0)
    sums = np.cumsum(np.vstack([jumped, np.where(np.abs(steps) > size, steps, 0.0)]), axis=0)
    return moving - sums[1:], {"moved": filled[-1], "jumped": sums[-1]}


def distances(moving: Floats, slow: Floats, span: float) -> tuple[Floats, Floats]:
    """(n_rows, k): how far each row is from its exponential mean, that begins with the first reading; and the mean."""
    out = np.empty_like(moving)
    follow = 2 / (span + 1)
    for row, x in enumerate(moving):
        if np.isnan(slow).any():
            slow = np.where(np.isnan(slow), x, slow)
        off = x - slow
        slow = slow + follow * np.nan_to_num(off)
        out[row] = x - slow
    return out, slow


def looked_at(levels: Levels) -> Integers:
    """Numbers of the sensors that wander."""
    return np.flatnonzero((levels.weight > WEIGHT_MIN) & ~levels.is_free)


def fit_drifting(moving: Floats, which: Integers, n_rows: int) -> Drifting:
    """Learn from `moving` (n, k), normal rows, all `n_rows` of them or evenly many."""
    span = n_rows * SPAN_SHARE
    nothing = Drifting(which, np.ones(len(which)), max(int(span), 1), np.inf)
    # What lasts no longer than windows see, windows see; a sensor cannot alarm by itself.
    if span <= REACH_ROWS or len(which) < 2:
        return nothing
    moving = carried(moving)
    thinned = len(moving) * SPAN_SHARE
    lag = int(thinned * LAG_SHARE)
    if lag < 1:
        return nothing
    moves = moving[lag:] - moving[:-lag]
    typical = (1.4826 * np.median(np.abs(moves), axis=0)) ** 2
    is_even = typical >= EVEN_RATIO_MIN * np.mean(moves**2, axis=0)
    which, moving, moves = which[is_even], moving[:, is_even], moves[:, is_even]
    if len(which) < 2:
        return nothing
    noise = np.var(np.diff(moving, axis=0), axis=0) / 2
    steps = np.maximum(np.mean(moves**2, axis=0) - 2 * noise, 0.0) / lag
    walked = steps * thinned / 4 + noise
    off, _ = distances(moving, np.full(len(which), np.nan), thinned)
    was = np.mean(off[int(thinned / 2) :] ** 2, axis=0)
    ratio = was.sum() / max(walked.sum(), 1e-12)
    if not ratio >= WALK_RATIO_MIN:
        return nothing
    n_spans = 2 / SPAN_SHARE
    square = (INCREMENTS_COUNT * ratio * walked + n_spans * was) / (INCREMENTS_COUNT + n_spans)
    fitted = Drifting(which, np.sqrt(np.maximum(square, 1e-12)), int(span), LIMIT)
    evidence, _ = Drifting(which, fitted.scale, int(thinned), LIMIT).evidence(moving, np.full(len(which), np.nan))
    return Drifting(which, fitted.scale, int(span), max(LIMIT, float(row_sums(evidence).max())))
