"""The report of which planted faults a detector would find: bounded, repeatable, and true of faults planted by hand."""

import json

import numpy as np
import pytest

from detection.test_robust import fitted, plant
from openlookout.detection import detectability
from openlookout.detection.contract import Floats
from openlookout.detection.detectability import SIZES, Detectability, examine
from openlookout.detection.training import fit

RATE_US = 60_000_000
N_SENSORS = 5


def examined(rows: Floats, **changed: object) -> Detectability:
    n = len(rows)
    normal, segment = np.ones(n, bool), np.zeros(n, np.int64)
    given = {"names": [f"pump\\s{k}" for k in range(rows.shape[1])], "rate_us": RATE_US, "seed": 0} | changed
    return examine(fit(rows, normal, segment), rows, normal, segment, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def report() -> Detectability:
    return examined(plant(2_000, N_SENSORS, 0))


def test_every_sensor_that_moves_is_examined_with_every_fault(report: Detectability) -> None:
    assert report["rows"] == "held_out"
    assert [each["sensor"] for each in report["sensors"]] == [f"pump\\s{k}" for k in range(4)]
    assert report["not_examined"] == ["pump\\s4"]  # It is constant.
    for each in report["sensors"]:
        assert set(each["faults"]) == set(SIZES)
        for fault, smallest in each["faults"].items():
            assert smallest["size"] is None or smallest["size"] in SIZES[fault]  # type: ignore[index]
            assert (smallest["size"] is None) == (smallest["delay_seconds"] is None)
    json.dumps(report, allow_nan=False)


def test_sizes_are_said_in_sigmas_and_in_the_sensors_units(report: Detectability) -> None:
    spread = fitted(N_SENSORS).scaling.scale
    for k, each in enumerate(report["sensors"]):
        assert each["sigma"] == pytest.approx(spread[k], rel=0.1)
        step = each["faults"]["step"]
        assert step["size"] is not None
        assert step["in_units"] == pytest.approx(step["size"] * each["sigma"], rel=1e-4)
        assert each["faults"]["lost_correlation"]["in_units"] is None


def test_a_fault_of_the_size_told_is_found_by_a_detector_of_the_same_plant(report: Detectability) -> None:
    detector, rows = fitted(N_SENSORS), plant(600, N_SENSORS, 7)
    for k, each in enumerate(report["sensors"]):
        size = each["faults"]["step"]["in_units"]
        assert size is not None
        faulty = rows.copy()
        faulty[300:, k] += 2 * size
        assert detector.score(faulty, np.zeros(600, np.int64))[0].alarm[300:364].any()


def test_only_a_sensor_that_others_tell_has_a_correlation_to_lose() -> None:
    rows = plant(2_000, 6, 0)
    rows[:, 2] = np.random.default_rng(5).normal(0, rows[:, 2].std(), len(rows))
    lost = {each["sensor"]: each["faults"]["lost_correlation"]["size"] for each in examined(rows)["sensors"]}
    assert lost["pump\\s1"] is not None
    assert lost["pump\\s2"] is None


def test_the_same_seed_gives_the_same_report(report: Detectability) -> None:
    assert examined(plant(2_000, N_SENSORS, 0)) == report


def test_of_wide_data_a_sample_is_examined_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectability, "ROWS_MAX", 8_000)
    found = examined(plant(1_000, 30, 0))
    assert len(found["sensors"]) == 2
    assert len(found["not_examined"]) == 28
    assert not {each["sensor"] for each in found["sensors"]} & set(found["not_examined"])


@pytest.mark.parametrize("n_rows", [220, 450])
def test_short_training_is_examined_on_its_own_rows_and_says_so(n_rows: int) -> None:
    found = examined(plant(n_rows, 3, 0))
    assert found["rows"] == "training"
    assert found["reason"] is None or not found["sensors"]


def test_segments_too_short_for_a_fault_are_a_reason() -> None:
    rows = plant(900, 3, 0)
    normal, segment = np.ones(900, bool), np.arange(900) // 30
    names = ["a\\a", "a\\b", "a\\c"]
    detector = fit(rows, normal, segment)
    found = examine(detector, rows, normal, segment, names=names, rate_us=RATE_US, seed=0)
    assert found["reason"] is not None
    assert found["sensors"] == []
    assert found["not_examined"] == names
