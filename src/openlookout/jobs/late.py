"""Late files: an input file that comes after its window was scored lets the window be scored again, by itself.

A file is late when the time in its name lies in a window that has ended, and the execution of that window has not seen
the file as it is now; where the execution failed, any new file counts by which every component now has one. Knows names
and marks; what is in a file, and whether it changes anything, the replay finds out.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from openlookout.api.instants import to_microseconds
from openlookout.buckets.buckets import open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.jobs.inference_work import input_names, mark
from openlookout.jobs.replay_request import request_replay
from openlookout.jobs.turns import open_replay
from openlookout.jobs.workplace import Workplace
from openlookout.logs import logger
from openlookout.store.durations import duration
from openlookout.store.tables import (
    inference_execution,
    inference_scheduler,
    model,
    model_version,
)
from openlookout.timeseries.inference_input import readings_of_name
from openlookout.timeseries.schema import parse_schema

LOOK_SECONDS = 5.0
# A prefix is listed again after this long at the earliest, or after so many times what its listing took.
PAUSE_SECONDS_MIN = 10.0
PAUSE_SHARE = 20
# Of thousands of schedulers not all are looked at in a look: it would leave no time for what is on time.
SECONDS_A_LOOK = 0.5
FREQUENCY_US_MAX = 3_600_000_000
ASKED_MAX = 100_000

log = logger(__name__)

_RUNNING = select(inference_scheduler.c.id).where(inference_scheduler.c.status == "RUNNING")
_WITH_SCHEMA = (
    select(inference_scheduler, model_version.c.data_schema)
    .join(model, model.c.id == inference_scheduler.c.model_id)
    .join(model_version, (model_version.c.model_id == model.c.id) & (model_version.c.version == model.c.active_version))
    .where(inference_scheduler.c.id == bindparam("scheduler"), inference_scheduler.c.status == "RUNNING")
)


class LateFiles:
    """Looks for late files of every running scheduler, each now and then."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._next: dict[str, float] = {}
        self._asked: dict[str, frozenset[str]] = {}

    def look(self) -> int:
        """Look once; give how many replays were asked for."""
        if not self._workplace.late:
            return 0
        n_asked = 0
        with self._workplace.database.reading() as connection:
            running = connection.execute(_RUNNING).scalars().all()
        started = time.monotonic()
        self._next = {identity: self._next.get(identity, 0.0) for identity in running}
        for identity in due(self._next, started):
            if time.monotonic() - started > SECONDS_A_LOOK:
                break  # The others come first next time.
            n_asked += self._look_for(identity)
        return n_asked

    def _look_for(self, identity: str) -> int:
        """Look at one scheduler, if it still runs, and note when to look again."""
        started, n_asked = time.monotonic(), 0
        with self._workplace.database.reading() as connection:
            scheduler = connection.execute(_WITH_SCHEMA, {"scheduler": identity}).one_or_none()
        if scheduler is not None:
            try:
                n_asked = self._look_at(scheduler)
            except BucketError as error:
                # Its executions fail with the same sentence, where the customer reads it.
                log.warning("late files cannot be looked for", scheduler=scheduler.name, reason=str(error))
        took = time.monotonic() - started
        self._next[identity] = time.monotonic() + max(PAUSE_SECONDS_MIN, PAUSE_SHARE * took)
        return n_asked

    def _look_at(self, scheduler: Row[Any]) -> int:
        since = self._workplace.now() - self._workplace.late
        with self._workplace.database.reading() as connection:
            executions = _ended(connection, scheduler.id, since)
            if not executions or open_replay(connection, scheduler.id) is not None:
                return 0
        components = [component.name for component in parse_schema(scheduler.data_schema)]
        files = sorted(_named(self._workplace, scheduler.input, components, to_microseconds(since)))
        late = [one for one in executions if self._is_new(one.id, _late_files(one, files, components))]
        if not late:
            return 0
        # Its rows may lie in the windows beside the one that it is named after.
        step = duration(scheduler.frequency)
        span = (min(one.data_start for one in late) - step, max(one.data_end for one in late) + step)
        with self._workplace.database.writing() as connection:
            if open_replay(connection, scheduler.id) is not None:
                return 0
            now = self._workplace.now()
            request_replay(connection, self._workplace.queue, scheduler.id, span, origin="LATE", now=now)
        return 1

    def _is_new(self, execution_id: str, late: frozenset[str]) -> bool:
        """Whether these late files of an execution were not asked for already: one that helps nothing stays late."""
        if not late or self._asked.get(execution_id) == late:
            return False
        while len(self._asked) >= ASKED_MAX:
            self._asked.pop(next(iter(self._asked)))
        self._asked[execution_id] = late
        return True


def due(next_at: Mapping[str, float], now: float) -> list[str]:
    """Those whose next look is due, the one that waits longest first."""
    return sorted((identity for identity, at in next_at.items() if at <= now), key=next_at.__getitem__)


def _ended(connection: Connection, scheduler_id: str, since: datetime) -> list[Row[Any]]:
    return list(
        connection.execute(
            select(inference_execution).where(
                inference_execution.c.scheduler_id == scheduler_id,
                inference_execution.c.data_end > since,
                inference_execution.c.status != "IN_PROGRESS",
                inference_execution.c.inputs.is_not(None),
            )
        )
    )


def _named(
    workplace: Workplace, configuration: Mapping[str, Any], components: Sequence[str], since_us: int
) -> Iterator[tuple[int, str, str]]:
    """Give time, component and mark of the files that may matter, by what their names may mean."""
    names, bucket = input_names(configuration), configuration["S3InputConfiguration"]["Bucket"]
    longest_first = sorted(components, key=len, reverse=True)
    for info in open_buckets(workplace.buckets).list(bucket, names.prefix):
        for component, at in readings_of_name(info.key, longest_first, names):
            if at > since_us - 2 * FREQUENCY_US_MAX:
                yield at, component, mark(info)


def _late_files(
    execution: Row[Any], files: Sequence[tuple[int, str, str]], components: Sequence[str]
) -> frozenset[str]:
    """Give the marks of the late files of an execution; none while a component lacks any file. `files` are sorted."""
    start, end = to_microseconds(execution.data_start), to_microseconds(execution.data_end)
    step = end - start
    near = files[bisect_left(files, (start - step,)) : bisect_left(files, (end + step + 1,))]
    if not {component for _, component, _ in near} >= set(components):
        return frozenset()
    is_success, seen = execution.status == "SUCCESS", set(execution.inputs)
    return frozenset(text for at, _, text in near if text not in seen and (start <= at < end or not is_success))
