"""What another limit would have done: the sweep is the detector with that limit, to the bit, and counts as metrics do."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.test_promises import fitted, plant
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.evaluate import Labels, model_metrics
from openlookout.detection.events import find_events
from openlookout.detection.model_file import load, save
from openlookout.detection.what_if import FACTOR_MAX, FACTOR_MIN, Deciding, Replayed, deciding, outcome, with_factor

FACTORS = [FACTOR_MIN, 0.83, 0.95, 1.0, 1.0000001, 1.2, 2.0, FACTOR_MAX]
RATE_US = 60_000_000


@pytest.fixture(scope="module")
def detector() -> Ensemble:
    return fitted(*plant(2000, 1))


def faulty(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with faults of several sizes, among them rows without any reading."""
    readings, segment = plant(1500, seed)
    for number, start in enumerate(range(100, 1500, 200)):
        readings[start : start + 40, number % 3] *= 1 + 0.2 * number  # The largest lie beyond all of training.
    readings[300:1500:97] = np.nan
    return readings, segment


def what_decides(detector: Ensemble, readings: np.ndarray, segment: np.ndarray) -> Deciding:
    scores, units, _ = detector.score_and_units(readings, segment)
    return deciding(detector, scores, units, segment)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_alarms_where_the_detector_with_that_limit_does(detector: Ensemble, factor: float) -> None:
    readings, segment = faulty(5)
    swept = what_decides(detector, readings, segment).alarm(factor)
    scored, _ = load(save(with_factor(detector, factor))).score(readings, segment)
    assert np.array_equal(swept, scored.alarm)
    assert swept.any()


def test_a_factor_of_one_is_the_detector_itself(detector: Ensemble) -> None:
    readings, segment = faulty(6)
    assert np.array_equal(
        what_decides(detector, readings, segment).alarm(1.0), detector.score(readings, segment)[0].alarm
    )
    assert with_factor(detector, 1.0).limit.hex() == detector.limit.hex()


def test_a_higher_limit_alarms_nowhere_that_a_lower_one_does_not(detector: Ensemble) -> None:
    found = what_decides(detector, *faulty(7))
    alarms = [found.alarm(factor) for factor in FACTORS]
    for lower, higher in pairwise(alarms):
        assert not (higher & ~lower).any()
    assert alarms[0].sum() > alarms[-1].sum()


def test_only_the_rows_that_alarm_at_the_lowest_factor_matter_at_the_others(detector: Ensemble) -> None:
    found = what_decides(detector, *faulty(8))
    possible = found.possible(FACTOR_MIN)
    few = found.taken(possible)
    assert len(few.score) < len(found.score)
    for factor in FACTORS:
        assert np.array_equal(few.alarm(factor), found.alarm(factor)[possible])


def test_what_alarms_for_another_reason_alarms_at_every_factor(detector: Ensemble) -> None:
    readings, segment = faulty(9)
    scores, units, _ = detector.score_and_units(readings, segment)
    quiet = np.flatnonzero(~scores.alarm & ~np.isnan(scores.anomaly))[:3]
    anomaly = scores.anomaly.copy()
    anomaly[quiet] = 0.9
    found = deciding(detector, replace(scores, anomaly=anomaly), units, segment)
    assert found.alarm(1.0).sum() == scores.alarm.sum() + 3
    assert all(found.alarm(factor)[quiet].all() for factor in FACTORS)


@settings(deadline=None)  # On a busy machine one example can take long.
@given(
    alarm=st.lists(st.booleans(), max_size=60),
    marks=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 20), st.booleans()), max_size=4),
    border=st.integers(0, 59),
)
def test_what_is_counted_is_what_the_metrics_of_an_evaluation_count(
    alarm: list[bool], marks: list[tuple[int, int, bool]], border: int
) -> None:
    times = RATE_US * np.arange(len(alarm), dtype=np.int64)
    segment = (np.arange(len(alarm)) >= border).astype(np.int64)
    ranges = [
        [(a * RATE_US, (a + n) * RATE_US) for a, n, is_neutral in marks if is_neutral is kind] for kind in (False, True)
    ]
    labels = Labels(anomalies=ranges[0], neutral=ranges[1])
    found = outcome(times, segment, np.array(alarm, bool), labels, RATE_US)
    events = find_events(times, np.array(alarm, bool), segment, np.full((len(alarm), 1), 1.0), RATE_US)
    said = json.loads(model_metrics(events, labels.anomalies, ["c\\a"], labels.neutral))
    assert [tuple(event) for event in found.events.tolist()] == [event.rows for event in events]
    assert found.n_found == said["labeled_event_metrics"]["num_identified"]
    warned = sum(warning for warning in found.warnings if warning is not None)
    assert warned / 1e6 == said["labeled_event_metrics"]["total_warning_time_in_seconds"]
    assert int(found.is_false.sum()) == said["unknown_event_metrics"]["num_identified"]
    assert found.false_us / 1e6 == said["unknown_event_metrics"]["total_duration_in_seconds"]


def test_a_curve_has_at_each_factor_what_the_factor_comes_to(detector: Ensemble) -> None:
    readings, segment = faulty(11)
    times = RATE_US * np.arange(len(segment), dtype=np.int64)
    is_shown = np.random.default_rng(0).random(len(segment)) > 0.1
    replayed = Replayed(times, segment, is_shown, what_decides(detector, readings, segment), RATE_US)
    labels = Labels(anomalies=[(start * RATE_US, (start + 40) * RATE_US) for start in range(300, 1500, 200)])
    for factor, found in zip(FACTORS, replayed.curve(FACTORS, labels), strict=True):
        alone = replayed.outcome(factor, labels)
        assert (len(found.events), found.false_us, found.warnings) == (
            len(alone.events),
            alone.false_us,
            alone.warnings,
        )
        assert found.is_false.tolist() == alone.is_false.tolist()
    caught = [found.n_found for found in replayed.curve(FACTORS, labels)]
    assert caught == sorted(caught, reverse=True)
    assert caught[0] > caught[-1]
