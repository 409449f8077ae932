"""What lies far beyond all of training alarms, also where training holds a regime that came once."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from openlookout.detection.contract import Floats, Integers
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.extremes import fit_extremes
from openlookout.detection.scaling import fit_scaling
from openlookout.detection.training import fit

DATA = Path(os.environ.get("BENCH_DATA", "/nowhere"))


def with_a_regime_seen_once(n: int, seed: int) -> Floats:
    """Twelve related sensors; a fifth of the rows is another way of working, of which nothing else tells."""
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(n) / 40)[:, None]
    slopes = np.random.default_rng(0).normal(0, 1, (2, 12))
    rows = load * slopes[0] + rng.normal(0, 0.05, (n, 12))
    inside = slice(n * 2 // 5, n * 3 // 5)
    rows[inside] = -3 * load[inside] * slopes[1] + 4 * slopes[1] + rng.normal(0, 0.5, (inside.stop - inside.start, 12))
    return np.asarray(rows)


def whole(rows: Floats) -> Integers:
    return np.zeros(len(rows), np.int64)


def fitted(rows: Floats) -> Ensemble:
    return fit(rows, np.ones(len(rows), bool), whole(rows))


@pytest.mark.parametrize("seed", range(3))
def test_two_sensors_twelve_deviations_away_alarm_after_a_regime_seen_once(seed: int) -> None:
    training = with_a_regime_seen_once(3_000, seed)
    detector = fitted(training)
    live = with_a_regime_seen_once(3_000, seed + 10)[:1_000]
    assert detector.score(live, whole(live))[0].alarm.mean() < 0.01
    live[500:644, [2, 7]] += 12 * training.std(axis=0)[[2, 7]]
    scores, _ = detector.score(live, whole(live))
    assert scores.alarm[501:644].all()
    assert not scores.alarm[700:].any()
    assert set(np.argsort(scores.contribution[502:644].mean(axis=0))[-2:].tolist()) == {2, 7}
    assert np.allclose(scores.contribution.sum(axis=1), 1)


@pytest.mark.skipif(not DATA.is_dir(), reason="BENCH_DATA names no folder of labelled equipment data")
def test_two_sensors_of_an_air_handler_twelve_deviations_away_alarm() -> None:
    frame = pl.read_parquet(DATA / "lbnl_ahu" / "mzvav-2-1.parquet")
    sensors = [name for name in frame.columns if name.startswith("AHU: ")]
    is_train, is_normal = frame["is_train"].to_numpy() == 1, frame["label"].to_numpy() == 0
    readings = frame.select(sensors).to_numpy().astype(np.float64)
    training, live = readings[is_train][::5], readings[~is_train & is_normal][::5]
    temperatures = [k for k, name in enumerate(sensors) if "Temperature" in name and training[:, k].std() > 0]
    detector = fitted(training)
    quiet = detector.score(live, whole(live))[0].alarm
    moved = live.copy()
    moved[300:444, temperatures[:2]] += 12 * training[:, temperatures[:2]].std(axis=0)
    scores, _ = detector.score(moved, whole(moved))
    assert not quiet[300:444].any()
    assert scores.alarm[301:444].all()
    assert set(np.argsort(scores.contribution[301:444].mean(axis=0))[-2:].tolist()) == set(temperatures[:2])


def test_a_counter_that_runs_on_is_not_beyond() -> None:
    rng = np.random.default_rng(0)
    n = 6_000
    rows = np.column_stack([np.arange(n) * 0.25, rng.normal(0, 1, n), rng.normal(5, 1, n)])
    detector = fitted(rows[:1_000])
    scores, _ = detector.score(rows[1_000:], whole(rows[1_000:]))
    assert (rows[-1, 0] > detector.extremes.high).any()
    assert scores.alarm.mean() < 0.01


def test_a_reading_is_beyond_two_ranges_from_the_ends_of_training_if_it_is_off_its_slow_level() -> None:
    even = np.tile(np.linspace(0.0, 1.0, 50), 20)
    rows = np.column_stack([even, even, np.full(1_000, 7.0), np.full(1_000, np.nan)])
    normal = np.ones(1_000, bool)
    rows[3], normal[3] = 100.0, False
    extremes = fit_extremes(rows, normal, fit_scaling(rows[normal]))
    readings = np.array([[-1.99, 2.99, 1e9, 1e9], [-2.01, 3.01, -1e9, -1e9], [np.nan, -1e9, 7.0, np.nan]])
    wanted = [[False, False, False, False], [True, True, False, False], [False, True, False, False]]
    assert extremes.beyond(readings, np.full((3, 4), 20.0)).tolist() == wanted
    assert not extremes.beyond(readings, np.zeros((3, 4))).any()


def test_scoring_piece_by_piece_meets_the_same_extremes() -> None:
    detector = fitted(with_a_regime_seen_once(3_000, 0))
    live = with_a_regime_seen_once(3_000, 10)[:200]
    live[50] += 100.0  # One row by itself, over the border of two pieces, and a stretch.
    live[100:102] += 100.0
    live[150:160, 3] -= 100.0
    at_once, state, pieces = detector.score(live, whole(live))[0], None, []
    for part in np.split(live, [51, 101, 155]):
        scores, state = detector.score(part, whole(part), state)
        pieces.append(scores)
    assert np.concatenate([piece.anomaly for piece in pieces]).tobytes() == at_once.anomaly.tobytes()
    assert np.concatenate([piece.contribution for piece in pieces]).tobytes() == at_once.contribution.tobytes()
