"""Lifecycles: every pair of statuses of every noun, and that nothing changes a status on its own."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Table, select, update

import openlookout
from openlookout.api.definition import definition
from openlookout.store import tables
from openlookout.store.database import Database
from openlookout.store.lifecycles import LIFECYCLES, Lifecycle, move
from openlookout.store.what_if_tables import what_if

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = {"account": "1", "region": "r", "created_at": NOW, "updated_at": NOW}
ROWS: list[tuple[Table, dict[str, object]]] = [
    (tables.dataset, {"id": "d", "name": "d", "status": "CREATED", "schema_given": False, **PLACE}),
    (
        tables.ingestion_job,
        {"id": "j", "dataset_id": "d", "created_at": NOW, "status": "-", "attempt": 0, "dataset_status_before": "-"},
    ),
    (tables.model, {"id": "m", "name": "m", "dataset_id": "d", "status": "-", **PLACE}),
    (
        tables.model_version,
        {
            "model_id": "m",
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
            "status": "-",
            "source_type": "TRAINING",
            "attempt": 0,
            "configuration": {},
            "data_schema": "{}",
        },
    ),
    (
        tables.inference_scheduler,
        {
            "id": "s",
            "name": "s",
            "model_id": "m",
            "status": "-",
            "frequency": "PT5M",
            "input": {},
            "output": {},
            "role_arn": "r",
            **PLACE,
        },
    ),
    (
        tables.retraining_scheduler,
        {
            "model_id": "m",
            "status": "-",
            "start_date": NOW,
            "frequency": "P1M",
            "lookback": "P180D",
            "promote_mode": "MANUAL",
            "created_at": NOW,
            "updated_at": NOW,
        },
    ),
    (
        tables.inference_execution,
        {
            "id": "e",
            "scheduler_id": "s",
            "due_at": NOW,
            "data_start": NOW,
            "data_end": NOW,
            "status": "-",
            "attempt": 0,
            "input": {},
            "output": {},
        },
    ),
    (
        tables.replay,
        {
            "id": "r",
            "scheduler_id": "s",
            "origin": "COMMAND",
            "data_start": NOW,
            "data_end": NOW,
            "status": "-",
            "attempt": 0,
            "created_at": NOW,
        },
    ),
    (
        what_if,
        {
            "id": "w",
            "model_id": "m",
            "version": 1,
            "data_start": NOW,
            "data_end": NOW,
            "status": "-",
            "attempt": 0,
            "created_at": NOW,
        },
    ),
]
# The statuses that the API has for each noun.
ENUMS = {
    "dataset": "DatasetStatus",
    "ingestion_job": "IngestionJobStatus",
    "model": "ModelStatus",
    "model_version": "ModelVersionStatus",
    "inference_scheduler": "InferenceSchedulerStatus",
    "retraining_scheduler": "RetrainingSchedulerStatus",
    "inference_execution": "InferenceExecutionStatus",
    "replay": "InferenceExecutionStatus",  # No noun of the API; ends as an execution does.
    "what_if": "InferenceExecutionStatus",
}
# What may follow what, written down a second time, so that a change of the first is seen.
ALLOWED = """
dataset: CREATED>INGESTION_IN_PROGRESS CREATED>IMPORT_IN_PROGRESS ACTIVE>INGESTION_IN_PROGRESS
dataset: ACTIVE>IMPORT_IN_PROGRESS INGESTION_IN_PROGRESS>ACTIVE INGESTION_IN_PROGRESS>CREATED
dataset: IMPORT_IN_PROGRESS>ACTIVE IMPORT_IN_PROGRESS>CREATED
ingestion_job: IN_PROGRESS>SUCCESS IN_PROGRESS>FAILED IMPORT_IN_PROGRESS>SUCCESS IMPORT_IN_PROGRESS>FAILED
model: IN_PROGRESS>SUCCESS IN_PROGRESS>FAILED IMPORT_IN_PROGRESS>SUCCESS IMPORT_IN_PROGRESS>FAILED
model: SUCCESS>IN_PROGRESS SUCCESS>IMPORT_IN_PROGRESS FAILED>IN_PROGRESS FAILED>IMPORT_IN_PROGRESS
model_version: IN_PROGRESS>SUCCESS IN_PROGRESS>FAILED IN_PROGRESS>CANCELED
model_version: IMPORT_IN_PROGRESS>SUCCESS IMPORT_IN_PROGRESS>FAILED
inference_scheduler: PENDING>RUNNING PENDING>STOPPING RUNNING>STOPPING STOPPING>STOPPED STOPPED>PENDING
retraining_scheduler: PENDING>RUNNING PENDING>STOPPING RUNNING>STOPPING STOPPING>STOPPED STOPPED>PENDING
inference_execution: IN_PROGRESS>SUCCESS IN_PROGRESS>FAILED FAILED>IN_PROGRESS
replay: IN_PROGRESS>SUCCESS IN_PROGRESS>FAILED
what_if: IN_PROGRESS>SUCCESS IN_PROGRESS>FAILED
"""
PAIRS = {
    (line.split(":")[0], *pair.split(">"))
    for line in ALLOWED.strip().splitlines()
    for pair in line.split(":")[1].split()
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('lifecycles') / 'store.db'}")
    database.migrate()
    with database.writing() as connection:
        for table, row in ROWS:
            connection.execute(table.insert(), row)
    yield database
    database.close()


def statuses(lifecycle: Lifecycle) -> list[str]:
    return list(definition()["shapes"][ENUMS[lifecycle.table.name]]["enum"])


@pytest.mark.parametrize("lifecycle", LIFECYCLES, ids=lambda each: each.table.name)
def test_a_status_follows_another_exactly_where_the_table_says(database: Database, lifecycle: Lifecycle) -> None:
    table = lifecycle.table
    everything = table.c.status.is_not(None)
    for before in statuses(lifecycle):
        for after in {to for steps in lifecycle.steps.values() for to in steps}:
            with database.writing() as connection:
                connection.execute(update(table).values(status=before))
                n_moved = move(connection, lifecycle, everything, after)
                now = connection.execute(select(table.c.status)).scalar_one()
            assert (n_moved == 1) == ((table.name, before, after) in PAIRS), (before, after)
            assert now == (after if n_moved else before)


def test_every_noun_of_the_api_with_a_status_has_a_lifecycle() -> None:
    assert {lifecycle.table.name for lifecycle in LIFECYCLES} == set(ENUMS)
    for lifecycle in LIFECYCLES:
        used = {status for pair in lifecycle.steps.items() for status in (pair[0], *pair[1])}
        assert used == set(statuses(lifecycle))


def test_a_status_that_never_comes_is_a_mistake_of_ours(database: Database) -> None:
    model = next(each for each in LIFECYCLES if each.table.name == "model")
    with pytest.raises(AssertionError, match="model never becomes CANCELED"):
        model.before("CANCELED")


def test_no_update_sets_a_status_but_the_lifecycles() -> None:
    """Inserted rows have their first status; every later one goes through `move`."""
    source = Path(openlookout.__file__).parent
    setting = re.compile(r"\.values\(\s*status=|\"status\": \"(?!CREATED|IN_PROGRESS|IMPORT_IN_PROGRESS|PENDING)[A-Z]")
    found = [
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if path.name != "lifecycles.py" and setting.search(path.read_text())
    ]
    # What is read from a file is inserted as it ended elsewhere.
    assert found == ["archive/transfer.py"]
