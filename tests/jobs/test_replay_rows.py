"""What a replay publishes, on each kind of database: executions, readings, and events that keep their identity."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from openlookout.api.instants import to_microseconds
from openlookout.jobs.replay_plan import Planned, Subject, beginning, parts, stretches, subject, windows
from openlookout.jobs.replay_rows import Changes, note_events, publish_readings, replace_events
from openlookout.store.database import Database
from openlookout.store.tables import (
    accumulated,
    checkpoint,
    dataset,
    inference_event,
    inference_execution,
    inference_scheduler,
    model,
    model_version,
    replay,
)
from postgres import postgresql_in

NOW = datetime(2026, 1, 1, 12, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOUR_US = 3_600_000_000
BASE = to_microseconds(START)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("rows")
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'rows.db'}"
        return
    server = postgresql_in(folder / "postgresql")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A scheduler with a replay of the first twelve hours, and executions: 2 succeeded, 3 failed, 12 waits."""
    database = Database(url)
    database.migrate()
    place = {"account": "1", "region": "r", "created_at": NOW, "updated_at": NOW}
    with database.writing() as connection:
        for table in (inference_scheduler, model, dataset):
            connection.execute(table.delete())
        connection.execute(accumulated.delete())
        connection.execute(
            dataset.insert(), {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False, **place}
        )
        connection.execute(
            model.insert(),
            {"id": "m", "name": "m", "dataset_id": "d", "status": "SUCCESS", "active_version": 1, **place},
        )
        version = {"model_id": "m", "version": 1, "status": "SUCCESS", "source_type": "TRAINING", "attempt": 1}
        version |= {"configuration": {}, "data_schema": "{}", "object_prefix": "v/", "sampling_rate_us": 300_000_000}
        connection.execute(model_version.insert(), {**version, "created_at": NOW, "updated_at": NOW})
        output = {"S3OutputConfiguration": {"Bucket": "b", "Prefix": "out/"}}
        scheduler = {"id": "s", "name": "s", "model_id": "m", "status": "RUNNING", "frequency": "PT1H", **place}
        connection.execute(inference_scheduler.insert(), {**scheduler, "input": {}, "output": output, "role_arn": "r"})
        for number, status in ((2, "SUCCESS"), (3, "FAILED"), (11, "IN_PROGRESS")):
            row = {
                "id": f"e{number}",
                "scheduler_id": "s",
                "status": status,
                "attempt": 1,
                "input": {},
                "output": output,
            }
            start = START + number * HOUR
            row |= {"due_at": start + HOUR, "data_start": start, "data_end": start + HOUR, "version": 1}
            connection.execute(inference_execution.insert(), row)
        kept = {"model_id": "m", "data_start": START + 2 * HOUR, "data_end": START + 3 * HOUR, "prefix": "old/"}
        connection.execute(accumulated.insert(), kept)
        row = {"id": "x", "scheduler_id": "s", "origin": "COMMAND", "status": "IN_PROGRESS", "attempt": 1}
        span = {"data_start": START + timedelta(minutes=5), "data_end": START + 12 * HOUR}
        connection.execute(replay.insert(), {**row, **span, "created_at": NOW})
    yield database
    database.close()


def it_is(connection: Any) -> Subject:
    it = subject(connection, "x")
    assert it is not None
    return it


