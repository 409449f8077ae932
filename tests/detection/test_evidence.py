"""Evidence of events: the kind and its reason, what was expected, since when; the same piece by piece as at once."""

from collections.abc import Callable

import numpy as np
import pytest

from detection.test_robust import FAULT, N_LIVE, SIX, constant_moves, enormous, fitted, frozen, plant, rescaled, swapped
from openlookout.detection.contract import Floats
from openlookout.detection.ensemble import Ensemble
from openlookout.detection.evidence import pointwise_expected
from openlookout.detection.evidence_record import gone_on
from openlookout.detection.model_file import load, save
from openlookout.detection.recent import Explained, Recent, explain, recent_of, remembered, scored_rows
from openlookout.detection.similar import similarities, similarity

RATE_US = 60_000_000
NAMES = [f"pump\\s{k}" for k in range(12)]
SLOPES = np.random.default_rng(99).normal(0, 1, (2, 6))


def explained(rows: Floats, cuts: list[int] | None = None, detector: Ensemble = SIX) -> list[Explained]:
    """The events of rows, scored in pieces; of an event that went on the last record."""
    segment, times = np.zeros(len(rows), np.int64), np.arange(len(rows)) * RATE_US
    names = NAMES[: rows.shape[1]]
    state, before, found = None, None, []
    for first, last in zip([0, *(cuts or [])], [*(cuts or []), len(rows)], strict=True):
        part = slice(first, last)
        scores, state = detector.score(rows[part], segment[part], state)
        scored = scored_rows(times[part], segment[part], rows[part], scores)
        events = explain(detector, scored, scores.contribution, rate_us=RATE_US, names=names, before=before)
        before = recent_of(remembered(scored, before).arrays())
        if found and events and events[0].event.start_us == found[-1].event.end_us:
            found.pop()
        found += events
    return found


def longest(rows: Floats, detector: Ensemble = SIX) -> Explained:
    return max(explained(rows, detector=detector), key=lambda each: each.event.end_us - each.event.start_us)


def noisy(rows: Floats) -> None:
    rows[FAULT, 2] += np.random.default_rng(0).normal(0, 1, 300)


def spike(rows: Floats) -> None:
    rows[300, 2] += 30


def drifts(rows: Floats) -> None:
    rows[FAULT, 2] += np.linspace(0, 3, 300)


def relations_change(rows: Floats) -> None:
    other = np.random.default_rng(5).normal(0, 1, (2, 6))
    causes = np.column_stack([np.sin(np.arange(N_LIVE) / 17), np.cos(np.arange(N_LIVE) / 41)])
    rows[FAULT, :5] += (causes @ (other - SLOPES))[FAULT, :5]


def another_way_of_working(rows: Floats) -> None:
    """What drives the sensors is where it never was; how it drives them is as ever."""
    rows[FAULT, :5] += (np.array([3.0, 2.0]) @ SLOPES)[:5]


KINDS: dict[Callable[[Floats], None], tuple[str, str]] = {
    frozen: ("instrument", "s2 stands still at"),
    rescaled: ("instrument", "s2 follows what is expected of it, times"),
    enormous: ("instrument", "s2 stands still at 1e+37"),
    swapped: ("instrument", "s1 and pump\\s2 read as if they were exchanged"),
    noisy: ("instrument", "s2 is"),
    spike: ("instrument", "s2 jumps away for 1 row"),
    drifts: ("machine", "s2 departs"),
    relations_change: ("machine", ""),
    constant_moves: ("machine", "s5"),
    another_way_of_working: ("unseen_mode", "relations between them hold"),
}


@pytest.mark.parametrize("fault", KINDS)
def test_the_kind_is_told_with_its_reason(fault: Callable[[Floats], None]) -> None:
    rows = plant(N_LIVE, 6, 1)
    fault(rows)
    record = longest(rows).evidence
    kind, said = KINDS[fault]
    assert record["kind"] == kind, record["reason"]
    assert said in record["reason"]
    assert record["reason"].endswith(".")


def test_a_broken_sensor_is_held_against_what_the_others_let_expect_in_its_units() -> None:
    rows = plant(N_LIVE, 6, 1)
    was = rows.copy()
    rescaled(rows)
    record = longest(rows).evidence
    led = record["sensors"][0]
    assert led["sensor"] == "pump\\s2"
    assert record["onset_order"] == ["pump\\s2"]
    row = int(np.argmin(np.abs(rows[:, 2] - (led["measured"] or 0))))
    assert led["measured"] == pytest.approx(rows[row, 2], rel=1e-6)
    low, expected, high = (led[name] for name in ("low", "expected", "high"))
    assert low is not None
    assert expected is not None
    assert high is not None
    assert low < expected < high
    assert low - 0.1 < was[row, 2] < high + 0.1
    others = [each for each in record["sensors"][1:] if each["contribution"] > 0]
    assert all(each["onset"] is None for each in others)


def test_sensors_are_named_in_the_order_in_which_they_departed() -> None:
    rows = plant(N_LIVE, 12, 1)
    for sensor, first in ((3, 200), (1, 240), (4, 290)):
        rows[first:500, sensor] += 4
    record = longest(rows, fitted(12)).evidence
    assert record["onset_order"] == ["pump\\s3", "pump\\s1", "pump\\s4"]
    onsets = {each["sensor"]: each["onset"] for each in record["sensors"]}
    for sensor, first in ((3, 200), (1, 240), (4, 290)):
        at = np.datetime64(onsets[f"pump\\s{sensor}"]).astype("datetime64[us]").astype(int) / RATE_US
        assert abs(at - first) <= 3


