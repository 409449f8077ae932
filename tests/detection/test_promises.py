"""The ten promises of the detector contract, kept by the ensemble and, where they speak of members, by each of them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.detection.contract import Floats, Integers
from openlookout.detection.ensemble import SHARED_CELLS_MIN, Ensemble
from openlookout.detection.gaussian import fit_gaussian
from openlookout.detection.members import fit_lagged, fit_level, fit_tails, fit_windowed
from openlookout.detection.model_file import ModelFileError, load, save
from openlookout.detection.rows import on_one_thread, times
from openlookout.detection.training import fit

N_SENSORS = 5
MEMBERS: dict[str, Callable[..., object]] = {
    "level": fit_level,
    "lagged": fit_lagged,
    "windowed": fit_windowed(5),
    "long windowed": fit_windowed(7),
    "tails": fit_tails,
}


def plant(n: int, seed: int) -> tuple[Floats, Integers]:
    """Related sensors with a slow load, one that is constant, some readings missing, in a few segments."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(n) / 30) + 0.3 * np.sin(np.arange(n) / 7.3)
    readings = np.column_stack(
        [
            300 + 20 * load + rng.normal(0, 1, n),
            5 + 2 * load + rng.normal(0, 0.2, n),
            1e-3 * load**2 + rng.normal(0, 1e-4, n),
            rng.normal(0, 3, n),
            np.full(n, 42.0),
        ]
    )
    readings[rng.random((n, N_SENSORS)) < 0.01] = np.nan
    readings[n // 3] = np.nan
    return readings, np.sort(rng.integers(0, 4, n))


def fitted(readings: Floats, segment: Integers) -> Ensemble:
    return fit(readings, np.ones(len(readings), bool), segment)


@pytest.fixture(scope="module")
def detector() -> Ensemble:
    return fitted(*plant(2000, 1))


FRESH = plant(700, 2)


def test_input_is_left_as_it_was(detector: Ensemble) -> None:
    readings, segment = plant(300, 3)
    before = readings.copy(), segment.copy()
    fitted(readings, segment)
    detector.score(readings, segment)
    assert np.array_equal(readings, before[0], equal_nan=True)
    assert np.array_equal(segment, before[1])


def test_the_same_rows_give_the_same_scores(detector: Ensemble) -> None:
    again = fitted(*plant(2000, 1))
    assert np.array_equal(again.score(*FRESH)[0].anomaly, detector.score(*FRESH)[0].anomaly, equal_nan=True)


def test_saved_and_loaded_it_scores_the_same_to_the_bit(detector: Ensemble) -> None:
    content = save(detector)
    loaded = load(content)
    ours, theirs = detector.score(*FRESH)[0], loaded.score(*FRESH)[0]
    assert ours.anomaly.tobytes() == theirs.anomaly.tobytes()
    assert ours.contribution.tobytes() == theirs.contribution.tobytes()


def test_scores_are_shares_of_one_and_contributions_sum_to_one(detector: Ensemble) -> None:
    scores, _ = detector.score(*FRESH)
    has = ~np.isnan(scores.anomaly)
    assert ((scores.anomaly[has] >= 0) & (scores.anomaly[has] <= 1)).all()
    assert (scores.contribution >= 0).all()
    assert np.allclose(scores.contribution[has].sum(axis=1), 1)
    assert (scores.contribution[~has] == 0).all()


def test_a_row_without_a_reading_has_no_score_and_others_have_one(detector: Ensemble) -> None:
    scores, _ = detector.score(*FRESH)
    assert np.array_equal(np.isnan(scores.anomaly), np.isnan(FRESH[0]).all(axis=1))


@settings(max_examples=25, deadline=None)
@given(k=st.integers(0, 700))
def test_no_row_looks_ahead(k: int) -> None:
    detector = _DETECTOR
    readings, segment = FRESH
    whole, head = detector.score(readings, segment)[0], detector.score(readings[:k], segment[:k])[0]
    assert head.anomaly.tobytes() == whole.anomaly[:k].tobytes()
    assert head.contribution.tobytes() == whole.contribution[:k].tobytes()


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 700), min_size=1, max_size=5).map(sorted))
def test_scoring_piece_by_piece_with_the_state_equals_scoring_at_once(cuts: list[int]) -> None:
    detector = _DETECTOR
    readings, segment = FRESH
    whole, state, pieces = detector.score(readings, segment)[0], None, []
    for first, last in zip([0, *cuts], [*cuts, 700], strict=True):
        scores, state = detector.score(readings[first:last], segment[first:last], state)
        pieces.append(scores)
    assert np.concatenate([piece.anomaly for piece in pieces]).tobytes() == whole.anomaly.tobytes()
    assert np.concatenate([piece.contribution for piece in pieces]).tobytes() == whole.contribution.tobytes()


