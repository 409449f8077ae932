"""Known modes: where training changed its regime, rows in a mode that it knows well are not judged by the odd one."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from openlookout.detection import training
from openlookout.detection.contract import Booleans, Floats, Integers
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.model_file import load, save
from openlookout.detection.modes import Modes, settled
from openlookout.detection.training import fit, fit_judged
from openlookout.detection.what_if import deciding, with_factor

N_TRAINING, N = 1500, 2300
ODD = slice(600, 900)  # The second fifth of training: no other block knows its regime.
FAULT = slice(1700, 1736)
NEW_MODE = slice(2000, 2300)


def machine() -> Floats:
    """Six sensors that a load drives; one regime that lasts for a fifth of training, a fault, a mode never seen."""
    rng = np.random.default_rng(0)
    load = 10 + 2 * np.sin(2 * np.pi * np.arange(N) / 24) + rng.normal(0, 0.3, N)
    slopes, offsets = rng.normal(0, 1, (3, 6)), rng.normal(0, 4, (3, 6))
    regime = np.zeros(N, np.int64)
    regime[ODD], regime[NEW_MODE] = 1, 2
    rows = slopes[regime] * load[:, None] + offsets[regime] + rng.normal(0, 0.2, (N, 6))
    rows[FAULT, 2] += 3.2
    return rows


ROWS = machine()


def one_segment(n: int) -> Integers:
    return np.zeros(n, np.int64)


@pytest.fixture(scope="module")
def detector() -> Ensemble:
    return fit(ROWS[:N_TRAINING], np.ones(N_TRAINING, bool), one_segment(N_TRAINING))


def alarms(detector: Ensemble) -> np.ndarray:
    return np.r_[np.zeros(N_TRAINING, bool), detector.score(ROWS[N_TRAINING:], one_segment(N - N_TRAINING))[0].alarm]


def test_a_fault_in_a_known_mode_is_found_that_an_odd_regime_of_training_would_hide(detector: Ensemble) -> None:
    assert detector.familiar is not None
    found, blind = alarms(detector), alarms(replace(detector, familiar=None))
    assert found[FAULT].mean() > 0.5
    assert not blind[FAULT].any()
    quiet = np.r_[N_TRAINING : FAULT.start, FAULT.stop + 72 : NEW_MODE.start]
    assert not found[quiet].any()


def test_a_mode_never_seen_is_judged_as_if_no_mode_were_known_and_so_is_the_way_there(detector: Ensemble) -> None:
    rows, segment = ROWS[N_TRAINING:], one_segment(N - N_TRAINING)
    units = detector.units(rows, segment)
    known = units[:, -1] > 0
    begin = NEW_MODE.start - N_TRAINING
    assert known[32:begin].mean() > 0.9
    assert not known[:31].any()
    assert not known[begin:].any()
    n = len(detector.deciding)
    plain = replace(detector, familiar=None).decides(units[:, :n], segment, 1)
    told = detector.decides(units, segment, 1)
    assert np.array_equal(told[~known], plain[~known])
    assert (told[known] > plain[known]).mean() > 0.9


def test_a_mode_is_known_again_only_when_all_that_members_look_back_on_lies_in_it(detector: Ensemble) -> None:
    back = np.vstack([ROWS[:300], ROWS[NEW_MODE][:50], ROWS[:400]])
    known = detector.units(back, one_segment(len(back)))[:, -1] > 0
    assert known[31:300].all()
    assert not known[300 : 350 + 128].any()
    assert known[350 + 128 + 32 :].all()


def test_what_was_strange_in_one_segment_is_forgotten_in_the_next() -> None:
    strange, segment = np.zeros(400, bool), np.repeat([0, 1], 200)
    strange[190:200] = True
    known = settled(strange, segment)
    assert known[31:190].all()
    assert not known[190:231].any()
    assert known[231:].all()


def test_one_sensor_that_fails_is_no_other_mode_and_most_of_them_are() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (200, 8))
    modes = Modes(np.arange(8), np.ones(8), np.zeros((4, 8)), 2)
    one, most = rows.copy(), rows.copy()
    one[100:, 3] += 20
    most[100:, :5] += 20
    segment = one_segment(200)
    assert modes.strange(rows, segment)[40:].mean() < 0.1
    assert modes.strange(one, segment)[40:].mean() < 0.1
    assert modes.strange(most, segment)[100:].all()


def test_training_that_never_changed_its_regime_knows_no_modes() -> None:
    rows = ROWS[:600]
    assert fit(rows, np.ones(600, bool), one_segment(600)).familiar is None


def test_piece_by_piece_saved_and_loaded_modes_give_the_same_to_the_bit(detector: Ensemble) -> None:
    rows, segment = ROWS[N_TRAINING:], np.repeat([3, 4, 5], [150, 330, 320])
    whole, state = detector.score(rows, segment)[0], None
    loaded = load(save(detector))
    for first, last in pairwise((0, 1, 2, 9, 140, 160, 161, 400, 401, 640, 800)):
        piece, state = loaded.score(rows[first:last], segment[first:last], state)
        assert piece.anomaly.tobytes() == whole.anomaly[first:last].tobytes()
        assert piece.contribution.tobytes() == whole.contribution[first:last].tobytes()


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.3, 3.0])
def test_a_factor_of_the_limit_holds_in_known_modes_too(detector: Ensemble, factor: float) -> None:
    rows, segment = ROWS[N_TRAINING:], one_segment(N - N_TRAINING)
    scores, units, _ = detector.score_and_units(rows, segment)
    swept = deciding(detector, scores, units, segment).alarm(factor)
    assert np.array_equal(swept, with_factor(detector, factor).score(rows, segment)[0].alarm)


def failing() -> tuple[Floats, Booleans]:
    """Training with faint failures in the known mode, and where they are."""
    rows, anomalous = ROWS[:N_TRAINING].copy(), np.zeros(N_TRAINING, bool)
    for first in (150, 420, 960, 1140, 1320):
        rows[first : first + 40, 2] += 1.2
        anomalous[first : first + 40] = True
    return rows, anomalous


@pytest.fixture(scope="module")
def labelled() -> Ensemble:
    """Fitted with failures that choose how to look for them."""
    rows, anomalous = failing()
    detector, left_out = fit_judged(rows, ~anomalous, one_segment(N_TRAINING), anomalous)
    assert left_out is not None
    assert left_out.found > 0.5
    assert left_out.false_share < 0.01
    return detector


def test_failures_in_known_modes_choose_for_them_too(labelled: Ensemble) -> None:
    assert labelled.familiar is not None
    rows, anomalous = failing()
    plain = fit(rows, ~anomalous, one_segment(N_TRAINING))
    assert plain.familiar is not None
    assert (labelled.span, labelled.limit) != (plain.span, plain.limit)
    live = ROWS[N_TRAINING : NEW_MODE.start].copy()
    live[350:390, 2] += 1.2
    found, missed = (each.score(live, one_segment(len(live)))[0].alarm[350:390].any() for each in (labelled, plain))
    assert found
    assert not missed


def test_what_labels_chose_holds_piece_by_piece_in_known_modes_to_the_bit(labelled: Ensemble) -> None:
    rows, segment = ROWS[N_TRAINING:], one_segment(N - N_TRAINING)
    whole, state = labelled.score(rows, segment)[0], None
    for first, last in pairwise((0, 1, 9, 140, 400, 401, 640, 800)):
        piece, state = labelled.score(rows[first:last], segment[first:last], state)
        assert piece.anomaly.tobytes() == whole.anomaly[first:last].tobytes()


def test_labels_raise_the_same_votes_in_known_modes_as_elsewhere_and_a_span_smooths_there_too(
    labelled: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, anomalous = failing()
    with monkeypatch.context() as patch:
        patch.setattr(training, "FAILURES_MIN", 99)  # So that they choose nothing.
        plain = fit(rows, ~anomalous, one_segment(N_TRAINING), anomalous)
    assert labelled.familiar is not None
    assert plain.familiar is not None
    raised = []
    for ours, theirs in ((labelled, plain), (labelled.familiar, plain.familiar)):
        votes = theirs.deciding > 0
        times = ours.deciding[votes] / theirs.deciding[votes]
        raised.append([tuple(np.flatnonzero(votes)[times > 1]), times.max() / times.min()])
    assert raised[0][0] == raised[1][0]
    assert [each[1] for each in raised] == pytest.approx([raised[0][1]] * 2)
    live, segment = ROWS[N_TRAINING:], one_segment(N - N_TRAINING)
    scores, units, _ = labelled.score_and_units(live, segment)
    known = units[:, -1] > 0
    smooth, rough = (labelled.decides(units, segment, span) for span in (labelled.span, 1))
    assert labelled.span > 1
    assert (smooth != rough)[known].mean() > 0.9
    for factor in (0.7, 1.0, 1.4):
        swept = deciding(labelled, scores, units, segment).alarm(factor)
        assert np.array_equal(swept, with_factor(labelled, factor).score(live, segment)[0].alarm)
