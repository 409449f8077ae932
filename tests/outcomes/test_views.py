"""The SQL views say what was scored, on both databases, with the columns that the docs promise."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from alerts.conftest import NOW, STEP, Plant
from openlookout.api.instants import to_microseconds
from openlookout.clock import ManualClock
from openlookout.jobs.retention import forget_old_scores
from openlookout.store.score_tables import keep_scores

DOCS = Path(__file__).parents[2] / "docs" / "results.md"
OF = ("123456789012", "us-east-1", "pump", "live")


def query(plant: Plant, sql: str) -> list[tuple[Any, ...]]:
    with plant.database.reading() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def as_time(value: Any) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


def keep(plant: Plant, end: datetime, *rows: tuple[datetime, float | None, bool]) -> None:
    identity = plant.execution(end).id
    with plant.database.writing() as connection:
        for _ in range(2):  # Scored again: the newer rows.
            keep_scores(connection, [(identity, end, [(to_microseconds(at), *row) for at, *row in rows])])


def test_scores_are_rows_with_the_reasons_of_the_results_file(plant: Plant) -> None:
    keep(plant, NOW, (NOW - STEP, 0.25, False), (NOW, 0.75, True))
    keep(plant, NOW + STEP, (NOW + STEP, None, False))
    rows = query(plant, 'SELECT * FROM openlookout_scores ORDER BY "timestamp"')
    assert {row[:4] for row in rows} == {OF}
    assert [(as_time(row[4]), *row[5:8]) for row in rows] == [
        (NOW - STEP, 0.25, 0, "NO_ANOMALY_DETECTED"),
        (NOW, 0.75, 1, "ANOMALY_DETECTED"),
        (NOW + STEP, None, 0, "MACHINE_OFF"),
    ]


def test_events_and_executions_are_rows_too(plant: Plant) -> None:
    plant.score(NOW, 0, 1, 1)
    ((*of, started, ended, seconds),) = query(
        plant,
        "SELECT account, region, model, scheduler, started_at, ended_at, duration_seconds FROM openlookout_events LIMIT 1",
    )
    assert (tuple(of), as_time(started), as_time(ended), float(seconds)) == (OF, NOW - 2 * STEP, NOW - STEP, 300.0)
    ((status, due),) = query(plant, "SELECT status, due_at FROM openlookout_executions")
    assert (status, as_time(due)) == ("SUCCESS", NOW)


def test_the_columns_of_the_views_are_those_of_the_docs(plant: Plant) -> None:
    documented = DOCS.read_text()
    for view in ("openlookout_scores", "openlookout_events", "openlookout_executions"):
        (line,) = [line for line in documented.splitlines() if line.startswith(f"| `{view}`")]
        with plant.database.reading() as connection:
            columns = [*connection.execute(text(f"SELECT * FROM {view}")).keys()]
        assert columns[:4] == ["account", "region", "model", "scheduler"]
        last = line.split(" | ")[2]
        assert [part.split("`")[1] for part in last.split(", ") if part.startswith("`")] == columns[4:]


def test_old_scores_are_forgotten_and_younger_ones_are_not(plant: Plant) -> None:
    keep(plant, NOW, (NOW, 0.25, False))
    keep(plant, NOW + timedelta(days=1), (NOW + timedelta(days=1), 0.5, False))
    forget_old_scores(plant.database, ManualClock(NOW + timedelta(days=90, hours=1)), 90)
    assert query(plant, "SELECT anomaly_score FROM openlookout_scores") == [(0.5,)]
