"""What a replay does, told from the rows: where it begins, with which state, and over which windows it goes.

A replay leaves everything as if the scheduler had had all the data in time: it begins with the state that the scheduler
had before, and goes on to the newest window, because each window looks back on the ones before it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from openlookout.api.instants import EPOCH, from_microseconds, to_microseconds
from openlookout.jobs import checkpoints
from openlookout.jobs.turns import open_execution
from openlookout.store.durations import duration
from openlookout.store.tables import (
    accumulated,
    inference_execution,
    inference_scheduler,
    model,
    model_version,
    replay,
)

# What one part may be: bounds of a child's memory, and of what is done again after a crash.
WINDOWS_MAX = 8192
ROWS_MAX = 20_000
STATES_MAX = 6


@dataclass(frozen=True)
class Planned:
    """One window. `execution` is its row, if there is one; `kept` the prefix of the readings that it had.

    `reads_files`: what was read before is completed by the files that are there now. `is_shown`: results are written;
    the others are only gone through for the state that they leave.
    """

    start_us: int
    end_us: int
    execution: Row[Any] | None
    kept: str | None
    reads_files: bool
    is_shown: bool


@dataclass(frozen=True)
class Subject:
    """The replay with its scheduler and the model version that it scores with."""

    row: Row[Any]
    frequency: timedelta
    delay: timedelta
    version: Row[Any]

    @property
    def start(self) -> datetime:
        """Where the first window begins whose files are read."""
        return _floor(self.row.data_start, self.frequency)

    @property
    def end(self) -> datetime:
        return _floor(self.row.data_end + self.frequency - timedelta(microseconds=1), self.frequency)


def subject(connection: Connection, identity: str) -> Subject | None:
    """Give a replay as it is now; None when its scheduler was deleted.

    Its version is the one that it began with, or the active one.
    """
    columns = (
        replay,
        inference_scheduler.c.model_id,
        inference_scheduler.c.frequency,
        inference_scheduler.c.delay_minutes,
        inference_scheduler.c.input,
        inference_scheduler.c.output,
        inference_scheduler.c.state_key,
        model.c.active_version,
    )
    row = connection.execute(
        select(*columns)
        .select_from(replay)
        .join(inference_scheduler, inference_scheduler.c.id == replay.c.scheduler_id)
        .join(model, model.c.id == inference_scheduler.c.model_id)
        .where(replay.c.id == identity)
    ).one_or_none()
    if row is None:
        return None
    number = row.active_version if row.progress is None else row.progress["version"]
    version = connection.execute(
        select(model_version).where(model_version.c.model_id == row.model_id, model_version.c.version == number)
    ).one()
    return Subject(row, duration(row.frequency), timedelta(minutes=row.delay_minutes or 0), version)


def beginning(connection: Connection, it: Subject) -> dict[str, Any]:
    """Give the progress of a replay that has done nothing yet: where it begins, and with which state and event."""
    scheduler_id, version = it.row.scheduler_id, it.version.version
    found = checkpoints.newest(connection, scheduler_id, version, it.start)
    progress = {"version": version, "n_scored": 0, "n_revised": 0, "n_failed": 0, "latest": None}
    if found is not None:
        at = to_microseconds(found.data_end)
        return {**progress, "begin_us": at, "position_us": at, "state_key": found.state_key, "event": found.open_event}
    # Without one the state is made anew from everything that this version has scored.
    first = connection.execute(
        select(func.min(inference_execution.c.data_start)).where(
            inference_execution.c.scheduler_id == scheduler_id,
            inference_execution.c.version == version,
            inference_execution.c.status == "SUCCESS",
        )
    ).scalar()
    begin = it.start if first is None else min(first, it.start)
    at = to_microseconds(begin)
    return {**progress, "begin_us": at, "position_us": at, "state_key": None, "event": None}


def windows(connection: Connection, it: Subject, position_us: int, now: datetime) -> list[Planned]:
    """Give the windows that are still to do, in time order."""
    position = from_microseconds(position_us)
    executions = connection.execute(
        select(inference_execution)
        .where(
            inference_execution.c.scheduler_id == it.row.scheduler_id,
            inference_execution.c.data_start >= position,
            inference_execution.c.status != "IN_PROGRESS",
        )
        .order_by(inference_execution.c.data_start)
    ).all()
    limit = _limit(connection, it, now)
    readings = _readings(connection, it.row.model_id, position)
    planned: list[Planned] = []
    for execution in executions:
        start, end = to_microseconds(execution.data_start), to_microseconds(execution.data_end)
        if execution.data_end > limit or (planned and start < planned[-1].end_us):
            continue  # Later than what waits; or of another frequency and overlapping.
        has_files = it.start <= execution.data_start and execution.data_end <= it.end
        kept = readings.get((start, end)) if execution.status == "SUCCESS" else None
        if has_files or kept is not None:
            planned.append(Planned(start, end, execution, kept, has_files, execution.data_start >= it.start))
    new = _new_windows(it, position, limit, planned, {execution.due_at for execution in executions})
    return sorted([*planned, *new], key=lambda window: window.start_us)


def parts(planned: Sequence[Planned], rows_a_window: int, kept_from_us: int) -> Iterator[Sequence[Planned]]:
    """Cut windows into parts; from the time on from which states are kept they are short: those are corrected soon."""
    first = n_kept = 0
    windows_max = max(1, min(WINDOWS_MAX, ROWS_MAX // max(1, rows_a_window)))
    for number, window in enumerate(planned, 1):
        n_kept += keeps_state(window, kept_from_us)
        if n_kept == STATES_MAX or number - first == windows_max or number == len(planned):
            yield planned[first:number]
            first, n_kept = number, 0


def keeps_state(window: Planned, kept_from_us: int) -> bool:
    """Whether the state after a window is kept, for late files to go on from."""
    start, end = from_microseconds(window.start_us), from_microseconds(window.end_us)
    return window.end_us >= kept_from_us and checkpoints.is_due(start, end)


def stretches(part: Sequence[Planned], kept_from_us: int) -> list[list[int]]:
    """The numbers of a part's windows, cut after each whose state is kept."""
    cut: list[list[int]] = [[]]
    for number, window in enumerate(part):
        cut[-1].append(number)
        if keeps_state(window, kept_from_us):
            cut.append([])
    return [numbers for numbers in cut if numbers]


