"""What the console is given for what-ifs: stretches scored with a version, tried at other limits. No implementation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from openlookout.api.caller import Caller

# What the limit may be multiplied with.
FACTOR_MIN, FACTOR_MAX = 0.5, 3.0

Span = tuple[datetime | None, datetime | None]
Series = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A stretch that is scored with a version. `status`: IN_PROGRESS, SUCCESS or FAILED; `percent` of it is done."""

    id: str
    version: int
    start: datetime
    end: datetime
    status: str
    failed_reason: str | None
    percent: int
    created_at: datetime


@dataclass(frozen=True)
class Alarm:
    """One event at some limit: `sensors` that led, with their shares; `is_false`: outside all labels."""

    start: datetime
    end: datetime
    is_false: bool
    sensors: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Tried:
    """What a factor comes to in a run. `alarms`: the newest first, of `n_alarms` those asked for.

    `months`: how many months of readings the stretch holds. `labelled`: each label with its forewarning, None: missed.
    `labels_failed`: why the labels could not be read, None: they were.
    """

    factor: float
    months: float
    n_alarms: int
    n_false: int
    false_time: timedelta
    labelled: Sequence[tuple[datetime, datetime, timedelta | None]]
    warning: timedelta | None
    alarms: Sequence[Alarm]
    labels_failed: str | None

    @property
    def n_found(self) -> int:
        return sum(warning is not None for _, _, warning in self.labelled)

    @property
    def alarms_a_month(self) -> float:
        return self.n_alarms / self.months

    @property
    def false_hours_a_month(self) -> float:
        return self.false_time.total_seconds() / 3600 / self.months


class WhatIfs(Protocol):
    """Runs of models, and versions made of them; whoever may only look may start, stop and apply nothing.

    Every method raises ResourceNotFoundException where there is no such model, version or run.
    """

    def runs(self, caller: Caller, model: str) -> Sequence[Run]:
        """Give the runs that are kept, the newest first."""
        ...

    def start(self, caller: Caller, model: str, version: int, span: tuple[datetime, datetime]) -> str:
        """Have a stretch scored; give the run's id.

        Raises:
            ConflictException: the version is not SUCCESS, or too many runs of the model are under way.
            ValidationException: the stretch is none.
        """
        ...

    def stop(self, caller: Caller, model: str, run: str) -> None:
        """End a run that is under way, else forget it."""
        ...

    def apply(self, caller: Caller, model: str, run: str, factor: float, client_token: str) -> int:
        """Make a version whose limits are those of the run's version times `factor`; give its number.

        Raises:
            ConflictException: the model is being trained or imported.
            ServiceQuotaExceededException: as many models are being trained or imported as may be.
        """
        ...

    def tried(self, caller: Caller, model: str, run: str, factor: float, page: tuple[int, int]) -> Tried:
        """Give what a factor comes to, with the alarms of a page (first, number)."""
        ...

    def timeline(self, caller: Caller, model: str, run: str, factor: float, span: Span) -> Series:
        """Give what decides over a stretch, in multiples of the limit, and where it alarms: `start`, `end`, `first`,
        `last` and `x` in ms, `y`, `n_rows`, `alarms` and `labels` as pairs of ms.
        """
        ...

    def curve(self, caller: Caller, model: str, run: str, factor: float) -> Series:
        """Give, for each of `factors` (`factor` is one of them), `alarms` and `false_hours` a month, `found` and median
        `warning_days` (None: nothing is found); `n_labelled`.
        """
        ...

    def factors(self, caller: Caller, model: str) -> Mapping[int, float]:
        """Give the versions that were made by a run, each with its factor."""
        ...