def test_many_readings_shared_among_threads_score_as_few_do_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    n_sensors = 40
    causes = np.sin(np.arange(5600)[:, None] / rng.uniform(20, 400, 5))
    readings = causes @ rng.normal(0, 1, (5, n_sensors)) + rng.normal(0, 0.3, (5600, n_sensors))
    readings[:, :8] += np.cumsum(rng.normal(0, 0.05, (5600, 8)), axis=0)
    segment = np.zeros(5600, np.int64)
    detector = fitted(readings[:500], segment[:500])
    assert (len(readings) - 500) * n_sensors >= SHARED_CELLS_MIN
    whole, state, first = detector.score(readings[500:], segment[500:])[0], None, 500
    for last in (501, 640, 2000, 3333, 5600):
        scores, state = detector.score(readings[first:last], segment[first:last], state)
        assert scores.anomaly.tobytes() == whole.anomaly[first - 500 : last - 500].tobytes()
        assert scores.contribution.tobytes() == whole.contribution[first - 500 : last - 500].tobytes()
        first = last


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (40, 300), (120, 300), (300, 40), (300, 300), (600, 600), (77, 5)])
def test_a_product_gives_a_row_the_same_bits_wherever_it_stands(n_in: int, n_out: int) -> None:
    rng = np.random.default_rng(n_in)
    rows, matrix = rng.normal(0, 1, (400, n_in)), rng.normal(0, 1, (n_in, n_out))
    with on_one_thread():
        whole = times(rows, matrix)
        for first in (1, 2, 3, 5, 63, 128, 191, 192, 200, 399):
            assert times(rows[first:], matrix).tobytes() == whole[first:].tobytes()
            assert times(rows[:first], matrix).tobytes() == whole[:first].tobytes()


@pytest.mark.parametrize("n_features", [1, 5, 77, 300, 600])
def test_a_distance_in_single_precision_has_the_same_bits_wherever_a_row_stands(n_features: int) -> None:
    rng = np.random.default_rng(n_features)
    rows = rng.normal(0, 1, (400, n_features))
    gaussian = fit_gaussian(rows)
    with on_one_thread():
        whole = gaussian.scored(rows)
        for first in (1, 2, 3, 5, 63, 128, 191, 192, 200, 399):
            for part, which in ((rows[first:], slice(first, None)), (rows[:first], slice(first))):
                assert [each.tobytes() for each in gaussian.scored(part)] == [each[which].tobytes() for each in whole]


