"""The shipped detector in the interface of the benchmark: `fit(train, segment)`, `score(test, segment)`.

Runs the functions that training and inference run: fit, save, load, score. `train` and `test` are pandas DataFrames.
"""

import numpy as np
import pandas as pd

from openlookout.detection.model_file import load, save
from openlookout.detection.training import fit


class Shipped:
    """What CreateModel and inference run."""

    def fit(self, train: pd.DataFrame, segment: np.ndarray) -> None:
        readings = train.to_numpy(float)
        self.detector = load(save(fit(readings, np.ones(len(readings), bool), segment.astype(np.int64))))

    def score(self, test: pd.DataFrame, segment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, _ = self.detector.score(test.to_numpy(float), segment.astype(np.int64))
        return scores.anomaly, scores.alarm
