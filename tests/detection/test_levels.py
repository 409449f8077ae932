"""Slow levels: who wanders, what is taken off, when a new level is accepted; and that it stays live equal to batch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.detection.contract import Floats, TrainingError
from openlookout.detection.levels import FAR_SPREADS, UNKNOWN_SPANS, Levels, fit_levels
from openlookout.detection.model_file import load, save
from openlookout.detection.rows import REACH_SPANS, smoothed
from openlookout.detection.training import TRAINING_ROWS_MIN, fit

N_TRAINING = 2000
ONE_SEGMENT = np.zeros(N_TRAINING, np.int64)


def wandering(n: int, seed: int) -> Floats:
    """Two random walks, two stationary sensors and one that is constant; some readings missing."""
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.normal(0, 0.1, (n, 2)), axis=0)
    readings = np.column_stack([walks, rng.normal(0, 1, (n, 2)), np.full(n, 7.0)])
    readings[rng.random(readings.shape) < 0.01] = np.nan
    readings[n // 2] = np.nan
    return readings


TRAINING = wandering(N_TRAINING, 1)
DETECTOR = fit(TRAINING, np.ones(N_TRAINING, bool), ONE_SEGMENT)
FRESH = wandering(600, 2)


def follower(span: int = 20) -> Levels:
    """One sensor that wanders, with a usual deviation of 1, seen between -3 and 3."""
    one = np.ones(1)
    return Levels(one, one, -3 * one, 3 * one, np.zeros(1, bool), span)


def followed(levels: Levels, column: Floats) -> Floats:
    rows = column[:, None]
    return levels.steadied(rows, np.zeros(len(rows), np.int64), levels.fresh())[0][:, 0]


def test_random_walks_wander_and_noise_does_not() -> None:
    assert (DETECTOR.levels.weight[:2] == 1).all()
    assert (DETECTOR.levels.weight[2:4] == 0).all()
    assert DETECTOR.levels.any_wanders
    assert len(DETECTOR.views) == 2


def test_where_only_a_constant_sensor_has_a_level_there_is_one_view() -> None:
    assert len(fit(TRAINING[:, 2:], np.ones(N_TRAINING, bool), ONE_SEGMENT).views) == 1


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 600), min_size=1, max_size=5).map(sorted), border=st.integers(0, 600))
def test_wandering_sensors_scored_piece_by_piece_equal_scoring_at_once(cuts: list[int], border: int) -> None:
    segment = (np.arange(600) >= border).astype(np.int64)
    whole, state, pieces = DETECTOR.score(FRESH, segment)[0], None, []
    for first, last in zip([0, *cuts], [*cuts, 600], strict=True):
        scores, state = DETECTOR.score(FRESH[first:last], segment[first:last], state)
        pieces.append(scores)
    assert np.concatenate([piece.anomaly for piece in pieces]).tobytes() == whole.anomaly.tobytes()
    assert np.concatenate([piece.contribution for piece in pieces]).tobytes() == whole.contribution.tobytes()


def test_saved_and_loaded_with_two_views_it_scores_the_same_to_the_bit() -> None:
    segment = np.zeros(600, np.int64)
    ours, theirs = DETECTOR.score(FRESH, segment)[0], load(save(DETECTOR)).score(FRESH, segment)[0]
    assert ours.anomaly.tobytes() == theirs.anomaly.tobytes()
    assert ours.contribution.tobytes() == theirs.contribution.tobytes()


def test_a_walk_that_goes_on_beyond_training_hardly_alarms_and_a_jump_of_it_does() -> None:
    rng = np.random.default_rng(3)
    later = wandering(N_TRAINING, 3)
    later[:, :2] = TRAINING[~np.isnan(TRAINING).any(axis=1)][-1, :2] + np.cumsum(rng.normal(0, 0.1, (N_TRAINING, 2)), 0)
    assert np.nanmean(DETECTOR.score(later, ONE_SEGMENT)[0].alarm) < 0.1
    later[1000:, 0] += 12
    scores = DETECTOR.score(later, ONE_SEGMENT)[0]
    assert scores.alarm[1010:1060].mean() > 0.9
    assert scores.contribution[1010:1060].mean(axis=0).argmax() == 0


def test_a_level_never_seen_is_a_deviation_for_five_spans_and_then_accepted() -> None:
    span = 20
    left = followed(follower(span), np.r_[np.zeros(100), np.full(400, 50.0)])
    accepted = 100 + int(UNKNOWN_SPANS * span)
    assert (left[100:accepted] > FAR_SPREADS).all()
    assert (np.abs(left[accepted:]) < 1).all()


def test_a_sensor_that_comes_back_to_where_it_had_wandered_is_soon_at_home_there() -> None:
    wandered = np.r_[np.linspace(0, 30, 600), np.full(100, 30.0)]
    left = followed(follower(), np.r_[wandered, np.full(60, 1.0), np.full(100, 30.0)])
    assert (np.abs(left[:700]) < FAR_SPREADS).all()
    assert (np.abs(left[720:760]) < 1).all()
    assert np.abs(left[760]) > FAR_SPREADS
    assert (np.abs(left[790:]) < 1).all()


def test_a_fault_that_was_accepted_because_it_lasted_deviates_as_long_when_it_comes_again() -> None:
    span, fault = 20, np.full(400, 50.0)
    left = followed(follower(span), np.r_[np.zeros(100), fault, np.zeros(100), fault])
    lasts = int(UNKNOWN_SPANS * span)
    for first in (100, 600):
        assert (left[first : first + lasts] > FAR_SPREADS).all()
        assert (np.abs(left[first + lasts : first + 400]) < 1).all()


def test_a_segment_begins_where_it_begins_unless_training_never_was_there() -> None:
    assert followed(follower(), np.full(5, 2.0))[0] == 0.0
    assert followed(follower(), np.full(5, 5.0))[0] == 2.0


def test_a_constant_sensor_that_rests_elsewhere_from_the_start_of_a_segment_is_no_evidence() -> None:
    rows, segment = wandering(600, 4), np.zeros(600, np.int64)
    elsewhere = rows.copy()
    elsewhere[:, 4] = np.where(np.isnan(rows[:, 4]), np.nan, 9.0)
    ours, theirs = DETECTOR.score(rows, segment)[0], DETECTOR.score(elsewhere, segment)[0]
    assert np.array_equal(ours.anomaly, theirs.anomaly, equal_nan=True)


def test_missing_readings_leave_the_level_as_it_is() -> None:
    column = np.r_[np.ones(50), np.full(30, np.nan), np.ones(50)]
    left = followed(follower(), column)
    assert np.array_equal(np.isnan(left), np.isnan(column))
    assert (left[~np.isnan(column)] == 0).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), n=st.integers(1, 200), span=st.sampled_from([8, 32]))
def test_smoothing_by_doubling_equals_the_weighted_mean_row_by_row(seed: int, n: int, span: int) -> None:
    rng = np.random.default_rng(seed)
    values, segment = rng.normal(size=(n, 2)), np.sort(rng.integers(0, 3, n))
    decay, expected = 1 - 2 / (span + 1), np.empty((n, 2))
    for row in range(n):
        reach = [r for r in range(max(row - REACH_SPANS * span + 1, 0), row + 1) if segment[r] == segment[row]]
        expected[row] = np.average(values[reach], axis=0, weights=[decay ** (row - r) for r in reach])
    # 1e-12: the same sum in another order.
    assert np.allclose(smoothed(values, segment, span), expected, rtol=0, atol=1e-12)


def test_what_cannot_be_learned_from_is_said_with_value_and_limit() -> None:
    few = TRAINING_ROWS_MIN - 1
    with pytest.raises(
        TrainingError, match=f"^{few} rows of normal readings are there; {TRAINING_ROWS_MIN} are needed"
    ):
        fit(TRAINING[:few], np.ones(few, bool), ONE_SEGMENT[:few])
    with pytest.raises(TrainingError, match="every sensor is constant over all normal rows"):
        fit(np.full((300, 2), 5.0), np.ones(300, bool), np.zeros(300, np.int64))


def test_levels_are_learned_of_a_sensor_without_a_reading() -> None:
    rows = np.column_stack([TRAINING[:, 0], np.full(N_TRAINING, np.nan)])
    levels = fit_levels(rows, ONE_SEGMENT, np.array([False, False]), N_TRAINING)
    assert np.isfinite(levels.spread).all()
    assert levels.weight[1] == 0
