"""Metrics and quality: the recorded structure, the limit of 50,000 characters, and the documented rules."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.detection.evaluate import METRICS_CHARACTERS_MAX, Labels, Verdict, judge, model_metrics
from openlookout.detection.events import Event, find_events

HOUR = 3_600_000_000
MINUTE = 60_000_000


def events_of(rows: list[int], n: int = 100, n_sensors: int = 2, segment: np.ndarray | None = None) -> list[Event]:
    """Events of hourly rows, at the rows given; the first sensor leads."""
    alarm = np.zeros(n, bool)
    alarm[rows] = True
    contribution = np.tile(np.linspace(2, 1, n_sensors) / np.linspace(2, 1, n_sensors).sum(), (n, 1))
    segment = np.zeros(n, np.int64) if segment is None else segment
    return find_events(np.arange(n) * HOUR, alarm, segment, contribution, HOUR)


def metrics_of(*arguments: Any) -> dict[str, Any]:
    return dict(json.loads(model_metrics(*arguments)))


def test_consecutive_rows_are_one_event_and_a_segment_ends_it() -> None:
    assert [event.rows for event in events_of([3, 4, 5, 9])] == [(3, 5), (9, 9)]
    segment = np.repeat([0, 1], 50)
    assert [event.rows for event in events_of([48, 49, 50], segment=segment)] == [(48, 49), (50, 50)]
    single = events_of([9])[0]
    assert (single.start_us, single.first_us, single.end_us) == (8 * HOUR, 9 * HOUR, 9 * HOUR)
    assert single.contribution.sum() == pytest.approx(1)


def test_the_structure_is_the_recorded_one() -> None:
    """Origin: notebook, DescribeModel of May 2022."""
    found = metrics_of(events_of([10, 11, 30]), [(9 * HOUR, 20 * HOUR), (50 * HOUR, 60 * HOUR)], ["a\\x", "a\\y"])
    assert found["labeled_ranges"][0] == {"start": "1970-01-01T09:00:00.000000", "end": "1970-01-01T20:00:00.000000"}
    # Seen at 10 o'clock, ten hours before the label's end; the second label is missed.
    assert found["labeled_event_metrics"] == {
        "num_labeled": 2,
        "num_identified": 1,
        "total_warning_time_in_seconds": 36000.0,
    }
    assert found["unknown_event_metrics"] == {"num_identified": 1, "total_duration_in_seconds": 3600.0}
    first = found["predicted_ranges"][0]
    assert (first["start"], first["end"]) == ("1970-01-01T09:00:00.000000", "1970-01-01T11:00:00.000000")
    assert [sensor["name"] for sensor in first["diagnostics"]] == ["a\\x", "a\\y"]
    assert sum(sensor["value"] for sensor in first["diagnostics"]) == pytest.approx(1, abs=1e-4)


def test_without_labels_and_events_everything_is_there_and_zero() -> None:
    assert metrics_of([], [], ["a\\x"]) == {
        "labeled_ranges": [],
        "labeled_event_metrics": {"num_labeled": 0, "num_identified": 0, "total_warning_time_in_seconds": 0.0},
        "predicted_ranges": [],
        "unknown_event_metrics": {"num_identified": 0, "total_duration_in_seconds": 0.0},
    }


@settings(max_examples=20, deadline=None)
@given(n_events=st.integers(0, 2000), n_sensors=st.sampled_from([1, 2, 30, 300]))
def test_the_text_is_whole_json_within_the_limit_and_counts_every_event(n_events: int, n_sensors: int) -> None:
    events = events_of(list(range(1, 2 * n_events + 1, 2)), 2 * n_events + 2, n_sensors)
    text = model_metrics(events, [], [f"component\\sensor_{i}" for i in range(n_sensors)])
    assert len(text) <= METRICS_CHARACTERS_MAX
    found = json.loads(text)
    assert found["unknown_event_metrics"]["num_identified"] == n_events
    assert all(entry["diagnostics"][0]["name"] == "component\\sensor_0" for entry in found["predicted_ranges"])
    assert eval(text) == found  # Clients do.


@pytest.mark.parametrize(
    ("rows", "labels", "expected"),
    [
        ([10], [], "CANNOT_DETERMINE_QUALITY"),
        ([10], [(9 * HOUR, 20 * HOUR)], "QUALITY_THRESHOLD_MET"),
        ([10], [(9 * HOUR, 20 * HOUR), (50 * HOUR, 60 * HOUR)], "QUALITY_THRESHOLD_MET"),
        ([], [(9 * HOUR, 20 * HOUR)], "POOR_QUALITY_DETECTED"),
        ([10, *range(30, 40)], [(9 * HOUR, 20 * HOUR)], "POOR_QUALITY_DETECTED"),
    ],
)
def test_quality_follows_its_rule(rows: list[int], labels: list[tuple[int, int]], expected: str) -> None:
    alarm = np.zeros(100, bool)
    alarm[rows] = True
    verdict = judge(events_of(rows), Labels(labels), np.arange(100) * HOUR, alarm)
    assert verdict.quality == expected
    assert (verdict.skill is None) == (not labels)


def judged(rows: list[int], labels: Labels) -> Verdict:
    alarm = np.zeros(100, bool)
    alarm[rows] = True
    return judge(events_of(rows), labels, np.arange(100) * HOUR, alarm)


def test_alarms_in_neutral_ranges_count_neither_way() -> None:
    anomaly, neutral = (9 * HOUR, 20 * HOUR), (30 * HOUR, 50 * HOUR)
    rows = [10, *range(30, 40)]
    assert judged(rows, Labels([anomaly])).quality == "POOR_QUALITY_DETECTED"
    assert judged(rows, Labels([anomaly], neutral=[neutral])).quality == "QUALITY_THRESHOLD_MET"
    assert metrics_of(events_of(rows), [anomaly], ["a\\x", "a\\y"], [neutral])["unknown_event_metrics"] == {
        "num_identified": 0,
        "total_duration_in_seconds": 0.0,
    }


def test_alarms_in_ranges_labelled_normal_weigh_as_the_share_of_those() -> None:
    """Three of a hundred rows are few; three of the ten that a person called normal are not."""
    anomaly, normal = (9 * HOUR, 20 * HOUR), (30 * HOUR, 39 * HOUR)
    rows = [10, 30, 31, 32]
    assert judged(rows, Labels([anomaly])).quality == "QUALITY_THRESHOLD_MET"
    assert judged(rows, Labels([anomaly], normal=[normal])).quality == "POOR_QUALITY_DETECTED"


def test_a_model_that_finds_more_or_alarms_less_has_the_greater_skill() -> None:
    labels = Labels([(9 * HOUR, 20 * HOUR), (50 * HOUR, 60 * HOUR)])
    skills = [judged(rows, labels).skill or 0.0 for rows in ([], [10], [10, 30], [10, 55, 30], [10, 55])]
    assert skills[0] < skills[2] < skills[1] < skills[3] < skills[4]
