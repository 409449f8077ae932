"""The lines of results files, one a row, each readable by JSON and by Python's eval; and of evidence files."""

import io
import json
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from openlookout.api.instants import as_text
from openlookout.detection.contract import Scores
from openlookout.detection.evaluate import diagnostics
from openlookout.detection.recent import Explained


def lines(timestamps: np.ndarray, off: np.ndarray, scores: Scores, sensors: Sequence[str]) -> Iterator[str]:
    """Yield a line, with its end, for each row of (n_rows,) timestamps; a row without any reading has none.

    `scores` are of the rows that are not off, in their order.
    """
    position = np.cumsum(~off) - 1
    for row, time_us in enumerate(timestamps.tolist()):
        line: dict[str, object] = {"timestamp": as_text(time_us)}
        if off[row]:
            line |= {"prediction": 0, "prediction_reason": "MACHINE_OFF"}
        else:
            score = float(scores.anomaly[position[row]])
            if np.isnan(score):
                continue
            is_anomaly = bool(scores.alarm[position[row]])
            line |= {
                "prediction": int(is_anomaly),
                "prediction_reason": "ANOMALY_DETECTED" if is_anomaly else "NO_ANOMALY_DETECTED",
                "anomaly_score": score,
                "diagnostics": diagnostics(scores.contribution[position[row]], sensors),
            }
        yield json.dumps(line) + "\n"


def evidence_lines(explained: Sequence[Explained]) -> str:
    """Give the lines of an evidence file, one an event: from when to when, and its record."""
    return "".join(json.dumps(line) + "\n" for line in event_records(explained))


def event_records(explained: Sequence[Explained]) -> list[dict[str, object]]:
    """Give events as `{"start", "end", "evidence"}`, times as in results files."""
    return [
        {"start": as_text(each.event.start_us), "end": as_text(each.event.end_us), "evidence": each.evidence}
        for each in explained
    ]


def results_parquet(timestamps: np.ndarray, off: np.ndarray, scores: Scores, sensors: Sequence[str]) -> bytes:
    """Give what `lines` says as Parquet: a row each, a column for the share of each sensor, null while it is off.

    `timestamp` is UTC; `prediction` 0 or 1; `anomaly_score` and the shares are not rounded.
    """
    rows = {"off": off, "score": np.full(len(off), np.nan), "alarm": np.zeros(len(off), bool)}
    shares = np.full((len(off), len(sensors)), np.nan)
    rows["score"][~off], rows["alarm"][~off], shares[~off] = scores.anomaly, scores.alarm, scores.contribution
    reason = np.where(off, "MACHINE_OFF", np.where(rows["alarm"], "ANOMALY_DETECTED", "NO_ANOMALY_DETECTED"))
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series(timestamps).cast(pl.Datetime("us", "UTC")),
            "prediction": rows["alarm"].astype(np.int8),
            "prediction_reason": reason.tolist(),
            "anomaly_score": rows["score"],
            **{sensor: shares[:, j] for j, sensor in enumerate(sensors)},
        }
    ).with_columns(pl.col(pl.Float64).fill_nan(None))
    file = io.BytesIO()
    frame.filter(pl.Series(off | ~np.isnan(rows["score"]))).write_parquet(file)
    return file.getvalue()


def scored_rows(timestamps: np.ndarray, off: np.ndarray, scores: Scores) -> list[tuple[int, float | None, bool]]:
    """Give what `lines` says in short: timestamp in microseconds, score (None while off), whether it is anomalous."""
    score, alarm = np.full(len(timestamps), np.nan), np.zeros(len(timestamps), bool)
    score[~off], alarm[~off] = scores.anomaly, scores.alarm
    kept = off | ~np.isnan(score)
    return [
        (at, None if is_off else value, is_anomaly)
        for at, is_off, value, is_anomaly in zip(
            timestamps[kept].tolist(), off[kept].tolist(), score[kept].tolist(), alarm[kept].tolist(), strict=True
        )
    ]
