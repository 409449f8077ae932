"""An event held against what was expected of its sensors, some of them masked: what rules and records are made of.

Knows what deviates and by how much; what that means is the business of `kinds.py` and `evidence.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from openlookout.detection.contract import Floats, Integers, Singles
from openlookout.detection.expectation import FAR, Expectation, raw_rows
from openlookout.detection.scaling import Scaling

SUSPECTS_MAX = 3
# Root mean square of a sensor's deviations, in usual ones, from which on it deviates; beyond the second figure a
# deviation counts by its logarithm.
DEVIATES, SIGMAS_SOFT = 2.5, 50.0
# Suspects explain an event if what is left without them is at most this share of what they show.
LEFT_SHARE = 0.1
JUDGED_ROWS_MIN, CORE_ROWS_MIN = 24, 8


@dataclass(frozen=True)
class Rows:
    """The rows of an event and those before it, of one segment; `first` is the event's first row.

    `timestamps` (n_rows,) in microseconds; `readings` and `steady` (n_rows, n_sensors), as `Scores.steady`. `led`
    (n_sensors,): the mean share of each sensor in the rows by which the event is judged.
    """

    timestamps: Integers
    readings: Floats
    steady: Singles
    first: int
    led: Floats


@dataclass(frozen=True)
class Case:
    """An event and what is known: `event` as far as it is judged, `shares` (n_sensors,), `names` of the sensors.

    `core`: of the rows that are judged those in which something deviates; alarms begin late and end late.
    """

    scaling: Scaling
    expectation: Expectation
    event: Rows
    shares: Floats
    names: Sequence[str]
    core: slice

    @property
    def begin(self) -> int:
        """The first of the rows that are judged: of a short event also rows before it."""
        return max(min(self.event.first, len(self.event.timestamps) - JUDGED_ROWS_MIN), 0)

    @cached_property
    def raw(self) -> tuple[Floats, Floats]:
        """The rows unclipped, and the slow level that was taken off."""
        return raw_rows(self.event.readings, self.event.steady, self.scaling)

    def of(self, event: Rows) -> "Case":
        return replace(self, event=event)

    def narrowed(self, sensor_squares: Floats) -> "Case":
        """With the core from the first to the last row in which the sensor that deviates most does."""
        far = self.begin + np.flatnonzero(sensor_squares[self.begin :] > DEVIATES**2)
        if not len(far):
            return self
        return replace(self, core=slice(int(far[0]), max(int(far[-1]) + 1, int(far[0]) + CORE_ROWS_MIN)))


@dataclass(frozen=True)
class Look:
    """Rows as the rules see them, with some sensors masked: unclipped deviations, what is expected of them and how
    many times wider the band is than usual, how far they are off in usual deviations, and (n_sensors,) how much each
    deviates in the event.
    """

    rows: Floats
    expected: Floats
    wider: Floats
    sigmas: Floats
    excess: Floats


def look_at(case: Case, masked: Sequence[int]) -> Look:
    rows = case.raw[0]
    expected, wider, sigmas = _against_expected(case, rows, masked)
    return Look(rows, expected, wider, sigmas, _excess(sigmas[case.core]))


def excess_without(case: Case, masked: Sequence[int]) -> Floats:
    """Give `look_at(case, masked).excess` alone, for which only the core matters."""
    return _excess(_against_expected(case, case.raw[0][case.core], masked)[2])


def _against_expected(case: Case, rows: Floats, masked: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    unknown = np.isnan(rows)
    unknown[:, list(masked)] = True
    expected, wider = case.expectation.expected(rows, unknown)
    return expected, wider, np.clip((rows - expected) / (case.expectation.spread * wider), -FAR, FAR)


def _excess(sigmas: Floats) -> Floats:
    excess: Floats = np.maximum(squares_of(sigmas).mean(axis=0) - DEVIATES**2, 0.0)
    return excess


def squares_of(sigmas: Floats) -> Floats:
    size = np.abs(np.nan_to_num(sigmas))
    soft: Floats = np.where(size > SIGMAS_SOFT, SIGMAS_SOFT + np.log1p(np.maximum(size - SIGMAS_SOFT, 0)), size)
    return soft**2


def find_suspects(case: Case) -> tuple[list[int], Look]:
    """The few sensors without which the others agree, and how it looks without them; none where there are none."""
    open_look = look_at(case, ())
    if not open_look.excess.any():
        return [], open_look
    masked: list[int] = []
    excess = open_look.excess
    for _ in range(max(min(SUSPECTS_MAX, len(case.names) - 1), 1)):
        tried = [int(k) for k in np.argsort(-_without(excess, masked), kind="stable")[:SUSPECTS_MAX]]
        tries = {k: excess_without(case, [*masked, k]) for k in tried if k not in masked}
        best = min(tries, key=lambda k: _without(tries[k], [*masked, k]).sum())
        masked, excess = [*masked, best], tries[best]
        if _without(excess, masked).sum() <= LEFT_SHARE * excess[masked].sum():
            return masked, look_at(case, masked)
    return [], open_look


def _without(excess: Floats, masked: Sequence[int]) -> Floats:
    out = excess.copy()
    out[list(masked)] = 0.0
    return out
