"""The members that may be fitted: their votes, their fit to a view, and their scores of rows that were held out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers
from openlookout.detection.ensemble import View
from openlookout.detection.gaussian import fit_gaussian
from openlookout.detection.members import Member, fit_lagged, fit_level, fit_tails, fit_windowed

# Blocks of normal rows, each held out once.
BLOCKS = 5
CALIBRATION_QUANTILE = 0.90

Fit = Callable[[Floats, Integers, Booleans], Member | None]


@dataclass(frozen=True)
class Candidate:
    """A member to fit, with its votes on what is an alarm and on the order of rows."""

    fit: Fit
    decides: float
    ranks: float


CANDIDATES = (
    Candidate(fit_level, 1, 0),  # A broken relation alarms; how unusual rows are, the others order better.
    Candidate(fit_lagged, 1, 2),
    Candidate(fit_windowed(5), 1, 1),
    Candidate(fit_windowed(7), 0, 1),  # An alarm would end two hours late on rows of a minute.
    Candidate(fit_tails, 2, 2),
)
STEADIED_CANDIDATES = tuple(each for each in CANDIDATES if each.decides)


@dataclass(frozen=True)
class FittedView:
    """A view with what it sees, (n_rows, n_sensors); of its members the candidates, held-out scores (n_rows, n), and
    what each gives rows that it knows.
    """

    view: View
    features: Floats
    candidates: Sequence[Candidate]
    held_out: Floats
    known: Floats


def fit_view(
    deviations: Floats, segment: Integers, use: Booleans, candidates: Sequence[Candidate] = CANDIDATES
) -> FittedView:
    """Fit the members that these rows suffice for."""
    blocks = blocks_of(use)
    missing = np.isnan(deviations)
    imputing = fit_gaussian(np.where(missing, 0.0, deviations)[use])
    features = imputing.completed(deviations, missing)
    members, taken, held_out, known = [], [], [], []
    for candidate in candidates:
        member = candidate.fit(features, segment, use)
        if member is not None:
            members.append(member)
            taken.append(candidate)
            held_out.append(held_out_scores(candidate.fit, features, segment, use, blocks))
            known.append(np.nanquantile(member.score(features, segment)[0][use], CALIBRATION_QUANTILE))
    return FittedView(View(imputing, tuple(members)), features, taken, np.column_stack(held_out), np.array(known))


def held_out_scores(
    fit_member: Fit, features: Floats, segment: Integers, use: Booleans, blocks: list[Integers]
) -> Floats:
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


def blocks_of(use: Booleans, n_blocks: int = BLOCKS) -> list[Integers]:
    """Give the numbers of the rows (n_rows,) in `use`, in blocks one after another."""
    return [np.asarray(block) for block in np.array_split(np.flatnonzero(use), n_blocks)]


def ranking_of(fitted: Sequence[FittedView]) -> Floats:
    """(n_members,): weights that sum to 1; who does not see the levels has none."""
    votes = np.array(
        [candidate.ranks if view is fitted[0] else 0.0 for view in fitted for candidate in view.candidates]
    )
    ranking: Floats = votes / votes.sum()
    return ranking
