"""What the console says an evaluation found is what the metrics count."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openlookout.console.evaluation import score
from openlookout.console.model_ports import Evaluation
from openlookout.console.pages.events import course_figure
from openlookout.detection.evaluate import Labels, model_metrics
from openlookout.detection.events import find_events

RATE_US = 60_000_000
START = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000


@given(
    alarm=st.lists(st.booleans(), min_size=1, max_size=60),
    marks=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 20)), max_size=4),
)
def test_found_missed_false_and_forewarning_are_those_of_the_metrics(
    alarm: list[bool], marks: list[tuple[int, int]]
) -> None:
    times = START + RATE_US * np.arange(len(alarm), dtype=np.int64)
    contribution = np.full((len(alarm), 2), 0.5)
    events = find_events(times, np.array(alarm), np.zeros(len(alarm), np.int64), contribution, RATE_US)
    labels = Labels([(START + a * RATE_US, START + (a + n) * RATE_US) for a, n in marks]).anomalies
    text = model_metrics(events, labels, ["c\\a", "c\\b"])
    said = json.loads(text)
    found = score(text, Evaluation(None, None, RATE_US))
    assert found is not None
    assert len(found.events) == len(events)
    assert (len(found.labelled), found.n_found) == (len(labels), said["labeled_event_metrics"]["num_identified"])
    warnings = sum((one.warning for one in found.labelled if one.warning is not None), timedelta())
    assert warnings.total_seconds() == said["labeled_event_metrics"]["total_warning_time_in_seconds"]
    if labels:
        assert found.n_false <= sum(one.is_labelled is False for one in found.events) + found.n_found


def test_without_metrics_and_events_there_is_nothing_to_say() -> None:
    assert score(None, Evaluation(None, None, None)) is None


def test_evidence_fills_what_the_metrics_leave_out() -> None:
    sensor = {"sensor": "c\\a", "contribution": 0.9, "onset": "2026-03-02T00:00:00.000000", "measured": 5.0}
    sensor |= {"expected": 1.0, "low": 0.5, "high": 1.5}
    evidence = {"kind": "machine", "reason": "It is off.", "onset_order": ["c\\a"], "sensors": [sensor]}
    kept = {"start": "2026-03-02T00:00:00.000000", "end": "2026-03-02T01:00:00.000000", "evidence": evidence}
    found = score(None, Evaluation([kept], None, RATE_US))
    assert found is not None
    (event,) = found.events
    assert (event.sensors[0].side, event.reason, event.is_labelled) == ("above", "It is off.", None)


def test_a_course_whose_expectation_is_unsteady_says_so() -> None:
    kept = {"start": "2026-03-02T00:00:00", "end": "2026-03-02T01:00:00", "evidence": None}
    found = score(None, Evaluation([kept], None, RATE_US))
    assert found is not None
    read = {"start": 0, "end": 9, "x": [1], "measured": [5.0]}
    read |= {"band_x": [1], "expected": [1.0], "low": [0.0], "high": [2.0]}
    assert course_figure({**read, "unsteady": 0}, found.events[0])["note"] == ""
    assert "is unsteady" in course_figure({**read, "unsteady": 1}, found.events[0])["note"]
