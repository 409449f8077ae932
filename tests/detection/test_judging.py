"""What held-out rows tell: the limit, and who decides in known modes, on one scale with the others."""

import numpy as np
import pytest

from openlookout.detection.candidates import CANDIDATES, FittedView, blocks_of
from openlookout.detection.choosing import PLAIN, Option
from openlookout.detection.contract import Floats
from openlookout.detection.ensemble import Calibration, View
from openlookout.detection.gaussian import fit_gaussian
from openlookout.detection.judging import BLOCKS, Judged, KnownModes
from openlookout.detection.modes import Modes

N = 1000


def judged(units: Floats) -> Judged:
    """Of one member that is steady, with these held-out units (n_rows,)."""
    features = np.zeros((N, 1))
    view = View(fit_gaussian(features), ())
    fitted = [FittedView(view, features, CANDIDATES[:1], units[:, None], np.ones(1))]
    blocks = blocks_of(np.ones(N, bool), BLOCKS)
    calibration = Calibration(np.ones(1), np.ones(1))
    return Judged(fitted, calibration, units[:, None], np.zeros(N, int), blocks, np.ones(1), np.ones(1), N)


def test_known_modes_are_held_against_the_limit_of_all_at_their_own() -> None:
    rng = np.random.default_rng(0)
    everywhere, familiar = judged(rng.uniform(0, 9, N)), judged(rng.uniform(0, 2, N))
    limit, own = (each.decide(PLAIN)[1] for each in (everywhere, familiar))
    assert limit > 3 * own
    known = KnownModes(Modes(np.arange(1), np.ones(1), np.zeros((1, 1)), 1), familiar, np.ones(N, bool))
    assert known.familiar(PLAIN, limit).scale * own == pytest.approx(limit)


def test_one_odd_block_is_nearly_the_most_that_the_limit_can_be() -> None:
    units = np.random.default_rng(1).uniform(0, 1, N)
    plain = judged(units).decide(PLAIN)[1]
    units[200:400] *= 50
    odd = judged(units).decide(PLAIN)[1]
    assert 30 * plain < odd < 1.25 * 50
    assert plain < 1.3


@pytest.mark.parametrize("factor", [0.85, 1.45])
def test_an_option_moves_both_limits_by_its_factor(factor: float) -> None:
    told = judged(np.random.default_rng(2).uniform(0, 3, N))
    assert told.decide(Option(None, factor))[1:] == pytest.approx([factor * each for each in told.decide(PLAIN)[1:]])
