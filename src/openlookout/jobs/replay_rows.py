"""What a replay publishes: the executions of a part, and in the end the scheduler's events and its state.

Everything of a part is written in the transaction that notes how far the replay came; see jobs/replay.py.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from openlookout.api.instants import from_microseconds
from openlookout.jobs.event_rows import columns, continued, from_row
from openlookout.jobs.replay_plan import Planned, Subject
from openlookout.jobs.workplace import reason
from openlookout.store.lifecycles import INFERENCE_EXECUTION, move
from openlookout.store.score_tables import keep_scores
from openlookout.store.tables import (
    accumulated,
    inference_event,
    inference_execution,
    replay_event,
)

Told = Mapping[str, Any]  # What a child said of a window.


@dataclass
class Changes:
    """The rows of a part's executions as they are to be. `made` are new; `reopened` had failed and have results now."""

    made: list[dict[str, Any]] = field(default_factory=list)
    reopened: list[str] = field(default_factory=list)
    succeeded: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    noted: list[dict[str, Any]] = field(default_factory=list)
    scores: list[tuple[str, datetime, Any]] = field(default_factory=list)
    n_scored: int = 0
    n_revised: int = 0
    n_failed: int = 0

    def add(self, it: Subject, window: Planned, told: Told, result: Told | None) -> None:
        """Add a window, of which a child read `told`, and another made `result` if it was scored.

        A window that neither has nor had input gets no row: nobody had asked for it.
        """
        row = window.execution
        if result is None and (told.get("is_missing") or "failed" not in told):
            if row is not None:
                self.noted.append({"of": row.id, "inputs": told["inputs"]})
            return
        identity = uuid.uuid4().hex if row is None else row.id
        if row is None:
            self.made.append(_row(it, window, identity))
        if result is None:
            self.n_failed += 1
            if row is None or row.status == "FAILED":
                values = {"failed_reason": reason(told["failed"]), "inputs": told["inputs"]}
                self.failed.append({"of": identity, **values})
        elif window.is_shown:
            self.n_scored += 1
            self.n_revised += row is not None and result["changed"]
            if row is not None and row.status == "FAILED":
                self.reopened.append(identity)
            inputs = told["inputs"] if window.reads_files or row is None else row.inputs
            self.succeeded.append(_succeeded(it, identity, result, inputs))
            if result["rows"] is not None:
                self.scores.append((identity, from_microseconds(window.end_us), result["rows"]))

    def write(self, connection: Connection) -> None:
        """Write them all."""
        some, new = inference_execution.c.id, {row["id"] for row in self.made}
        if self.made:
            connection.execute(insert(inference_execution), self.made)
        if self.reopened:  # One more attempt: a worker that was given up must not end what is ended here.
            again = {"attempt": inference_execution.c.attempt + 1}
            move(connection, INFERENCE_EXECUTION, some.in_(self.reopened), "IN_PROGRESS", **again)
        for status, ended in (("SUCCESS", self.succeeded), ("FAILED", self.failed)):
            open_ones = [one["of"] for one in ended if one["of"] in new]
            open_ones += self.reopened if status == "SUCCESS" else []
            if open_ones:
                move(connection, INFERENCE_EXECUTION, some.in_(open_ones), status)
        for values in (self.succeeded, self.failed, self.noted):
            if values:
                changed: dict[str, Any] = {name: bindparam(name) for name in values[0] if name != "of"}
                connection.execute(update(inference_execution).where(some == bindparam("of")).values(changed), values)
        keep_scores(connection, self.scores)


def _row(it: Subject, window: Planned, identity: str) -> dict[str, Any]:
    end = from_microseconds(window.end_us)
    return {
        "id": identity,
        "scheduler_id": it.row.scheduler_id,
        "due_at": end + it.delay,
        "data_start": from_microseconds(window.start_us),
        "data_end": end,
        "status": "IN_PROGRESS",  # Ended in the same transaction.
        "attempt": 1,
        "input": it.row.input,
        "output": it.row.output,
    }


