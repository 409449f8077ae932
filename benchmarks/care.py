"""Wind farms of «CARE to Compare», for users who have downloaded them: loader, CARE score, and our detector on them.

`python benchmarks/care.py FOLDER [--all-statistics]` prints the four parts and the score of each farm and of all.
`FOLDER` holds the folders `Wind Farm A` …, each with `event_info.csv` and `datasets/<event id>.csv`, as published.

Data and score: Gück, Roelofs and Faulstich, CARE to Compare: A Real-World Benchmark Dataset for Early Fault Detection
in Wind Turbine Data, Data 9 (12), 138, 2024, doi 10.3390/data9120138. The score, from verdicts on the rows of the
prediction time, of which those with an abnormal status of the turbine do not count:

* Coverage: F-score with beta 0.5 over rows, mean of the anomaly events.
* Accuracy: share of rows without alarm, mean of the normal events.
* Reliability: F-score with beta 0.5 over events; an event is found when its criticality (one up with an alarm, one down
  without, never below 0, standing while the status is abnormal) reaches 72.
* Earliness: mean of verdicts within an anomaly event, the first quarter with weight 1, then falling to 0 at its end.

CARE = (Coverage + Earliness + Reliability + 2 Accuracy) / 5; 0 if no event is found, Accuracy if that is below 0.5.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from openlookout.detection.contract import TrainingError
from openlookout.detection.training import fit

BETA = 0.5
CRITICALITY_MIN = 72
FULL_WEIGHT_SHARE = 0.25
ACCURACY_WEIGHT = 2.0
# Status type of normal operation and of idling; derated, service, downtime and others are no normal operation.
NORMAL_STATUS = (0, 2)
AROUND = ("time_stamp", "asset_id", "id", "train_test", "status_type_id")


@dataclass(frozen=True)
class Event:
    """One data set: a year of training and a prediction time that holds an anomaly, or none.

    `train` (n, n_sensors) and `test` (m, n_sensors), with whether the status of each row is normal and the segments in
    which rows follow each other. `first`, `last`: rows of `test` in which the event begins and ends.
    """

    number: int
    is_anomaly: bool
    train: np.ndarray
    train_normal: np.ndarray
    train_segment: np.ndarray
    test: np.ndarray
    test_normal: np.ndarray
    test_segment: np.ndarray
    first: int
    last: int


def load_farm(folder: Path, *, all_statistics: bool = False) -> Iterator[Event]:
    """Give the events of one farm; of each sensor the averages, or all statistics."""
    said = pl.read_csv(folder / "event_info.csv", separator=";")
    for row in said.sort("event_id").iter_rows(named=True):
        frame = pl.read_csv(
            folder / "datasets" / f"{row['event_id']}.csv", separator=";", infer_schema_length=None
        ).sort("id")
        names = [name for name in frame.columns if name not in AROUND and frame[name].dtype.is_numeric()]
        averages = [name for name in names if name.endswith("_avg")]
        sensors = names if all_statistics or not averages else averages
        is_train = (frame["train_test"] == "train").to_numpy()
        values = frame.select(pl.col(sensors).cast(pl.Float64)).to_numpy()
        normal = frame["status_type_id"].is_in(NORMAL_STATUS).to_numpy()
        ids = frame["id"].to_numpy()
        segment = np.cumsum(np.diff(ids, prepend=ids[0]) > 1)
        test_ids = ids[~is_train]
        first = int(np.searchsorted(test_ids, row["event_start_id"]))
        last = int(np.searchsorted(test_ids, row["event_end_id"], side="right")) - 1
        yield Event(
            int(row["event_id"]),
            row["event_label"] == "anomaly",
            values[is_train],
            normal[is_train],
            segment[is_train],
            values[~is_train],
            normal[~is_train],
            segment[~is_train],
            first,
            last,
        )


@dataclass(frozen=True)
class EventScore:
    """What a detector did on one event; None where the part does not apply."""

    is_anomaly: bool
    is_found: bool
    coverage: float | None
    accuracy: float | None
    earliness: float | None


def score_event(event: Event, alarm: np.ndarray) -> EventScore:
    """Judge verdicts (n_rows,) bool on the prediction rows of an event."""
    found = bool((criticality(alarm, event.test_normal)[: event.last + 1] >= CRITICALITY_MIN).any())
    said = alarm[event.test_normal]
    if not event.is_anomaly:
        return EventScore(False, found, None, float((~said).mean()) if len(said) else 1.0, None)
    truth = np.zeros(len(alarm), bool)
    truth[event.first : event.last + 1] = True
    coverage = f_score(truth[event.test_normal], said)
    inside = alarm[event.first : event.last + 1]
    weights = early_weights(len(inside))
    return EventScore(True, found, coverage, None, float((inside * weights).sum() / weights.sum()))


def criticality(alarm: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(n_rows,): algorithm 1 of the paper."""
    out, level = np.zeros(len(alarm), np.int64), 0
    for row, (is_alarm, is_normal) in enumerate(zip(alarm.tolist(), normal.tolist(), strict=True)):
        if is_normal:
            level = level + 1 if is_alarm else max(level - 1, 0)
        out[row] = level
    return out


