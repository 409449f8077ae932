"""What fell due while nobody looked: made at the next look, oldest first, one at a time, and of a long pause the newest."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from openlookout.clock import ManualClock
from openlookout.jobs import engine
from openlookout.jobs.ticker import MISSED_MAX, Ticker
from openlookout.store.database import Database
from openlookout.store.tables import dataset, inference_execution, inference_scheduler, model

FIRST_DUE = datetime(2026, 1, 1, tzinfo=UTC)
FREQUENCY = timedelta(minutes=5)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'rows.db'}")
    database.migrate()
    engine.migrate(database)
    at = {"created_at": FIRST_DUE, "updated_at": FIRST_DUE}
    place = {"account": "123456789012", "region": "us-east-1", **at}
    source = {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False, **place}
    scheduler = {"id": "s", "name": "s", "model_id": "m", "status": "RUNNING", "frequency": "PT5M", "role_arn": "r"}
    with database.writing() as connection:
        connection.execute(dataset.insert(), source)
        connection.execute(model.insert(), {"id": "m", "name": "m", "dataset_id": "d", "status": "SUCCESS", **place})
        connection.execute(
            inference_scheduler.insert(), {**scheduler, "input": {}, "output": {}, "next_due": FIRST_DUE, **place}
        )
    yield database
    database.close()


@pytest.mark.parametrize(("n_missed", "n_made"), [(1, 1), (7, 7), (MISSED_MAX, MISSED_MAX), (400, MISSED_MAX)])
def test_missed_executions_are_made_for_the_times_they_were_due_and_the_oldest_is_enqueued(
    database: Database, n_missed: int, n_made: int
) -> None:
    queue, clock = engine.JobQueue(database), ManualClock(FIRST_DUE + (n_missed - 1) * FREQUENCY + FREQUENCY / 2)
    assert Ticker(database, queue, clock).tick() == n_made
    with database.reading() as connection:
        made = connection.execute(select(inference_execution).order_by(inference_execution.c.due_at)).all()
        following = connection.execute(select(inference_scheduler.c.next_due)).scalar_one()
    last = FIRST_DUE + (n_missed - 1) * FREQUENCY
    assert [row.due_at for row in made] == [last - (n_made - 1 - i) * FREQUENCY for i in range(n_made)]
    assert following == last + FREQUENCY
    jobs = queue.alive([engine.job_id("infer", row.id) for row in made])
    assert jobs == {engine.job_id("infer", made[0].id)}
    assert Ticker(database, queue, clock).tick() == 0
    queue.close()