def _succeeded(it: Subject, identity: str, result: Told, inputs: Any) -> dict[str, Any]:
    return {
        "of": identity,
        "version": it.version.version,
        "result_bucket": it.row.output["S3OutputConfiguration"]["Bucket"],
        "result_key": result["key"],
        "revision": result["revision"],
        "score_max": result["score_max"],
        "failed_reason": None,
        "inputs": inputs,
    }


def publish_readings(connection: Connection, it: Subject, windows: Sequence[Planned], prefix: str) -> list[str]:
    """Note where the readings of windows are now; give the prefixes that no row names any more."""
    if not windows:
        return []
    model_id = it.row.model_id
    mine = (accumulated.c.model_id == model_id) & (accumulated.c.data_end == bindparam("end"))
    ends = [{"end": from_microseconds(window.end_us)} for window in windows]
    connection.execute(delete(accumulated).where(mine), ends)
    rows = [
        {
            "model_id": model_id,
            "data_start": from_microseconds(window.start_us),
            "data_end": from_microseconds(window.end_us),
            "prefix": prefix,
        }
        for window in windows
    ]
    connection.execute(insert(accumulated), rows)
    replaced = sorted({window.kept for window in windows if window.kept is not None and window.kept != prefix})
    if not replaced:
        return []
    still = connection.execute(
        select(accumulated.c.prefix).where(accumulated.c.prefix.in_(replaced)).distinct()
    ).scalars()
    return sorted(set(replaced) - set(still))


def note_events(
    connection: Connection, identity: str, events: Sequence[Sequence[Mapping[str, Any]]], last: Any
) -> Mapping[str, Any] | None:
    """Add the events of windows, in order, to what the replay found; `last` is its latest so far. Gives the new one.

    An event that begins just where the latest ends lets that go on, as in executions.
    """
    found: list[dict[str, Any]] = [] if last is None else [dict(last)]
    n_before = len(found)
    for event in (event for window in events for event in window):
        if found and found[-1]["end_us"] == event["start_us"]:
            found[-1] = continued(found[-1], event)
        else:
            found.append(dict(event))
    if n_before:
        mine = (replay_event.c.replay_id == identity) & (
            replay_event.c.started_at == from_microseconds(found[0]["start_us"])
        )
        connection.execute(delete(replay_event).where(mine))
    if found:
        connection.execute(insert(replay_event), [{"replay_id": identity, **columns(event)} for event in found])
    return found[-1] if found else None


def replace_events(connection: Connection, it: Subject, identity: str, begin_us: int) -> None:
    """Let the events that the replay found take the place of the scheduler's from its beginning on.

    An event that overlaps one that was there is that one, corrected: it keeps its id.
    """
    begin, of = from_microseconds(begin_us), inference_event.c.scheduler_id == it.row.scheduler_id
    found = connection.execute(
        select(replay_event).where(replay_event.c.replay_id == identity).order_by(replay_event.c.started_at)
    ).all()
    first = min([begin, *(event.started_at for event in found)])
    # What began before, with a state that is not known any more, ends where the replay begins.
    cut = of & (inference_event.c.started_at < first) & (inference_event.c.ended_at > begin)
    connection.execute(update(inference_event).where(cut).values(ended_at=begin))
    there = connection.execute(
        select(inference_event).where(of, inference_event.c.started_at >= first).order_by(inference_event.c.started_at)
    ).all()
    waiting: list[Row[Any]] = list(there)
    gone: list[str] = []
    for event in found:
        while waiting and waiting[0].ended_at <= event.started_at:
            gone.append(waiting.pop(0).id)
        values = columns(from_row(event))
        if waiting and waiting[0].started_at < event.ended_at:
            earlier = waiting.pop(0)
            if columns(from_row(earlier)) != values:
                connection.execute(update(inference_event).where(inference_event.c.id == earlier.id).values(**values))
            continue
        row = {"id": uuid.uuid4().hex, "scheduler_id": it.row.scheduler_id, **values}
        connection.execute(inference_event.insert(), row)
    gone += [event.id for event in waiting]
    if gone:
        connection.execute(delete(inference_event).where(inference_event.c.id.in_(gone)))
    connection.execute(delete(replay_event).where(replay_event.c.replay_id == identity))
