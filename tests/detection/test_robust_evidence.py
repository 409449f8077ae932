"""Whatever comes from a plant, events are explained with figures that are figures: late, gappy, narrow, wide, empty."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from detection.test_evidence import explained
from detection.test_robust import FAULT, N_LIVE, SIX, fitted, plant, scored
from openlookout.detection.contract import Floats
from openlookout.detection.evidence_record import SENSORS_MAX
from openlookout.detection.recent import Explained, explain, scored_rows

WIDTHS = {n: fitted(n) for n in (1, 2, 300)}


def late(rows: Floats) -> None:
    """Sensor 2 says what it said eight rows ago."""
    rows[FAULT, 2] = rows[FAULT.start - 8 : FAULT.stop - 8, 2]


def gaps(rows: Floats) -> None:
    """No sensor for a while, then one after the other again; one of them is off."""
    rows[230:260] = np.nan
    for k in range(6):
        rows[260 : 262 + 3 * k, k] = np.nan
    rows[FAULT, 2] += 4


def missing_but_one(rows: Floats) -> None:
    rows[:, [0, 1, 3, 4, 5]] = np.nan
    rows[FAULT, 2] += 40


def everything_flat(rows: Floats) -> None:
    rows[FAULT] = rows[FAULT.start]


def every_second_reading(rows: Floats) -> None:
    rows[::2, 2] = np.nan
    rows[FAULT, 2] += 4


def check(events: list[Explained], n_sensors: int) -> None:
    for each in events:
        record = each.evidence
        json.dumps(record, allow_nan=False)
        assert record["kind"] in ("machine", "instrument", "unseen_mode")
        assert record["reason"].endswith(".")
        assert len(record["sensors"]) <= min(SENSORS_MAX, n_sensors)
        shares = [part["contribution"] for part in record["sensors"]]
        assert shares == sorted(shares, reverse=True)
        for part in record["sensors"]:
            low, expected, high = part["low"], part["expected"], part["high"]
            assert low is None or expected is None or high is None or low <= expected <= high


@pytest.mark.parametrize("fault", [late, gaps, missing_but_one, everything_flat, every_second_reading])
def test_events_are_explained_whatever_is_wrong(fault: Callable[[Floats], None]) -> None:
    rows = plant(N_LIVE, 6, 1)
    fault(rows)
    scored(SIX, rows)
    events = explained(rows)
    check(events, 6)
    if fault is not everything_flat:  # Each sensor agrees with the others: no alarm is promised.
        longest = max(events, key=lambda each: each.event.end_us - each.event.start_us)
        led = [part["sensor"] for part in longest.evidence["sensors"][: 2 if fault is late else 1]]
        assert "pump\\s2" in led


@pytest.mark.parametrize("n_sensors", WIDTHS)
def test_one_sensor_and_three_hundred_are_explained(n_sensors: int) -> None:
    detector, rows = WIDTHS[n_sensors], plant(N_LIVE, n_sensors, 1)
    rows[FAULT, 0] = rows[FAULT.start, 0] + 8
    scores = scored(detector, rows)
    scored_live = scored_rows(np.arange(N_LIVE) * 60_000_000, np.zeros(N_LIVE, np.int64), rows, scores)
    names = [f"pump\\s{k}" for k in range(n_sensors)]
    events = explain(detector, scored_live, scores.contribution, rate_us=60_000_000, names=names)
    check(events, n_sensors)
    longest = max(events, key=lambda each: each.event.end_us - each.event.start_us)
    assert longest.evidence["kind"] == "instrument"
    assert longest.evidence["reason"].startswith("pump\\s0 stands still")
