"""The contract that every detector keeps: shapes, states and errors. Knows arrays only.

Rows are timestamps, columns sensors, NaN is «no reading». Rows of one segment are even; nothing looks across the border
of two segments, and nothing looks ahead. A row's score does not depend, to the bit, on how many rows come with it: so
scoring a stretch at once and scoring it piece by piece, each with the state that the piece before gave, are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Singles = NDArray[np.float32]
State = Mapping[str, NDArray[np.generic]]


class TrainingError(Exception):
    """The readings cannot be learned from; the message names the sensor or the rows, the value and the limit."""


@dataclass(frozen=True)
class Scores:
    """What a detector says of rows.

    `anomaly` (n_rows,): 0 to 1, above 0.5 exactly where it alarms, NaN where a row has no reading.
    `contribution` (n_rows, n_sensors): each sensor's share, summing to 1 in each row, zero where there is no score.
    `steady` (n_rows, n_sensors): the readings as deviations in robust sigmas, soft-clipped, without the slow levels of
    sensors that wander; NaN where there is no reading. What events are explained from.
    """

    anomaly: Floats
    contribution: Floats
    steady: Singles
    anyway: Booleans

    def taken(self, rows: Booleans) -> "Scores":
        """Those of some rows."""
        return Scores(self.anomaly[rows], self.contribution[rows], self.steady[rows], self.anyway[rows])

    @property
    def alarm(self) -> Booleans:
        """(n_rows,): where the detector alarms."""
        return self.anomaly > 0.5


class Detector(Protocol):
    """A fitted detector: arrays, nothing that changes."""

    @property
    def n_sensors(self) -> int: ...

    def score(self, readings: Floats, segment: Integers, state: State | None = None) -> tuple[Scores, State]:
        """Score rows (n_rows, n_sensors); `segment` (n_rows,) never decreases.

        `state` is what the call before gave, when these rows follow the rows of that call; None starts anew. The first
        row continues the last segment of the call before if its segment is `state["segment"]`.
        """
        ...