def test_a_plan_has_what_ended_and_what_nobody_asked_for_up_to_what_waits(database: Database) -> None:
    with database.reading() as connection:
        it = it_is(connection)
        progress = beginning(connection, it)
        assert (progress["begin_us"], progress["state_key"]) == (BASE, None)
        planned = windows(connection, it, BASE, NOW)
    hours = [(window.start_us - BASE) // HOUR_US for window in planned]
    assert hours == list(range(11)), "eleven to twelve waits for its own execution"
    of = dict(zip(hours, planned, strict=True))
    assert [hour for hour in hours if of[hour].execution is not None] == [2, 3]
    assert [hour for hour in hours if of[hour].kept is not None] == [2]
    assert all(window.reads_files and window.is_shown for window in planned)
    cut = list(parts(planned, 12, BASE + 8 * HOUR_US))
    assert [len(part) for part in cut] == [11], "few states are kept here"
    assert stretches(cut[0], BASE + 8 * HOUR_US) == [[*range(8)], [8], [9], [10]], "cut where late files may still come"
    assert [len(part) for part in parts(planned, 12, BASE + 2 * HOUR_US)] == [7, 4], "what is late is soon corrected"
    assert [window for part in cut for window in part] == planned
    assert [len(part) for part in parts(planned, 10_000, 10**18)] == [2, 2, 2, 2, 2, 1]


def test_a_replay_begins_at_the_checkpoint_before_it_or_where_its_version_began(database: Database) -> None:
    with database.writing() as connection:
        it = it_is(connection)
        rows = {"scheduler_id": "s", "state_key": "k"}
        connection.execute(
            checkpoint.insert(), {**rows, "data_end": START - HOUR, "version": 1, "open_event": {"a": 0.1}}
        )
        connection.execute(checkpoint.insert(), {**rows, "data_end": START - HOUR / 2, "version": 2})
        connection.execute(checkpoint.insert(), {**rows, "data_end": START + HOUR, "version": 1})
        progress = beginning(connection, it)
    assert (progress["begin_us"], progress["state_key"], progress["event"]) == (BASE - HOUR_US, "k", {"a": 0.1})


def result(key: str, *, changed: bool = True, revision: int = 0) -> dict[str, Any]:
    return {
        "key": key,
        "changed": changed,
        "score_max": 0.75,
        "revision": revision,
        "rows": [[BASE, 0.25, False], [BASE + 1, None, False]],
    }


def test_executions_become_what_their_windows_became(database: Database) -> None:
    """By hour: scored anew, missing, corrected, succeeded after failing, unreadable, without any reading."""
    with database.writing() as connection:
        it = it_is(connection)
        planned = windows(connection, it, BASE, NOW)[:6]
        told: list[dict[str, Any]] = [
            {"inputs": ["a"], "n_readings": 5},
            {"inputs": [], "failed": "none", "is_missing": True, "n_readings": 0},
            {"inputs": ["c"], "n_readings": 5},
            {"inputs": ["d"], "n_readings": 5},
            {"inputs": ["e"], "failed": "bad header", "n_readings": 0},
            {"inputs": ["f"], "n_readings": 0},
        ]
        results = {0: result("k0"), 2: result("k2", revision=1), 3: result("k3")}
        changes = Changes()
        for number, window in enumerate(planned):
            changes.add(it, window, told[number], results.get(number))
        changes.write(connection)
        unnamed = publish_readings(connection, it, [planned[0], planned[2], planned[3]], "new/")
    assert (changes.n_scored, changes.n_revised, changes.n_failed) == (3, 2, 1)
    with database.reading() as connection:
        rows = connection.execute(select(inference_execution).order_by(inference_execution.c.data_start)).all()
        kept = connection.execute(select(accumulated).order_by(accumulated.c.data_end)).all()
    by_hour = {(row.data_start - START) // HOUR: row for row in rows}
    assert {hour: row.status for hour, row in by_hour.items()} == {
        0: "SUCCESS",
        2: "SUCCESS",
        3: "SUCCESS",
        4: "FAILED",
        11: "IN_PROGRESS",
    }
    assert [(by_hour[hour].result_key, by_hour[hour].revision, by_hour[hour].inputs) for hour in (0, 2, 3)] == [
        ("k0", 0, ["a"]),
        ("k2", 1, ["c"]),
        ("k3", 0, ["d"]),
    ]
    assert {by_hour[hour].score_max for hour in (0, 2, 3)} == {0.75}
    assert by_hour[3].failed_reason is None
    assert (by_hour[3].attempt, by_hour[4].failed_reason) == (2, "bad header")
    assert by_hour[0].due_at == START + HOUR
    assert [(row.data_start, row.prefix) for row in kept] == [(START + n * HOUR, "new/") for n in (0, 2, 3)]
    assert unnamed == ["old/"]


def event(first: int, last: int, share: float = 1.0) -> dict[str, Any]:
    """An event by hours."""
    span = {"start_us": BASE + first * HOUR_US, "end_us": BASE + last * HOUR_US}
    return {**span, "n_rows": last - first, "diagnostics": {"p\\a": share}, "evidence": EVIDENCE}


EVIDENCE = {"kind": "machine", "reason": "r", "onset_order": [], "sensors": []}


def test_events_are_corrected_and_keep_their_identity(database: Database) -> None:
    """Before: one that straddles the beginning, one that grows, one that goes, one that stays as it is."""
    with database.writing() as connection:
        for name, first, last in (("straddles", -2, 1), ("grows", 2, 3), ("goes", 4, 5), ("stays", 8, 9)):
            old = event(first, last)
            times = {"started_at": START + first * HOUR, "ended_at": START + last * HOUR}
            row = {"id": name, "scheduler_id": "s", "n_rows": old["n_rows"], "diagnostics": old["diagnostics"]}
            connection.execute(inference_event.insert(), {**row, **times, "evidence": EVIDENCE})
        it = it_is(connection)
        last = note_events(connection, "x", [[event(2, 3, 0.5)], [], [event(3, 5, 0.8)]], None)
        last = note_events(connection, "x", [[event(5, 6, 0.8)], []], last)
        assert last is not None
        assert (last["start_us"], last["end_us"], last["n_rows"]) == (BASE + 2 * HOUR_US, BASE + 6 * HOUR_US, 4)
        note_events(connection, "x", [[event(8, 9)], [event(10, 11)]], last)
        replace_events(connection, it, "x", BASE)
    with database.reading() as connection:
        rows = connection.execute(select(inference_event).order_by(inference_event.c.started_at)).all()
    told = [((row.started_at - START) // HOUR, (row.ended_at - START) // HOUR, row.id) for row in rows]
    assert told[:3] == [(-2, 0, "straddles"), (2, 6, "grows"), (8, 9, "stays")]
    assert told[3][:2] == (10, 11)
    assert rows[1].diagnostics == {"p\\a": ((0.5 * 1 + 0.8 * 2) / 3 * 3 + 0.8 * 1) / 4}


def test_an_event_that_was_open_at_the_beginning_goes_on_as_itself(database: Database) -> None:
    with database.writing() as connection:
        times = {"started_at": START - 2 * HOUR, "ended_at": START + 3 * HOUR}
        row = {"id": "open", "scheduler_id": "s", "n_rows": 5, "diagnostics": {"p\\a": 1.0}, "evidence": EVIDENCE}
        connection.execute(inference_event.insert(), {**row, **times})
        note_events(connection, "x", [[], [event(4, 5)]], event(-2, 0))
        replace_events(connection, it_is(connection), "x", BASE)
    with database.reading() as connection:
        rows = connection.execute(select(inference_event).order_by(inference_event.c.started_at)).all()
    assert [(row.ended_at, row.id == "open") for row in rows] == [(START, True), (START + 5 * HOUR, False)]


def test_no_window_is_planned_twice(database: Database) -> None:
    with database.reading() as connection:
        planned: list[Planned] = windows(connection, it_is(connection), BASE + 4 * HOUR_US, NOW)
    assert [(window.start_us - BASE) // HOUR_US for window in planned] == list(range(4, 11))
