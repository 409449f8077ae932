"""What an execution leaves behind: only the attempt that publishes changes anything, and a silent plant adds nothing."""

import errno
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.clock import ManualClock
from openlookout.jobs import engine
from openlookout.jobs.children import Children
from openlookout.jobs.failures import Temporary
from openlookout.jobs.infer import Infer
from openlookout.jobs.live_state import LiveState, dump, remembered, restore
from openlookout.jobs.workplace import Workplace, begin, retried
from openlookout.store.database import Database
from openlookout.store.lifecycles import INFERENCE_EXECUTION
from openlookout.store.tables import dataset, inference_execution, inference_scheduler, model, model_version
from openlookout.timeseries.columnar import Readings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EARLIER = "schedulers/s/state/earlier-1.npz"


class Here:
    """Steps that run at once: the engine's keeping of answers is tested elsewhere."""

    def run(self, _name: str, step: Any, *arguments: Any) -> Any:
        return step(*arguments)

    again = run


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    database = Database(f"sqlite:///{tmp_path / 'rows.db'}")
    database.migrate()
    engine.migrate(database)
    buckets = BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects")
    children, queue = Children(1), engine.JobQueue(database)
    yield Workplace(database, buckets, str(tmp_path), children, queue, ManualClock(NOW))
    queue.close()
    children.close()
    database.close()


def add_execution(workplace: Workplace, status: str) -> str:
    place = {"account": "123456789012", "region": "us-east-1", "created_at": NOW, "updated_at": NOW}
    identity = uuid.uuid4().hex
    output = {"S3OutputConfiguration": {"Bucket": "bucket", "Prefix": "out/"}}
    with workplace.database.writing() as connection:
        connection.execute(
            dataset.insert(), {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False, **place}
        )
        connection.execute(model.insert(), {"id": "m", "name": "m", "dataset_id": "d", "status": "SUCCESS", **place})
        scheduler = {"id": "s", "name": "s", "model_id": "m", "status": "RUNNING", "frequency": "PT5M", **place}
        connection.execute(
            inference_scheduler.insert(),
            {**scheduler, "input": {}, "output": output, "role_arn": "r", "state_key": EARLIER, "state_version": 1},
        )
        row = {"id": identity, "scheduler_id": "s", "due_at": NOW, "data_start": NOW - timedelta(minutes=5)}
        connection.execute(
            inference_execution.insert(),
            {**row, "data_end": NOW, "status": status, "attempt": 1, "input": {}, "output": output},
        )
    open_buckets(workplace.buckets).write(SERVICE, EARLIER, b"state")
    return identity


ANSWER = {
    "version": 1,
    "model_id": "m",
    "result_key": "k",
    "state_key": "new",
    "earlier_state_key": EARLIER,
    "accumulated": "models/m/accumulated/e-1/",
    "rows": [],
    "events": [],
    "inputs": [],
}


@pytest.mark.parametrize(("status", "is_published"), [("IN_PROGRESS", True), ("FAILED", False), ("SUCCESS", False)])
def test_only_the_attempt_that_publishes_replaces_the_state(
    workplace: Workplace, status: str, is_published: bool
) -> None:
    """A worker woken after its execution was given up must not delete what the scheduler still points to."""
    identity = add_execution(workplace, status)
    Infer(workplace).finish(Here(), identity, 1, ANSWER)
    with workplace.database.reading() as connection:
        state_key = connection.execute(select(inference_scheduler.c.state_key)).scalar_one()
    assert state_key == ("new" if is_published else EARLIER)
    assert open_buckets(workplace.buckets).exists(SERVICE, EARLIER) != is_published


class Woken(Here):
    """The steps of a worker that sleeps before it scores, and wakes when its successor has published."""

    def __init__(self, workplace: Workplace, identity: str) -> None:
        self._workplace, self._identity = workplace, identity

    def again(self, name: str, step: Any, *arguments: Any) -> Any:
        if name == "score":
            infer, which = Infer(self._workplace), inference_execution.c.id == self._identity
            attempt = begin(self._workplace, Here(), INFERENCE_EXECUTION, which, infer.abandon)  # type: ignore[arg-type]
            assert attempt is not None
            infer.finish(Here(), self._identity, attempt, ANSWER)  # type: ignore[arg-type]
        answer = step(*arguments)
        assert answer is None, "it scored with the state that its successor left"
        return answer