def test_single_precision_is_far_finer_than_a_sigma_even_of_sensors_that_are_nearly_copies() -> None:
    rng = np.random.default_rng(4)
    common = rng.normal(0, 1, (2000, 1))
    rows = common + rng.normal(0, 1e-3, (2000, 60))
    rows[-1, 0] += 8.0
    gaussian = fit_gaussian(rows[:1500])
    distances, squares = gaussian.scored(rows[1500:])
    off = rows[1500:] - gaussian.mean
    exact = off @ gaussian.precision
    assert distances == pytest.approx((off * exact).sum(axis=1) / 60, rel=5e-3)
    assert np.sqrt(squares) == pytest.approx(np.abs(exact) / np.sqrt(np.diag(gaussian.precision)), rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_missing_readings_never_raise(detector: Ensemble, share: float) -> None:
    readings, segment = plant(300, 4)
    readings[np.random.default_rng(0).random(readings.shape) < share] = np.nan
    scores, _ = detector.score(readings, segment)
    assert np.isfinite(scores.anomaly[~np.isnan(readings).all(axis=1)]).all()
    assert (scores.contribution[np.isnan(readings)] == 0).all()


def test_units_do_not_matter(detector: Ensemble) -> None:
    factor, offset = np.array([1000.0, 1e-3, 1.0, 9 / 5, 2.0]), np.array([0.0, 0.0, 273.15, 32.0, 5.0])
    readings, segment = plant(2000, 1)
    converted = fitted(readings * factor + offset, segment)
    theirs = converted.score(FRESH[0] * factor + offset, FRESH[1])[0]
    ours = detector.score(*FRESH)[0]
    # 1e-5: scores are rounded to five digits, and the last may fall on either side.
    assert np.allclose(theirs.anomaly, ours.anomaly, atol=1.1e-5, equal_nan=True)
    assert np.allclose(theirs.contribution, ours.contribution, atol=1e-6)


def test_the_order_of_sensors_does_not_matter(detector: Ensemble) -> None:
    order = np.array([3, 0, 4, 2, 1])
    readings, segment = plant(2000, 1)
    theirs = fitted(readings[:, order], segment).score(FRESH[0][:, order], FRESH[1])[0]
    ours = detector.score(*FRESH)[0]
    assert np.allclose(theirs.anomaly, ours.anomaly, atol=1.1e-5, equal_nan=True)
    assert np.allclose(theirs.contribution, ours.contribution[:, order], atol=1e-6)


FAULTS: dict[str, Callable[[Floats, float], Floats]] = {
    "step": lambda column, sigma: column + 6 * sigma,
    "drift": lambda column, sigma: column + np.linspace(0, 10, len(column)) * sigma,
    "noise": lambda column, sigma: column + np.random.default_rng(0).normal(0, 6, len(column)) * sigma,
}


@pytest.mark.parametrize("sensor", range(4))
@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_scores_higher_and_its_sensor_comes_first(detector: Ensemble, kind: str, sensor: int) -> None:
    readings, _ = plant(400, 5)
    segment = np.zeros(400, np.int64)
    faulty = readings.copy()
    rows = slice(200, 400)
    faulty[rows, sensor] = FAULTS[kind](readings[rows, sensor], float(detector.scaling.scale[sensor]))
    normal, found = detector.score(readings, segment)[0], detector.score(faulty, segment)[0]
    late = slice(300, 400)
    assert np.nanmean(found.anomaly[late]) > np.nanmean(normal.anomaly[late]) + 0.05
    assert found.contribution[late].mean(axis=0).argmax() == sensor


def test_a_constant_sensor_that_moves_is_a_fault(detector: Ensemble) -> None:
    readings, _ = plant(400, 6)
    segment = np.zeros(400, np.int64)
    moved = readings.copy()
    moved[200:, 4] += 0.5
    assert np.nanmean(moved[:, 4]) != 42.0
    found = detector.score(moved, segment)[0]
    assert np.nanmean(found.alarm[250:]) > 0.9
    assert found.contribution[250:].mean(axis=0).argmax() == 4


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_gives_a_row_the_same_bits_whatever_comes_after(name: str) -> None:
    readings, segment = plant(1500, 7)
    features = np.nan_to_num(_DETECTOR.scaling.deviations(readings))
    member = MEMBERS[name](features, segment, np.ones(1500, bool))
    whole, head = member.score(features, segment), member.score(features[:801], segment[:801])  # type: ignore[attr-defined]
    for ours, theirs in zip(head, whole, strict=True):
        assert ours.tobytes() == theirs[:801].tobytes()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04pickle", save(fitted(*plant(400, 9)))[:-40]])
def test_bytes_that_are_no_model_file_are_refused(content: bytes) -> None:
    with pytest.raises(ModelFileError, match="model file"):
        load(content)


_DETECTOR = fitted(*plant(2000, 1))
