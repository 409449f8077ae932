"""The lines of results files: one a row, each readable by JSON and by Python's eval."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from openlookout.detection.contract import Scores
from openlookout.detection.evaluate import diagnostics


def lines(timestamps: np.ndarray, off: np.ndarray, scores: Scores, sensors: Sequence[str]) -> Iterator[str]:
    """Yield a line, with its end, for each row of (n_rows,) timestamps; a row without any reading has none.

    `scores` are of the rows that are not off, in their order.
    """
    position = np.cumsum(~off) - 1
    for row, time_us in enumerate(timestamps.tolist()):
        stamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
        line: dict[str, object] = {"timestamp": stamp.strftime("%Y-%m-%dT%H:%M:%S.%f")}
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
