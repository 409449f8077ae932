"""Sensors that wander like random walks: how far they go is known, and several that go further alarm."""

import numpy as np
import pytest

from detection.test_evidence import explained
from openlookout.detection.contract import Floats, Integers
from openlookout.detection.drifting import EVIDENCE_MAX, LIMIT
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.evidence import gather
from openlookout.detection.look import Rows
from openlookout.detection.model_file import load, save
from openlookout.detection.training import fit

N_TRAINING, N_SENSORS = 2_400, 12


def walks(n: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    return np.asarray(np.cumsum(rng.normal(0, 0.1, (n, N_SENSORS)), axis=0) + rng.normal(0, 0.2, (n, N_SENSORS)))


def whole(rows: Floats) -> Integers:
    return np.zeros(len(rows), np.int64)


def fitted(rows: Floats) -> Ensemble:
    return load(save(fit(rows, np.ones(len(rows), bool), whole(rows))))


@pytest.fixture(scope="module")
def plant() -> tuple[Ensemble, Floats]:
    rows = walks(N_TRAINING + 1_200, 1)
    detector = fitted(rows[:N_TRAINING])
    assert detector.drifting.looks
    return detector, rows[N_TRAINING:]


def drifting(rows: Floats, sensors: list[int]) -> Floats:
    out = rows.copy()
    out[600:, sensors] += np.linspace(0, 12, 600)[:, None]
    return out


def test_three_of_twelve_that_drift_slowly_alarm_and_are_named(plant: tuple[Ensemble, Floats]) -> None:
    detector, rows = plant
    assert not detector.score(rows, whole(rows))[0].alarm.any()
    scores, _ = detector.score(drifting(rows, [3, 5, 8]), whole(rows))
    assert not scores.alarm[:600].any()
    assert scores.anyway[-100:].all()
    assert set(np.argsort(scores.contribution[-100:].mean(axis=0))[-3:].tolist()) == {3, 5, 8}
    assert np.allclose(scores.contribution.sum(axis=1), 1)


def test_no_sensor_drifts_to_an_alarm_by_itself(plant: tuple[Ensemble, Floats]) -> None:
    detector, rows = plant
    assert EVIDENCE_MAX < LIMIT
    still = rows[0] + np.random.default_rng(0).normal(0, 0.2, rows.shape)
    assert not detector.score(drifting(still, [3]), whole(still))[0].anyway.any()
    assert detector.score(drifting(still, [3, 5]), whole(still))[0].anyway.any()


def test_drift_is_the_same_to_the_bit_piece_by_piece_and_with_readings_missing(plant: tuple[Ensemble, Floats]) -> None:
    detector, rows = plant
    rows = drifting(rows, [3, 5, 8])
    rows[np.random.default_rng(0).random(rows.shape) < 0.05] = np.nan
    at_once, state, first = detector.score(rows, whole(rows))[0], None, 0
    for last in (1, 500, 901, 1_000, 1_100, 1_200):
        scores, state = detector.score(rows[first:last], whole(rows[first:last]), state)
        assert scores.anyway.tobytes() == at_once.anyway[first:last].tobytes()
        assert scores.contribution.tobytes() == at_once.contribution[first:last].tobytes()
        first = last
    assert at_once.anyway.any()


def test_what_returns_to_where_it_was_is_no_walk_and_is_not_judged_as_one() -> None:
    steps = np.random.default_rng(2).normal(0, 0.1, (N_TRAINING, N_SENSORS))
    returning = np.zeros_like(steps)
    for row in range(1, N_TRAINING):
        returning[row] = 0.985 * returning[row - 1] + steps[row]
    detector = fitted(returning)
    assert len(detector.drifting.which) > 1
    assert not detector.drifting.looks
    assert not fitted(walks(900, 3)).drifting.looks  # Too short to know what is slow.


def test_what_jumps_now_and_then_is_no_walk() -> None:
    rng = np.random.default_rng(4)
    jumps = np.where(rng.random((N_TRAINING, N_SENSORS)) < 0.003, rng.normal(0, 2, (N_TRAINING, N_SENSORS)), 0.0)
    assert not fitted(np.cumsum(jumps, axis=0) + rng.normal(0, 0.2, jumps.shape)).drifting.looks


def test_sensors_without_relations_are_never_said_to_be_exchanged(plant: tuple[Ensemble, Floats]) -> None:
    detector, rows = plant
    live = drifting(rows, [3, 5, 8])
    scores, _ = detector.score(live, whole(live))
    alarm = np.r_[False, scores.alarm, False].astype(int)
    told = []
    for first, last in zip(np.flatnonzero(np.diff(alarm) > 0), np.flatnonzero(np.diff(alarm) < 0), strict=True):
        seen = slice(max(first - 128, 0), last)
        shares = scores.contribution[first:last].mean(axis=0)
        event = Rows(
            np.arange(seen.start, last) * 3_600_000_000, live[seen], scores.steady[seen], first - seen.start, shares
        )
        told.append(gather(detector.scaling, detector.expectation, event, shares, [f"s{k}" for k in range(N_SENSORS)]))
    assert told
    assert not [each["reason"] for each in told if "exchanged" in each["reason"]]
    assert {each["sensor"] for each in told[-1]["sensors"][:3]} == {"s3", "s5", "s8"}


def test_an_event_that_drift_alone_raised_names_what_drifted(plant: tuple[Ensemble, Floats]) -> None:
    detector, rows = plant
    rows = drifting(rows[0] + np.random.default_rng(0).normal(0, 0.2, rows.shape), [3, 5])
    scores, units, _ = detector.score_and_units(rows, whole(rows))
    assert scores.anyway.any()
    assert not (detector.decides(units, whole(rows), detector.span) > detector.limit).any()
    records = [each.evidence for each in explained(rows, detector=detector)]
    for record in records:
        assert record["kind"] == "machine", record["reason"]
        assert "row to row" not in record["reason"]
        assert {each["sensor"] for each in record["sensors"][:2]} == {"pump\\s3", "pump\\s5"}
        assert set(record["onset_order"]) <= {"pump\\s3", "pump\\s5"}
        led = record["sensors"][0]
        assert led["measured"] is not None
        assert led["expected"] is not None
        assert led["measured"] > led["expected"] + 1
    assert any("s5 and pump\\s3 have drifted slowly" in record["reason"] for record in records)


def test_a_way_of_working_that_comes_and_goes_leaves_no_drift_behind(plant: tuple[Ensemble, Floats]) -> None:
    detector, rows = plant
    assert not detector.score(rows, whole(rows))[0].anyway.any()
    visited = rows.copy()
    visited[400:560] += 10 * np.where(np.arange(N_SENSORS) % 2, 1, -1)
    scores, _ = detector.score(visited, whole(rows))
    assert scores.alarm[400:440].any()
    assert not scores.anyway[600:].any()


def test_a_state_of_an_earlier_version_is_gone_on_with(plant: tuple[Ensemble, Floats]) -> None:
    detector, rows = plant
    _, state = detector.score(rows[:500], whole(rows[:500]))
    earlier = {name: value for name, value in state.items() if name not in ("left_level", "moved", "jumped")}
    scores, _ = detector.score(rows[500:], whole(rows[500:]), earlier)
    whole_scores = detector.score(rows, whole(rows))[0]
    assert scores.anomaly.tobytes() == whole_scores.anomaly[500:].tobytes()
