"""What labelled failures of the training range choose: whose votes count more, over how many rows, and how high the
limit is.

Labelled rows are not fitted, so what a detector says of them is as honest as what it says of the future. Each failure
is left out once: the options that the others would choose are tried on it, and only if that beats the plain detector on
average is anything chosen at all. Labels of an evaluation range never come here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers

FAILURES_MIN = 3
# How many times the votes of one kind of member count, and how many times the limit is what blocks of training tell.
EMPHASIS = 3.0
LIMIT_FACTORS = (0.85, 1.0, 1.2, 1.45)
# Over how many rows what members say is smoothed before it is held against the limit: what is faint and lasts is seen
# so, what is sudden is seen later.
SPANS = (1, 8)
# One per cent of false rows costs as much as a tenth of a failure.
FALSE_COST = 10.0
GAIN_MIN = 0.02


@dataclass(frozen=True)
class Option:
    """`emphasis`: the kind of member, by its number, whose votes count more, or None; `factor`: of the limit; `span`:
    of the smoothing, one of SPANS.
    """

    emphasis: int | None
    factor: float
    span: int = 1


@dataclass(frozen=True)
class LeftOut:
    """How honest labels judge: `found`, the share of failures that alarm with what the others choose; `false_share`, of
    held-out normal rows that alarm then.
    """

    found: float
    false_share: float


@dataclass(frozen=True)
class Choice:
    """What is chosen, and how it fares; None where there are too few failures to leave one out."""

    option: Option
    left_out: LeftOut | None


PLAIN = Option(None, 1.0)
Alarms = Callable[[Option], tuple[Booleans, Booleans]]


def options(n_kinds: int) -> list[Option]:
    """All that can be chosen, the plain detector first."""
    emphases = [None, *range(n_kinds)]
    every = [Option(emphasis, factor, span) for emphasis in emphases for factor in LIMIT_FACTORS for span in SPANS]
    return [PLAIN, *(option for option in every if option != PLAIN)]


def choose(alarms: Alarms, failures: Sequence[tuple[int, int]], n_kinds: int) -> Choice:
    """Give the option for failures, each rows [first, last).

    `alarms` of an option gives where it alarms: (n_rows,) on all rows, and on held-out normal rows.
    """
    if len(failures) < FAILURES_MIN:
        return Choice(PLAIN, None)
    offered = options(n_kinds)
    gains, false_shares = np.empty((len(offered), len(failures))), np.empty(len(offered))
    for number, option in enumerate(offered):
        everywhere, on_normal = alarms(option)
        gains[number] = [_gain(everywhere[first:last]) for first, last in failures]
        false_shares[number] = on_normal.mean()
    costs = FALSE_COST * false_shares
    sums = gains.sum(axis=1)
    others = (sums[:, None] - gains) / (len(failures) - 1) - costs[:, None]
    chosen = others.argmax(axis=0)  # The first of equals: the plain detector, if it is one.
    left_out = gains[chosen, np.arange(len(failures))]
    if (left_out - costs[chosen]).mean() < gains[0].mean() - costs[0] + GAIN_MIN:
        return Choice(PLAIN, LeftOut(float((gains[0] > 0).mean()), float(false_shares[0])))
    best = offered[int((sums / len(failures) - costs).argmax())]
    return Choice(best, LeftOut(float((left_out > 0).mean()), float(false_shares[chosen].mean())))


def _gain(alarm: Booleans) -> float:
    """1 for a failure that alarms at once, less the share of it that has passed before, 0 without an alarm."""
    return 1 - float(alarm.argmax()) / len(alarm) if alarm.any() else 0.0


def failures_of(anomalous: Booleans, segment: Integers) -> list[tuple[int, int]]:
    """Runs of labelled rows (n_rows,), each within a segment, as [first, last)."""
    begins = anomalous & np.r_[True, ~anomalous[:-1] | (segment[1:] != segment[:-1])]
    ends = anomalous & np.r_[~anomalous[1:] | (segment[1:] != segment[:-1]), True]
    return [
        (int(first), int(last) + 1) for first, last in zip(np.flatnonzero(begins), np.flatnonzero(ends), strict=True)
    ]


def emphasised(votes: Floats, kinds: Integers, option: Option) -> Floats:
    """(n_members,): the votes of members, of which `kinds` (n_members,) says the kind."""
    return votes if option.emphasis is None else np.where(kinds == option.emphasis, EMPHASIS * votes, votes)
