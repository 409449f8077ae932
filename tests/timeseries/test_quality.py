"""Statistics of a sensor: the service's definitions, held against arrays in plain sight."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.observation import SAMPLE_MAX, SensorObservation, has_modes
from openlookout.timeseries.quality import DAY_US, SensorStatistics, grade, quality_summary

GOOD = SensorStatistics(
    component="centrifugal-pump",
    sensor="Sensor0",
    n_rows=86_399,
    n_missing=0,
    n_invalid=0,
    n_bad_timestamps=0,
    n_duplicates=0,
    start_us=1_546_300_800_000_000,
    end_us=1_572_220_500_000_000,
    n_categories=None,
    has_operating_modes=True,
    n_gaps=0,
    gap_us_max=0,
    monotonicity=None,
)


def observed(times: np.ndarray, values: np.ndarray, cuts: tuple[int, ...] = ()) -> SensorObservation:
    one = SensorObservation()
    for t, v in zip(np.split(times, cuts), np.split(values, cuts), strict=True):
        one.observe(t, v)
    return one


@given(
    values=st.lists(st.integers(-6, 6), min_size=1, max_size=60),
    steps=st.lists(st.sampled_from([1, 60_000_000, 31 * DAY_US, 30 * DAY_US]), min_size=60, max_size=60),
    cuts=st.sets(st.integers(0, 60), max_size=4),
)
def test_every_answer_is_what_the_whole_array_says_however_it_is_cut(values, steps, cuts):
    array, times = np.array(values, float), np.cumsum(steps)[: len(values)]
    one = observed(times, array, tuple(sorted(cut for cut in cuts if cut <= len(values))))
    changes, gaps = np.diff(array), np.diff(times)
    distinct = len(set(values))
    expected = (
        "STATIC"
        if distinct == 1
        else "INCREASING"
        if (changes >= 0).all()
        else "DECREASING"
        if (changes <= 0).all()
        else None
    )
    assert one.monotonicity == expected
    assert one.n_categories == (distinct if distinct <= 10 else None)
    assert (one.start_us, one.end_us) == (times[0], times[-1])
    assert one.n_gaps == (gaps > 30 * DAY_US).sum()
    assert one.gap_us_max == max((int(gap) for gap in gaps if gap > 30 * DAY_US), default=0)


def test_the_sample_is_the_same_however_the_readings_are_cut():
    values = np.random.default_rng(0).normal(size=100_000)
    times = np.arange(100_000)
    whole, cut = observed(times, values), observed(times, values, tuple(range(777, 100_000, 777)))
    assert np.concatenate(whole._sample).tobytes() == np.concatenate(cut._sample).tobytes()
    assert 0 < sum(map(len, whole._sample)) <= SAMPLE_MAX


@pytest.mark.parametrize("seed", range(5))
def test_two_ranges_apart_are_modes_and_one_range_is_none(seed):
    rng = np.random.default_rng(seed)
    low, high = rng.normal(20, 1, 5000), rng.normal(30, 1, 2000)
    assert has_modes(np.concatenate([low, high]))
    assert has_modes(np.repeat([0.0, 1.0], [300, 60]))
    assert not has_modes(rng.normal(20, 1, 5000))
    assert not has_modes(rng.uniform(0, 1, 5000))
    assert not has_modes(rng.exponential(1, 5000))
    assert not has_modes(np.sin(np.linspace(0, 100, 5000)) + rng.normal(0, 0.05, 5000))
    # A few outliers are no mode.
    assert not has_modes(np.concatenate([rng.normal(20, 1, 5000), rng.normal(50, 1, 100)]))


def test_an_offset_does_not_hide_that_a_sensor_moves_nor_noise_of_rounding_that_it_stands():
    times = np.arange(1000)
    assert observed(times, 101_325 + np.sin(times)).monotonicity is None
    assert observed(times, 7.0 + 1e-12 * np.sin(times)).monotonicity == "STATIC"


def test_the_summary_is_the_recorded_row_with_its_numbers_absent():
    none = {"Count": 0, "Percentage": 0.0}
    fine = {"Status": "NO_ISSUE_DETECTED"}
    # Recorded from the real service (ListSensorStatistics, first row of the getting-started pump).
    assert GOOD.summary() == {
        "ComponentName": "centrifugal-pump",
        "SensorName": "Sensor0",
        "DataExists": True,
        "MissingValues": none,
        "InvalidValues": none,
        "InvalidDateEntries": none,
        "DuplicateTimestamps": none,
        "CategoricalValues": fine,
        "MultipleOperatingModes": {"Status": "POTENTIAL_ISSUE_DETECTED"},
        "LargeTimestampGaps": fine,
        "MonotonicValues": fine,
        "DataStartTime": 1_546_300_800_000_000,
        "DataEndTime": 1_572_220_500_000_000,
    }


def test_with_an_issue_the_summary_has_its_numbers_and_is_json():
    one = replace(
        GOOD, n_missing=43_200, n_categories=2, n_gaps=1, gap_us_max=31 * DAY_US + 5, monotonicity="INCREASING"
    )
    summary = json.loads(json.dumps(one.summary()))
    issue = "POTENTIAL_ISSUE_DETECTED"
    assert summary["MissingValues"] == {"Count": 43_200, "Percentage": pytest.approx(50.0, abs=0.01)}
    assert summary["CategoricalValues"] == {"Status": issue, "NumberOfCategory": 2}
    assert summary["LargeTimestampGaps"] == {
        "Status": issue,
        "NumberOfLargeTimestampGaps": 1,
        "MaxTimestampGapInDays": 31,
    }
    assert summary["MonotonicValues"] == {"Status": issue, "Monotonicity": "INCREASING"}


def test_without_a_reading_times_are_absent():
    summary = replace(GOOD, start_us=None, end_us=None).summary()
    assert summary["DataExists"] is False
    assert "DataStartTime" not in summary


@pytest.mark.parametrize(
    ("change", "level", "reason"),
    [
        ({"start_us": None, "end_us": None}, "LOW", "there is no reading"),
        ({"end_us": GOOD.start_us + 14 * DAY_US - 1}, "LOW", "14.0 days of data, 14 are needed"),
        ({"monotonicity": "STATIC"}, "LOW", "the value practically never changes"),
        ({"n_gaps": 2, "gap_us_max": 40 * DAY_US}, "MEDIUM", "2 gaps longer than 30 days, the longest 40 days"),
        ({"n_missing": 8640}, "MEDIUM", "10.0 % of the values are missing"),
        ({"n_categories": 10}, "MEDIUM", "only 10 different values"),
        ({"n_invalid": 1}, "MEDIUM", "1 values are not numbers"),
        ({"n_duplicates": 1}, "MEDIUM", "1 rows have a timestamp that another row has too"),
        ({"has_operating_modes": True}, "MEDIUM", "the values shift between ranges: several operating modes"),
    ],
)
def test_each_rule_of_the_guide_gives_its_grade_and_says_why(change, level, reason):
    assert grade(replace(GOOD, has_operating_modes=False)) == ("HIGH", ())
    assert grade(replace(GOOD, **({"has_operating_modes": False} | change))) == (level, (reason,))


def test_fourteen_days_are_long_enough_and_ten_percent_missing_few_enough():
    long = replace(GOOD, has_operating_modes=False, end_us=GOOD.start_us + 14 * DAY_US)
    assert grade(long)[0] == "HIGH"
    assert grade(replace(long, n_rows=100, n_missing=10))[0] == "HIGH"


def test_the_quality_summary_of_good_data_is_the_recorded_one():
    # Recorded from the real service (DescribeDataIngestionJob).
    assert quality_summary([GOOD]) == {
        "InsufficientSensorData": {
            "MissingCompleteSensorData": {"AffectedSensorCount": 0},
            "SensorsWithShortDateRange": {"AffectedSensorCount": 0},
        },
        "MissingSensorData": {"AffectedSensorCount": 0, "TotalNumberOfMissingValues": 0},
        "InvalidSensorData": {"AffectedSensorCount": 0, "TotalNumberOfInvalidValues": 0},
        "UnsupportedTimestamps": {"TotalNumberOfUnsupportedTimestamps": 0},
        "DuplicateTimestamps": {"TotalNumberOfDuplicateTimestamps": 0},
    }