def _limit(connection: Connection, it: Subject, now: datetime) -> datetime:
    """Give the time up to which windows are a replay's: what is not due yet, or waits already, is the scheduler's."""
    waiting = open_execution(connection, it.row.scheduler_id)
    due = _floor(now - it.delay, it.frequency)
    if waiting is None:
        return due
    start: datetime = connection.execute(
        select(inference_execution.c.data_start).where(inference_execution.c.id == waiting)
    ).scalar_one()
    return min(due, start)


def _readings(connection: Connection, model_id: str, position: datetime) -> dict[tuple[int, int], str]:
    rows = connection.execute(
        select(accumulated).where(accumulated.c.model_id == model_id, accumulated.c.data_end > position)
    )
    return {(to_microseconds(row.data_start), to_microseconds(row.data_end)): row.prefix for row in rows}


def _new_windows(
    it: Subject, position: datetime, limit: datetime, planned: Sequence[Planned], dues: set[datetime]
) -> Iterator[Planned]:
    """Give the windows of the replay's range that no execution has had."""
    start, taken = max(it.start, _floor(position, it.frequency)), iter(planned)
    there = next(taken, None)
    while (end := start + it.frequency) <= min(it.end, limit):
        start_us, end_us = to_microseconds(start), to_microseconds(end)
        while there is not None and there.end_us <= start_us:
            there = next(taken, None)
        is_taken = there is not None and there.start_us < end_us
        if not is_taken and start >= position and end + it.delay not in dues:
            yield Planned(start_us, end_us, None, None, True, True)
        start = end


def _floor(moment: datetime, step: timedelta) -> datetime:
    return EPOCH + (moment - EPOCH) // step * step
