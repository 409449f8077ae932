"""Replay: windows of the past scored again, or for the first time, at full speed; results, events and state corrected.

It is done part by part: the objects of a part first, then one transaction with its rows and how far the replay came. So
a crash repeats at most one part. The scheduler's events and its state change once, in the transaction that ends it.
While a replay runs, the scheduler's executions wait; see jobs/turns.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from openlookout.alerts.notes import note_replayed
from openlookout.api.instants import from_microseconds, to_microseconds
from openlookout.buckets.buckets import SERVICE, open_buckets
from openlookout.jobs import checkpoints
from openlookout.jobs.engine import Steps
from openlookout.jobs.records import recorded
from openlookout.jobs.replay_plan import Planned, Subject, beginning, keeps_state, parts, stretches, subject, windows
from openlookout.jobs.replay_rows import Changes, note_events, publish_readings, replace_events
from openlookout.jobs.replay_work import read_part, score_part
from openlookout.jobs.turns import enqueue_next
from openlookout.jobs.workplace import Workplace, begin, forgive, publish, retried
from openlookout.jobs.workplace import reason as sentence
from openlookout.store.lifecycles import REPLAY
from openlookout.store.subjects import replay_subject
from openlookout.store.tables import inference_scheduler, model_version, replay

PART_SECONDS_MAX = 1800.0

Answer = Mapping[str, Any]


class Superseded(Exception):
    """Another attempt does the replay, or its scheduler was deleted."""


@dataclass(frozen=True)
class _Reached:
    """How far a replay came with a part: of its progress what is new, and keys of states that it needs no more."""

    progress: Answer
    unnamed: Sequence[str | None]


class Replay:
    """The job behind `openlookout replay` and behind files that come late."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        is_this = replay.c.id == identity
        attempt = begin(self._workplace, steps, REPLAY, is_this, partial(self.abandon, identity))
        if attempt is None:
            return
        try:
            answer = steps.run("replay", self._work, identity, attempt)
        finally:
            Path(self._index(identity, attempt)).unlink(missing_ok=True)
        if "failed" in answer:
            self.abandon(identity, answer["failed"], attempt)
            return
        unnamed = self._finish(identity, attempt)
        if unnamed:
            steps.run("tidy", self._tidy, unnamed)

    def forgive(self, identity: str) -> None:
        forgive(self._workplace, REPLAY, replay.c.id == identity)

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        """What was published of it stays; the events and the state stay as they were."""
        now = self._workplace.now()
        values = {"failed_reason": sentence(reason), "ended_at": now}
        with self._workplace.database.writing() as connection, _recorded(connection, now, identity):
            scheduler_id = connection.execute(select(replay.c.scheduler_id).where(replay.c.id == identity)).scalar()
            if publish(connection, REPLAY, replay.c.id == identity, attempt, "FAILED", **values):
                assert scheduler_id is not None
                enqueue_next(connection, self._workplace.queue, scheduler_id)

    @retried
    def _work(self, identity: str, attempt: int) -> dict[str, Any]:
        """Do all parts that are still to do; may be called again, and goes on where it was."""
        try:
            it = self._begun(identity, attempt)
            with self._workplace.database.reading() as connection:
                planned = windows(connection, it, it.row.progress["position_us"], self._workplace.now())
            kept_from_us = self._kept_from_us(planned)
            for part, read in self._read(it, attempt, planned, kept_from_us):
                if "failed" in read:
                    return {"failed": read["failed"]}
                failed = self._score(it, attempt, part, read, kept_from_us)
                if failed is not None:
                    return {"failed": failed}
        except Superseded:
            return {}
        return {}

    def _begun(self, identity: str, attempt: int) -> Subject:
        """Give the replay, where it begins being noted once and for all."""
        with self._workplace.database.writing() as connection:
            it = subject(connection, identity)
            if it is None:
                raise Superseded
            if it.row.progress is None:
                self._note(connection, identity, attempt, beginning(connection, it))
                it = subject(connection, identity)
                assert it is not None
        return it

    def _kept_from_us(self, planned: Sequence[Planned]) -> int:
        """From which time on the states at full hours are kept: as long as late files may correct the results."""
        newest = from_microseconds(planned[-1].end_us) if planned else self._workplace.now()
        late = self._workplace.late
        return to_microseconds(newest - late - checkpoints.SPARE) if late else to_microseconds(newest) + 1

    def _read(
        self, it: Subject, attempt: int, planned: Sequence[Planned], kept_from_us: int
    ) -> Iterator[tuple[Sequence[Planned], dict[str, Any]]]:
        """Give each part with what a child read of it, and read the next one meanwhile."""
        rows_a_window = int(it.frequency.total_seconds() * 1e6 // it.version.sampling_rate_us)

        def read(part: Sequence[Planned]) -> dict[str, Any]:
            job = {
                **self._job(it, attempt),
                "input": it.row.input,
                "index": self._index(it.row.id, attempt),
                "windows": [(one.start_us, one.end_us, one.reads_files, one.kept) for one in part],
                "limits": {
                    "files": self._workplace.limits.inference_files,
                    "bytes_a_minute": self._workplace.limits.inference_bytes_a_minute,
                    "rows_a_minute": self._workplace.limits.inference_rows_a_minute,
                },
            }
            return self._workplace.children.run(PART_SECONDS_MAX, read_part, self._workplace.buckets, job)

        waiting = list(parts(planned, rows_a_window, kept_from_us))
        with ThreadPoolExecutor(1) as ahead:
            reading: Future[dict[str, Any]] | None = None
            while waiting or reading is not None:
                if reading is None:
                    part = waiting.pop(0)
                    reading = ahead.submit(read, part)
                answer = reading.result()
                n_read = len(answer.get("windows", part))
                done, left = part[:n_read], part[n_read:]
                if left:  # It was too much for one part.
                    waiting.insert(0, left)
                reading = None
                if waiting:
                    part = waiting.pop(0)
                    reading = ahead.submit(read, part)
                yield done, answer

    def _score(self, it: Subject, attempt: int, part: Sequence[Planned], read: Answer, kept_from_us: int) -> str | None:
        """Score a part and publish it; give why it cannot be."""
        told = read["windows"]
        numbers = [n for n, window in enumerate(part) if _has_results(window, told[n])]
        with self._workplace.database.reading() as connection:
            now = subject(connection, it.row.id)
        if now is None:
            raise Superseded
        scored: dict[str, Any] = {"state_keys": [], "windows": [], "events": []}
        wanted = set(numbers)
        cut = [(stretch, [n for n in stretch if n in wanted]) for stretch in stretches(part, kept_from_us)]
        if numbers:
            chosen = [part[n] for n in numbers]
            job = {
                **self._job(it, attempt),
                "prefix": read["prefix"],
                "state_key": now.row.progress["state_key"],
                "output": it.row.output,
                "windows": [(one.start_us, one.end_us, one.is_shown, _revision(one)) for one in chosen],
                "stretches": [len(scored_ones) for _, scored_ones in cut if scored_ones],
                "is_parquet_wanted": self._workplace.is_parquet_wanted,
                "scores_after_us": to_microseconds(self._workplace.now() - self._workplace.scores_kept_for),
            }
            scored = self._workplace.children.run(PART_SECONDS_MAX, score_part, self._workplace.buckets, job)
            if "failed" in scored:
                return str(scored["failed"])
        changes, results = Changes(), dict(zip(numbers, scored["windows"], strict=True))
        for number, window in enumerate(part):
            changes.add(now, window, told[number], results.get(number))
        with self._workplace.database.writing() as connection:
            changes.write(connection)
            prefixes = publish_readings(connection, now, [part[n] for n in numbers], read["prefix"])
            if _is_training(connection, it.row.model_id):
                prefixes = []  # A retraining may be reading them just now.
            ends = [(part[stretch[-1]], len(scored_ones)) for stretch, scored_ones in cut]
            reached = self._reach(connection, now, ends, scored, kept_from_us)
            states = self._advance(connection, now, attempt, changes, reached)
        self._tidy([*prefixes, *states])
        return None

    def _reach(
        self,
        connection: Connection,
        it: Subject,
        ends: Sequence[tuple[Planned, int]],
        scored: Answer,
        kept_from_us: int,
    ) -> _Reached:
        """Note the events of a part's stretches, and keep the states after them that are to be kept.

        `ends`: the last window of each stretch, and how many of its windows were scored.
        """
        progress, last = it.row.progress, ends[-1][0]
        begin, end = from_microseconds(progress["position_us"] + 1), from_microseconds(last.end_us)
        unnamed = [*checkpoints.forget(connection, it.row.scheduler_id, begin, end), progress["state_key"]]
        state_key, event = progress["state_key"], progress["event"]
        events, keys = iter(scored["events"]), iter(scored["state_keys"])
        for window, n_scored in ends:
            if n_scored:
                event = note_events(connection, it.row.id, list(islice(events, n_scored)), event)
                state_key = next(keys)
            if state_key is not None and keeps_state(window, kept_from_us):
                after = (it.version.version, state_key, event)
                checkpoints.keep(connection, it.row.scheduler_id, from_microseconds(window.end_us), after)
        latest = progress["latest"]
        if scored["events"]:
            latest = "ANOMALOUS" if scored["events"][-1] else "NORMAL"
        now = {"position_us": last.end_us, "state_key": state_key, "event": event, "latest": latest}
        return _Reached(now, unnamed)

    def _advance(
        self, connection: Connection, it: Subject, attempt: int, changes: Changes, reached: _Reached
    ) -> list[str]:
        """Note that a part is done; give the keys of states that no row names any more."""
        earlier = it.row.progress
        counts = {name: earlier[name] + getattr(changes, name) for name in ("n_scored", "n_revised", "n_failed")}
        self._note(connection, it.row.id, attempt, {**earlier, **reached.progress, **counts})
        return self._unnamed(connection, it, reached.unnamed, reached.progress["state_key"])

    def _unnamed(self, connection: Connection, it: Subject, keys: Sequence[str | None], used: str | None) -> list[str]:
        """Of keys of states, those that neither the scheduler nor a checkpoint names, nor the replay uses."""
        named = {it.row.state_key, used, None}
        return [
            key for key in keys if key is not None and key not in named and not checkpoints.is_kept(connection, key)
        ]

    def _note(self, connection: Connection, identity: str, attempt: int, progress: Answer) -> None:
        """Note how far this attempt came.

        Raises:
            Superseded: it is not this attempt's to do.
        """
        mine = (replay.c.id == identity) & (replay.c.attempt == attempt) & (replay.c.status == "IN_PROGRESS")
        if connection.execute(update(replay).where(mine).values(progress=progress)).rowcount != 1:
            raise Superseded

    def _finish(self, identity: str, attempt: int) -> list[str]:
        """Let events and state of the scheduler be those of the replay; give the keys that no row names any more."""
        now = self._workplace.now()
        with self._workplace.database.writing() as connection, _recorded(connection, now, identity):
            it = subject(connection, identity)
            this = replay.c.id == identity
            if it is None or not publish(connection, REPLAY, this, attempt, "SUCCESS", ended_at=now):
                return []
            progress, unnamed = it.row.progress, []
            if progress["latest"] is not None:
                replace_events(connection, it, identity, progress["begin_us"])
                note_replayed(connection, it.row.scheduler_id, now, self._workplace.late)
                connection.execute(
                    update(inference_scheduler)
                    .where(inference_scheduler.c.id == it.row.scheduler_id)
                    .values(
                        latest_result=progress["latest"],
                        state_key=progress["state_key"],
                        state_version=progress["version"],
                    )
                )
                earlier = it.row.state_key
                if earlier not in {None, progress["state_key"]} and not checkpoints.is_kept(connection, earlier):
                    unnamed = [earlier]
            enqueue_next(connection, self._workplace.queue, it.row.scheduler_id)
        return unnamed

    @retried
    def _tidy(self, unnamed: Sequence[str]) -> None:
        """Delete objects that no row mentions any more: a key, or all under a prefix."""
        buckets = open_buckets(self._workplace.buckets)
        buckets.delete(SERVICE, [key for key in unnamed if not key.endswith("/")])
        for prefix in unnamed:
            if prefix.endswith("/"):
                buckets.delete_prefix(SERVICE, prefix)

    def _index(self, identity: str, attempt: int) -> str:
        """Where the children keep which input files there are."""
        return str(Path(self._workplace.scratch, f"replay-{identity}-{attempt}.json"))

    def _job(self, it: Subject, attempt: int) -> dict[str, Any]:
        return {
            "id": it.row.id,
            "attempt": attempt,
            "scheduler_id": it.row.scheduler_id,
            "model_id": it.row.model_id,
            "version_prefix": it.version.object_prefix,
        }


def _recorded(connection: Connection, now: datetime, identity: str) -> AbstractContextManager[None]:
    return recorded(connection, now, "EndReplay", identity, lambda: replay_subject(connection, identity))


def _has_results(window: Planned, told: Answer) -> bool:
    """Whether a window is scored: it has readings now, or it was scored before."""
    if window.kept is not None:
        return True
    return "failed" not in told and (told["n_readings"] > 0 or _was_scored(window.execution))


def _was_scored(execution: Row[Any] | None) -> bool:
    return execution is not None and execution.status == "SUCCESS"


def _revision(window: Planned) -> int | None:
    if window.execution is None or not _was_scored(window.execution):
        return None
    revision: int = window.execution.revision
    return revision


def _is_training(connection: Connection, model_id: str) -> bool:
    running = (model_version.c.model_id == model_id) & (model_version.c.status == "IN_PROGRESS")
    return connection.execute(select(model_version.c.version).where(running).limit(1)).first() is not None
