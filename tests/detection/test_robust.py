"""What sensors do in plants: die, freeze, get swapped or rescaled, come late or not at all; and widths from 1 to 300."""

from collections.abc import Callable

import numpy as np
import pytest

from openlookout.detection.contract import Floats, Scores
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.training import fit

N_TRAINING, N_LIVE, FAULT = 2_000, 600, slice(200, 500)


def plant(n_rows: int, n_sensors: int, seed: int) -> Floats:
    """Sensors that two causes drive; the last one is constant."""
    rng = np.random.default_rng(seed)
    causes = np.column_stack([np.sin(np.arange(n_rows) / 17), np.cos(np.arange(n_rows) / 41)])
    slopes = np.random.default_rng(99).normal(0, 1, (2, n_sensors))
    rows = causes @ slopes + rng.normal(0, 0.1, (n_rows, n_sensors)) + np.arange(n_sensors)
    if n_sensors > 1:
        rows[:, -1] = 7.0
    return np.asarray(rows)


def fitted(n_sensors: int) -> Ensemble:
    return fit(plant(N_TRAINING, n_sensors, 0), np.ones(N_TRAINING, bool), np.zeros(N_TRAINING, np.int64))


SIX = fitted(6)


def scored(detector: Ensemble, rows: Floats) -> Scores:
    """The scores, which are what they must be whatever came."""
    scores, _ = detector.score(rows, np.zeros(len(rows), np.int64))
    has = ~np.isnan(rows).all(axis=1)
    assert np.isfinite(scores.anomaly[has]).all()
    assert ((scores.anomaly[has] >= 0) & (scores.anomaly[has] <= 1)).all()
    assert np.isnan(scores.anomaly[~has]).all()
    assert np.isfinite(scores.contribution).all()
    assert np.allclose(scores.contribution[has].sum(axis=1), 1)
    return scores


def dead(rows: Floats) -> None:
    rows[FAULT, 2] = np.nan


def frozen(rows: Floats) -> None:
    rows[FAULT, 2] = rows[FAULT.start, 2] + 2


def swapped(rows: Floats) -> None:
    rows[FAULT, 1], rows[FAULT, 2] = rows[FAULT, 2].copy(), rows[FAULT, 1].copy()


def rescaled(rows: Floats) -> None:
    rows[FAULT, 2] *= 1_000


def enormous(rows: Floats) -> None:
    rows[FAULT, 2] = 1e37


def constant_moves(rows: Floats) -> None:
    rows[FAULT, 5] = np.linspace(7, 9, FAULT.stop - FAULT.start)


def another_regime(rows: Floats) -> None:
    rows[FAULT, :5] = rows[FAULT, :5] * 3 + 20


FAULTS: dict[str, tuple[Callable[[Floats], None], set[int]]] = {
    "frozen": (frozen, {2}),
    "swapped": (swapped, {1, 2}),
    "rescaled": (rescaled, {2}),
    "enormous": (enormous, {2}),
    "a constant that moves": (constant_moves, {5}),
    "another regime": (another_regime, {0, 1, 2, 3, 4}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_is_seen_and_its_sensor_named(name: str) -> None:
    change, sensors = FAULTS[name]
    rows = plant(N_LIVE, 6, 1)
    assert scored(SIX, rows).alarm.mean() < 0.02
    change(rows)
    scores = scored(SIX, rows)
    alarm = scores.alarm[FAULT]
    assert alarm.mean() > 0.5
    assert int(scores.contribution[FAULT][alarm].mean(axis=0).argmax()) in sensors


def test_a_dead_sensor_has_no_share_and_the_others_are_judged_on() -> None:
    rows = plant(N_LIVE, 6, 1)
    dead(rows)
    scores = scored(SIX, rows)
    assert (scores.contribution[FAULT, 2] == 0).all()
    assert scores.alarm[FAULT].mean() < 0.05
    rows[300:400, 0] += 3
    assert scored(SIX, rows).alarm[320:400].mean() > 0.9


def test_sensors_missing_from_the_files_altogether_leave_the_rest() -> None:
    rows = plant(N_LIVE, 6, 1)
    rows[:, [1, 3, 4]] = np.nan
    scores = scored(SIX, rows)
    assert (scores.contribution[:, [1, 3, 4]] == 0).all()
    assert scores.alarm.mean() < 0.05
    rows[:] = np.nan
    assert np.isnan(scored(SIX, rows).anomaly).all()


@pytest.mark.parametrize("n_sensors", [1, 2, 300])
def test_any_width_is_trained_and_scored(n_sensors: int) -> None:
    detector = fitted(n_sensors)
    rows = plant(N_LIVE, n_sensors, 1)
    assert scored(detector, rows).alarm.mean() < 0.05
    rows[FAULT, 0] += 8
    scores = scored(detector, rows)
    assert scores.alarm[FAULT].mean() > 0.5
    assert int(scores.contribution[FAULT][scores.alarm[FAULT]].mean(axis=0).argmax()) == 0
