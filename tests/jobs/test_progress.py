"""How far an ingestion is: noted by the child, told by the row while the work is under way, and by nothing afterwards."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from openlookout.buckets.buckets import BucketSettings
from openlookout.clock import ManualClock
from openlookout.jobs import engine
from openlookout.jobs.children import Children
from openlookout.jobs.ingest import Ingest, _progress_path
from openlookout.jobs.progress import ProgressFile, read_progress
from openlookout.jobs.workplace import Workplace
from openlookout.store.database import Database
from openlookout.store.tables import dataset, ingestion_job

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = "0" * 32


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    database = Database(f"sqlite:///{tmp_path / 'rows.db'}")
    database.migrate()
    engine.migrate(database)
    buckets = BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects")
    children, queue = Children(1), engine.JobQueue(database)
    place = {"account": "123456789012", "region": "us-east-1", "created_at": NOW, "updated_at": NOW}
    source = {"id": "d", "name": "d", "status": "INGESTION_IN_PROGRESS", "schema_given": False, **place}
    job = {"id": JOB, "dataset_id": "d", "created_at": NOW, "status": "IN_PROGRESS", "attempt": 1, "role_arn": "r"}
    given = {"S3InputConfiguration": {"Bucket": "plant", "Prefix": "in/"}}
    with database.writing() as connection:
        connection.execute(dataset.insert(), source)
        connection.execute(ingestion_job.insert(), {**job, "dataset_status_before": "CREATED", "input": given})
    yield Workplace(database, buckets, str(tmp_path), children, queue, ManualClock(NOW))
    queue.close()
    children.close()
    database.close()


def detail(workplace: Workplace) -> str | None:
    with workplace.database.reading() as connection:
        shown: str | None = connection.execute(select(ingestion_job.c.status_detail)).scalar_one()
    return shown


def test_the_row_tells_what_the_child_noted_last(workplace: Workplace) -> None:
    job = Ingest(workplace)
    assert job._tell_progress(JOB, 1)
    assert detail(workplace) is None
    ProgressFile(_progress_path(workplace.scratch, JOB, 1)).note(30, 120)
    assert job._tell_progress(JOB, 1)
    assert detail(workplace) == "Reading the files: 30 of 120 bytes (25 %)."


def test_an_attempt_that_was_given_up_tells_nothing(workplace: Workplace) -> None:
    ProgressFile(_progress_path(workplace.scratch, JOB, 0)).note(30, 120)
    assert Ingest(workplace)._tell_progress(JOB, 0)
    assert detail(workplace) is None


def test_a_note_that_is_half_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "progress").write_text("30")
    assert read_progress(tmp_path / "progress") is None
    (tmp_path / "progress").write_text("")
    assert read_progress(tmp_path / "progress") is None


def test_a_job_that_ended_leaves_no_note_and_says_no_more_how_far_it_is(workplace: Workplace, tmp_path: Path) -> None:
    folder = tmp_path / "buckets" / "plant" / "in" / "pump"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text(
        "t,s\n" + "".join(f"2024-01-01 00:{i // 60:02}:{i % 60:02},{i}\n" for i in range(600))
    )
    Ingest(workplace).run(Here(), JOB)  # type: ignore[arg-type]
    with workplace.database.reading() as connection:
        ended = connection.execute(select(ingestion_job)).one()
    assert (ended.status, ended.failed_reason, ended.status_detail) == ("SUCCESS", None, None)
    assert not list(tmp_path.glob("progress-*"))


class Here:
    """Steps that run at once: the engine's keeping of answers is tested elsewhere."""

    attempt = None

    def run(self, _name: str, step: Any, *arguments: Any) -> Any:
        return step(*arguments)
