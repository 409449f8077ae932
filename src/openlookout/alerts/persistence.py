"""When anomalous rows become an alarm: k of the last n rows, for a minimum time. Knows rows and times, nothing else.

An alarm goes on while at least k of the last n rows are anomalous, also across a gap in the data. It is raised (told)
at its first row that comes at least the minimum time after its first anomalous one, and that is not muted: an alarm
that outlasts a maintenance window is told after it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Row = tuple[int, bool]
"""Timestamp in microseconds, and whether the row is anomalous."""


@dataclass(frozen=True)
class Rule:
    """`k` of `n` rows, for at least `minimum_us`."""

    k: int = 1
    n: int = 1
    minimum_us: int = 0


@dataclass(frozen=True)
class Alarm:
    """How it stands after the rows so far. `recent`: the last n rows. `began_us`: None while there is no alarm."""

    recent: tuple[Row, ...] = ()
    began_us: int | None = None
    anomalous_us: int | None = None
    is_raised: bool = False


@dataclass(frozen=True)
class Change:
    """An alarm that is to be told: raised at a row, or (`is_end`) over. Both times are of anomalous rows."""

    is_end: bool
    began_us: int
    last_us: int


def follow(
    alarm: Alarm, rows: Sequence[Row], rule: Rule, is_muted: Callable[[int], bool]
) -> tuple[Alarm, list[Change]]:
    """Give how it stands after more rows, in time order, and what is to be told."""
    recent, began, last, is_raised = list(alarm.recent), alarm.began_us, alarm.anomalous_us, alarm.is_raised
    changes = []
    for time_us, is_anomalous in rows:
        recent = [*recent, (time_us, is_anomalous)][-rule.n :]
        anomalous = [at for at, flag in recent if flag]
        if len(anomalous) >= rule.k:
            began = anomalous[0] if began is None else began
            last = anomalous[-1]
            if not is_raised and time_us - began >= rule.minimum_us and not is_muted(time_us):
                is_raised = True
                changes.append(Change(False, began, last))
        elif began is not None and last is not None:
            if is_raised:
                changes.append(Change(True, began, last))
            began, last, is_raised = None, None, False
    return Alarm(tuple(recent), began, last, is_raised), changes