def test_a_worker_that_wakes_after_its_successor_published_does_not_score_again(workplace: Workplace) -> None:
    identity = add_execution(workplace, "IN_PROGRESS")
    with workplace.database.writing() as connection:
        connection.execute(
            model_version.insert(),
            {
                "model_id": "m",
                "version": 1,
                "created_at": NOW,
                "updated_at": NOW,
                "status": "SUCCESS",
                "source_type": "TRAINING",
                "attempt": 1,
                "configuration": {},
                "data_schema": "{}",
                "object_prefix": "models/m/1/1/",
            },
        )
        connection.execute(model.update().values(active_version=1))
    Infer(workplace).run(Woken(workplace, identity), identity)  # type: ignore[arg-type]
    with workplace.database.reading() as connection:
        assert connection.execute(select(inference_execution.c.status)).scalar_one() == "SUCCESS"


def test_rows_without_readings_are_not_remembered() -> None:
    """Files of a plant that sends only blanks must not let the state grow for ever."""
    values = np.array([[1.0, np.nan], [np.nan, np.nan], [np.nan, 2.0], [np.nan, np.nan]])
    readings = Readings(("p\\a", "p\\b"), np.array([10, 20, 30, 40]), values)
    assert remembered(readings, 0).timestamps.tolist() == [10, 30]
    assert remembered(readings, 10).timestamps.tolist() == [30]
    assert remembered(readings, 40).values.shape == (0, 2)


def test_a_state_comes_back_as_it_was() -> None:
    tail = {"p": Readings(("p\\a",), np.array([1, 2]), np.array([[0.1], [np.nan]]))}
    state = LiveState(7, tail, 0.1 + 0.2, {"features": np.arange(6.0).reshape(2, 3), "segment": np.array(4)})
    back = restore(dump(state))
    assert (back.last_us, back.off_value, set(back.tail)) == (7, 0.1 + 0.2, {"p"})
    assert back.tail["p"].sensors == ("p\\a",)
    assert back.tail["p"].values.tobytes() == tail["p"].values.tobytes()
    assert back.detector is not None
    assert state.detector is not None
    assert all(np.array_equal(back.detector[name], state.detector[name]) for name in state.detector)
    assert restore(dump(LiveState())) == LiveState()


def test_what_an_attempt_given_up_still_does_changes_nothing(workplace: Workplace) -> None:
    """A worker that slept: its successor has begun, and neither its success nor its failure may be said any more."""
    identity, which = add_execution(workplace, "IN_PROGRESS"), inference_execution.c.id
    sleeper, successor = Here(), Here()
    begun = [
        begin(workplace, steps, INFERENCE_EXECUTION, which == identity, Infer(workplace).abandon)
        for steps in (sleeper, successor)
    ]
    assert begun == [2, 3]
    Infer(workplace).abandon(identity, "the sleeper's child was lost", 2)
    Infer(workplace).finish(sleeper, identity, 2, ANSWER)
    with workplace.database.reading() as connection:
        assert connection.execute(select(inference_execution.c.status)).scalar_one() == "IN_PROGRESS"
        assert connection.execute(select(inference_scheduler.c.state_key)).scalar_one() == EARLIER
    Infer(workplace).finish(successor, identity, 3, ANSWER)
    Infer(workplace).abandon(identity, "too late", None)
    with workplace.database.reading() as connection:
        assert connection.execute(select(inference_execution.c.status)).scalar_one() == "SUCCESS"


def test_three_interrupted_attempts_are_enough_and_forgiven_ones_do_not_count(workplace: Workplace) -> None:
    identity = add_execution(workplace, "IN_PROGRESS")  # Its first attempt has begun.
    infer, this = Infer(workplace), inference_execution.c.id == identity
    for _ in range(5):
        infer.forgive(identity)
        assert begin(workplace, Here(), INFERENCE_EXECUTION, this, partial(infer.abandon, identity)) is not None
    for _ in range(2):
        assert begin(workplace, Here(), INFERENCE_EXECUTION, this, partial(infer.abandon, identity)) is not None
    assert begin(workplace, Here(), INFERENCE_EXECUTION, this, partial(infer.abandon, identity)) is None
    with workplace.database.reading() as connection:
        row = connection.execute(select(inference_execution)).one()
    assert (row.status, row.attempt) == ("FAILED", 9)
    assert row.failed_reason.startswith(
        "The work was interrupted 3 times by the end of the process that did it; 3 times"
    )


def test_a_full_disk_is_waited_for_in_whosever_words() -> None:
    for said in (OSError(errno.ENOSPC, "No space left"), RuntimeError("IO error: File too large (os error 27)")):
        with pytest.raises(Temporary, match="the disk of the worker is full"):
            retried(partial(_raise, said))()
    with pytest.raises(PermissionError):
        retried(partial(_raise, PermissionError(errno.EACCES, "no")))()


def _raise(error: Exception) -> None:
    raise error