def test_onset_looks_back_before_the_alarm() -> None:
    rows = plant(N_LIVE, 6, 1)
    rows[200:500, 2] += np.linspace(0, 1.5, 300)
    first = longest(rows)
    onset = np.datetime64(first.evidence["sensors"][0]["onset"]).astype("datetime64[us]").astype(int)
    assert 200 * RATE_US <= onset < first.event.first_us


def test_bands_hold_the_share_of_fresh_normal_readings_that_they_promise() -> None:
    inside = []
    for seed in range(1, 6):
        rows = plant(N_LIVE, 6, seed)
        scores, _ = SIX.score(rows, np.zeros(N_LIVE, np.int64))
        expected, _ = pointwise_expected(SIX.scaling, SIX.expectation, rows, scores.steady, scores.alarm)
        low, high = SIX.scaling.scale * SIX.expectation.low, SIX.scaling.scale * SIX.expectation.high
        inside.append(((rows >= expected + low) & (rows <= expected + high))[:, :5].mean())
    # 15,000 readings at .99; neighbouring rows are independent here but for the two causes.
    assert np.mean(inside) == pytest.approx(0.99, abs=0.005)


@pytest.mark.parametrize("fault", [frozen, drifts, swapped, relations_change, spike])
@pytest.mark.parametrize("cuts", [[250], [199, 201, 230, 300], list(range(20, N_LIVE, 20))])
def test_piece_by_piece_the_evidence_is_what_it_is_at_once(fault: Callable[[Floats], None], cuts: list[int]) -> None:
    rows = plant(N_LIVE, 6, 1)
    fault(rows)
    at_once, pieces = explained(rows), explained(rows, cuts)
    assert [each.event.end_us for each in pieces] == [each.event.end_us for each in at_once]
    for ours, theirs in zip(pieces, at_once, strict=True):
        for part in ("kind", "reason", "onset_order"):
            assert ours.evidence[part] == theirs.evidence[part]  # type: ignore[literal-required]


def test_what_is_remembered_is_bounded_however_long_an_event_lasts() -> None:
    rows = np.tile(plant(N_LIVE, 6, 1), (4, 1))
    rows[300:, 2] += 5
    scores, _ = SIX.score(rows, np.zeros(len(rows), np.int64))
    scored = scored_rows(np.arange(len(rows)) * RATE_US, np.zeros(len(rows), np.int64), rows, scores)
    recent = remembered(scored)
    assert len(recent.timestamps) == 128 + 256 + 128


def test_a_saved_detector_explains_the_same() -> None:
    rows = plant(N_LIVE, 6, 1)
    frozen(rows)
    again = explained(rows, detector=load(save(SIX)))
    assert [each.evidence for each in again] == [each.evidence for each in explained(rows)]


@pytest.mark.parametrize("n_missing", [1, 3, 5])
def test_evidence_is_there_whatever_is_missing(n_missing: int) -> None:
    rows = plant(N_LIVE, 6, 1)
    frozen(rows)
    rows[:, [0, 4, 3, 1, 5][:n_missing]] = np.nan
    for each in explained(rows):
        missing = [part for part in each.evidence["sensors"] if part["measured"] is None]
        assert not missing
    rows[FAULT, 2] = np.nan
    explained(rows)


def test_an_event_that_goes_on_keeps_each_sensors_worst_row() -> None:
    rows = plant(N_LIVE, 6, 1)
    drifts(rows)
    whole = longest(rows).evidence
    earlier = whole | {"sensors": [each | {"measured": 1e6} for each in whole["sensors"][:2]]}
    shares = {each["sensor"]: each["contribution"] for each in whole["sensors"]}
    merged = gone_on(earlier, whole, shares)
    assert [each["sensor"] for each in merged["sensors"]] == [each["sensor"] for each in whole["sensors"]]
    assert [each["measured"] for each in merged["sensors"][:2]] == [1e6, 1e6]
    assert merged["sensors"][2:] == whole["sensors"][2:]
    assert gone_on(None, whole, shares) == whole


def test_an_event_is_most_like_one_of_the_same_fault() -> None:
    records = []
    for fault, seed in ((frozen, 1), (frozen, 2), (relations_change, 3), (another_way_of_working, 4)):
        rows = plant(N_LIVE, 6, seed)
        fault(rows)
        records.append(longest(rows).evidence)
    alike = similarities(records[0], records)
    assert alike[0] == pytest.approx(1)
    assert alike[1] > max(alike[2:])
    assert similarity(records[2], records[3]) == similarity(records[3], records[2])
    assert ((alike >= 0) & (alike <= 1)).all()
    assert similarities(records[0], []).shape == (0,)


def test_a_scored_row_is_remembered_as_it_was() -> None:
    rows = plant(50, 6, 1)
    scores, _ = SIX.score(rows, np.zeros(50, np.int64))
    recent: Recent = scored_rows(np.arange(50), np.zeros(50, np.int64), rows, scores)
    again = recent_of(recent.arrays())
    assert all(
        np.array_equal(ours, theirs) for ours, theirs in zip(vars(again).values(), vars(recent).values(), strict=True)
    )
