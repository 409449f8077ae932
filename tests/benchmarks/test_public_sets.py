"""Loaders and score of public data sets that users have downloaded, on small files of the same layout."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import care
import metropt3
from care import Event, EventScore, care_score, criticality, early_weights, load_farm, score_event, verdicts

N_TRAIN, N_TEST = 400, 200


def write_farm(folder: Path) -> Path:
    """Two events, as published: an anomaly in the last half of the prediction time, and a normal one."""
    (folder / "datasets").mkdir(parents=True)
    lines = ["asset;event_id;event_label;event_start;event_start_id;event_end;event_end_id;event_description"]
    for number, label in ((7, "anomaly"), (3, "normal")):
        rng = np.random.default_rng(number)
        n = N_TRAIN + N_TEST
        load = np.sin(np.arange(n) / 20)
        rows = {f"sensor_{k}_avg": load * (k + 1) + rng.normal(0, 0.1, n) for k in range(3)}
        if label == "anomaly":
            rows["sensor_1_avg"][N_TRAIN + 100 :] += 5
        status = np.zeros(n, int)
        status[50:60], status[N_TRAIN + 20 : N_TRAIN + 30] = 4, 2
        frame = pl.DataFrame(
            {
                "time_stamp": [f"2022-01-01 00:{k % 60:02}:00" for k in range(n)],
                "asset_id": 21,
                "id": np.arange(n) + 1000,
                "train_test": ["train"] * N_TRAIN + ["prediction"] * N_TEST,
                "status_type_id": status,
                **rows,
                "sensor_0_std": rng.random(n),
            }
        )
        frame.write_csv(folder / "datasets" / f"{number}.csv", separator=";")
        first, last = 1000 + N_TRAIN + 100, 1000 + n - 1
        lines.append(f"21;{number};{label};2022-01-01 00:00:00;{first};2022-01-02 00:00:00;{last};gear oil")
    (folder / "event_info.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_farm_is_read_as_published(tmp_path: Path) -> None:
    normal, anomaly = load_farm(write_farm(tmp_path / "Wind Farm A"))
    assert (normal.number, anomaly.number) == (3, 7)
    assert (normal.is_anomaly, anomaly.is_anomaly) == (False, True)
    assert anomaly.train.shape == (N_TRAIN, 3)
    assert anomaly.test.shape == (N_TEST, 3)
    assert (anomaly.first, anomaly.last) == (100, N_TEST - 1)
    assert (~anomaly.train_normal).sum() == 10  # Downtime; idling is normal.
    assert anomaly.test_normal.all()
    assert next(load_farm(tmp_path / "Wind Farm A", all_statistics=True)).train.shape == (N_TRAIN, 4)


def test_our_detector_finds_the_anomaly_and_leaves_the_normal_event(tmp_path: Path) -> None:
    scores = [score_event(event, verdicts(event)) for event in load_farm(write_farm(tmp_path / "Wind Farm A"))]
    told = care_score(scores)
    assert [each.is_found for each in scores] == [False, True]
    assert told.reliability == 1
    assert told.accuracy > 0.9
    assert told.care > 0.9


def event(is_anomaly: bool, n: int, first: int, last: int, normal: np.ndarray | None = None) -> Event:
    nothing = np.zeros((0, 1))
    everywhere = np.ones(n, bool) if normal is None else normal
    none = np.zeros(0, bool)
    return Event(1, is_anomaly, nothing, none, none, np.zeros((n, 1)), everywhere, np.zeros(n, int), first, last)


def test_criticality_rises_with_alarms_falls_without_and_stands_while_the_status_is_abnormal() -> None:
    alarm = np.array([True, True, False, False, False, True, True, True])
    normal = np.array([True, True, True, True, True, True, False, True])
    assert criticality(alarm, normal).tolist() == [1, 2, 1, 0, 0, 1, 1, 2]


def test_the_first_quarter_of_an_event_counts_whole_and_its_end_nothing() -> None:
    weights = early_weights(400)
    assert (weights[:101] == 1).all()
    assert (np.diff(weights[101:]) < 0).all()
    assert weights[250] == pytest.approx(0.5)
    assert weights[-1] < 0.01


def test_the_parts_are_those_of_the_paper_worked_by_hand() -> None:
    alarm = np.zeros(200, bool)
    alarm[120:] = True
    alarm[10] = True
    found = score_event(event(True, 200, 100, 199), alarm)
    # 80 hits, 1 false, 20 missed: 1.25 * 80 / (1.25 * 80 + 0.25 * 20 + 1).
    assert found.coverage == pytest.approx(100 / 106)
    assert found.is_found
    weights = early_weights(100)
    assert found.earliness == pytest.approx(weights[20:].sum() / weights.sum())
    quiet = np.zeros(200, bool)
    quiet[:50] = True
    normal = np.ones(200, bool)
    normal[:40] = False
    other = score_event(event(False, 200, 100, 199, normal), quiet)
    assert other.accuracy == pytest.approx(150 / 160)
    assert not other.is_found
    told = care_score([found, other])
    assert told.reliability == 1
    assert found.coverage is not None
    assert found.earliness is not None
    assert told.care == pytest.approx((found.coverage + found.earliness + 1 + 2 * 150 / 160) / 5)


def test_finding_nothing_is_0_and_alarming_mostly_is_the_accuracy() -> None:
    missed, quiet = EventScore(True, False, 0.2, None, 0.1), EventScore(False, False, None, 0.9, None)
    assert care_score([missed, quiet]).care == 0
    loud = EventScore(False, True, None, 0.3, None)
    assert care_score([missed, loud]).care == 0.3
    with pytest.raises(ValueError, match="0 normal events; one of each is needed"):
        care_score([missed])
    assert care.NORMAL_STATUS == (0, 2)


def test_metropt3_is_read_as_published(tmp_path: Path) -> None:
    path = tmp_path / "MetroPT3(AirCompressor).csv"
    lines = [",timestamp,TP2,TP3,Motor_current"]
    times = [np.datetime64("2020-04-17T23:58:00") + np.timedelta64(10 * k, "s") for k in range(30)]
    times += [np.datetime64("2020-04-20T00:00:00") + np.timedelta64(10 * k, "s") for k in range(12)]
    lines += [f"{k * 10},{str(at).replace('T', ' ')},{k / 10},{8.5},{3.9}" for k, at in enumerate(times)]
    path.write_text("\n".join(lines) + "\n")
    data = metropt3.load(path)
    assert data.sensors == ("TP2", "TP3", "Motor_current")
    assert data.rows.shape == (7, 3)
    assert data.rows[0].tolist() == pytest.approx([0.25, 8.5, 3.9])
    assert data.segment.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert data.label.tolist() == [False, True, True, True, True, False, False]
    (tmp_path / "other.csv").write_text("time,a\n1,2\n")
    with pytest.raises(ValueError, match="has no column 'timestamp'"):
        metropt3.load(tmp_path / "other.csv")