def early_weights(n_rows: int) -> np.ndarray:
    """(n_rows,): 1 in the first quarter of an event, then falling to 0 at its end."""
    at = np.arange(n_rows) / n_rows
    return np.minimum((1 - at) / (1 - FULL_WEIGHT_SHARE), 1.0)


def f_score(truth: np.ndarray, said: np.ndarray) -> float:
    """F-score with beta 0.5, where precision counts twice; 0 where nothing was to be found or said."""
    hits, false, missed = (truth & said).sum(), (~truth & said).sum(), (truth & ~said).sum()
    weighed = (1 + BETA**2) * hits + BETA**2 * missed + false
    return float((1 + BETA**2) * hits / weighed) if weighed else 0.0


@dataclass(frozen=True)
class Care:
    """The score and its parts."""

    coverage: float
    accuracy: float
    reliability: float
    earliness: float
    care: float


def care_score(events: Sequence[EventScore]) -> Care:
    """Put the events together.

    Raises:
        ValueError: there is no anomaly event, or no normal one.
    """
    anomalies, normal = [each for each in events if each.is_anomaly], [each for each in events if not each.is_anomaly]
    if not anomalies or not normal:
        raise ValueError(f"{len(anomalies)} anomaly and {len(normal)} normal events; one of each is needed")
    coverage = float(np.mean([each.coverage for each in anomalies if each.coverage is not None]))
    earliness = float(np.mean([each.earliness for each in anomalies if each.earliness is not None]))
    accuracy = float(np.mean([each.accuracy for each in normal if each.accuracy is not None]))
    reliability = f_score(np.array([each.is_anomaly for each in events]), np.array([each.is_found for each in events]))
    if not any(each.is_found for each in events):
        care = 0.0
    elif accuracy <= 0.5:
        care = accuracy
    else:
        care = (coverage + earliness + reliability + ACCURACY_WEIGHT * accuracy) / (3 + ACCURACY_WEIGHT)
    return Care(coverage, accuracy, reliability, earliness, care)


def verdicts(event: Event) -> np.ndarray:
    """(n_rows,): what our detector, fitted on the normal rows of training, says; nothing while the turbine is not."""
    normal = event.train_normal
    detector = fit(event.train[normal], np.ones(normal.sum(), bool), _running(event.train_segment, normal))
    alarm = np.zeros(len(event.test), bool)
    running = event.test_normal
    scores, _ = detector.score(event.test[running], _running(event.test_segment, running))
    alarm[running] = scores.alarm
    return alarm


def _running(segment: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Segments of the normal rows: what was before a stop says nothing of how it starts."""
    begins = np.r_[False, ~normal[:-1] | (segment[1:] != segment[:-1])]
    return np.cumsum(begins)[normal]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all-statistics", action="store_true")
    given = parser.parse_args()
    every: list[EventScore] = []
    for farm in sorted(path for path in given.folder.iterdir() if (path / "event_info.csv").exists()):
        scores = []
        for event in load_farm(farm, all_statistics=given.all_statistics):
            try:
                scores.append(score_event(event, verdicts(event)))
            except TrainingError as error:
                print(f"{farm.name}, event {event.number}: {error}; no verdict")
                scores.append(score_event(event, np.zeros(len(event.test), bool)))
        every += scores
        print(f"{farm.name}: {care_score(scores)}", flush=True)
    print(f"all: {care_score(every)}")


if __name__ == "__main__":
    main()
