"""Replay and late data: whenever the files came, the results are those of files that came in time, to the bit."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from openlookout.app.replay import replay as run_replay
from openlookout.app.service import running
from openlookout.cli_common import moment
from openlookout.clock import ManualClock
from openlookout.jobs.engine import JobQueue
from openlookout.jobs.replay_request import ReplayRefused
from openlookout.settings import Settings
from openlookout.store.alert_tables import alert
from openlookout.store.audit import records, verify_database
from openlookout.store.database import Database
from openlookout.store.score_tables import execution_scores
from openlookout.store.tables import (
    accumulated,
    checkpoint,
    inference_event,
    inference_execution,
    inference_scheduler,
    model,
    replay,
    replay_event,
)
from openlookout.wire.server import create_app
from served import boto_client, served
from service.test_live import plant, two_components
from serving import ROLE, ingest, train, wait

STEP, HOUR = timedelta(minutes=5), timedelta(hours=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
N_TRAINED, N_WINDOWS = 1500, 11
FIRST = START + N_TRAINED * STEP + timedelta(days=2)
LAST = FIRST + N_WINDOWS * HOUR
BUCKET = "plant"
LATE_WINDOW = 4
NAMES = ("intime", "late", "history", "crash")


@dataclass(frozen=True)
class Plant:
    """A data folder on which every scheduler has ended its work."""

    data: Path

    @property
    def bucket(self) -> Path:
        return self.data / "buckets" / BUCKET

    def results(self, name: str) -> dict[str, str]:
        """The results of a scheduler by window."""
        return {path.parent.name: path.read_text() for path in (self.bucket / f"out-{name}").glob("*/results.jsonl")}

    def evidence(self, name: str) -> dict[str, str]:
        """The evidence files of a scheduler by window."""
        return {path.parent.name: path.read_text() for path in (self.bucket / f"out-{name}").glob("*/evidence.jsonl")}

    def rows(self, query: Any) -> list[dict[str, Any]]:
        database = Database(f"sqlite:///{self.data / 'openlookout.db'}")
        with database.reading() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        database.close()
        return rows

    def scheduler(self, name: str) -> dict[str, Any]:
        return self.rows(select(inference_scheduler).where(inference_scheduler.c.name == name))[0]

    def events(self, name: str) -> list[tuple[Any, ...]]:
        mine = inference_event.c.scheduler_id == self.scheduler(name)["id"]
        rows = self.rows(select(inference_event).where(mine).order_by(inference_event.c.started_at))
        return [
            tuple(row[name] for name in ("started_at", "ended_at", "n_rows", "diagnostics", "evidence")) for row in rows
        ]

    def executions(self, name: str) -> list[dict[str, Any]]:
        mine = inference_execution.c.scheduler_id == self.scheduler(name)["id"]
        return self.rows(select(inference_execution).where(mine).order_by(inference_execution.c.data_start))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "openlookout.cli", "replay", *arguments, "--data", str(self.data)]


def add_files(folder: Path, component: str, frame: pl.DataFrame, windows: range) -> None:
    folder.mkdir(exist_ok=True, parents=True)
    for number in windows:
        start = FIRST + number * HOUR
        frame[number * 12 : number * 12 + 12].write_csv(folder / f"{component}_{start:%Y%m%d%H%M%S}.csv")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """Four schedulers with the same model: one had its files in time, one had a file late, two have run never yet."""
    it = Plant(tmp_path_factory.mktemp("replay"))
    trained, fresh = plant(N_TRAINED, START, 1, None), plant(N_WINDOWS * 12, FIRST, 2, 60)
    for component, frame in two_components(trained).items():
        (it.bucket / "training" / component).mkdir(parents=True)
        frame.write_csv(it.bucket / "training" / component / "all.csv")
    clock = ManualClock(FIRST)
    settings = Settings(data=it.data, workers=2, results_parquet="yes")
    with running(settings, clock) as service, served(create_app(service.server)) as port:
        client = boto_client(port)
        assert ingest(client, "plant", BUCKET, "training/")["Status"] == "SUCCESS"
        for name in NAMES:
            assert train(client, name, "plant", OffCondition="motor\\speed < 100")["Status"] == "SUCCESS"
            client.create_inference_scheduler(
                ModelName=name,
                InferenceSchedulerName=name,
                DataUploadFrequency="PT1H",
                DataInputConfiguration={"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": f"in-{name}/"}},
                DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": f"out-{name}/"}},
                RoleArn=ROLE,
            )
            wait(lambda name=name: client.describe_inference_scheduler(InferenceSchedulerName=name))
        for name in ("history", "crash"):
            client.stop_inference_scheduler(InferenceSchedulerName=name)
        files = two_components(fresh)
        for name in NAMES:
            add_files(it.bucket / f"in-{name}", "motor", files["motor"], range(N_WINDOWS))
            windows = [n for n in range(N_WINDOWS) if n != LATE_WINDOW or name != "late"]
            for number in windows:
                add_files(it.bucket / f"in-{name}", "pump", files["pump"], range(number, number + 1))
        for number in range(1, N_WINDOWS + 1):
            clock.set(FIRST + number * HOUR)
            for name in ("intime", "late"):
                until(lambda name=name, number=number: is_done(client, name, FIRST + number * HOUR))
        assert it.results("late") != it.results("intime")
        add_files(it.bucket / "in-late", "pump", files["pump"], range(LATE_WINDOW, LATE_WINDOW + 1))
        late = select(replay).where(replay.c.status == "SUCCESS")
        until(lambda: bool(it.rows(late)), 60)
        for name in ("intime", "late"):
            client.stop_inference_scheduler(InferenceSchedulerName=name)
            wait(lambda name=name: client.describe_inference_scheduler(InferenceSchedulerName=name))
        # A job sweeps what it replaced when its rows are written: before that nobody may count what is left.
        jobs = JobQueue(service.database)
        until(lambda: not jobs.at_work())
        foreign = it.bucket / "out-history" / f"{FIRST:%Y-%m-%dT%H:%M:%SZ}" / "results.jsonl"
        foreign.parent.mkdir(parents=True)
        foreign.write_text("of the service before\n")
        # The windows after the last file have none and were never asked for: they get no rows.
        clock.set(LAST + 5 * HOUR)
        told = run_replay(settings, "history", (FIRST, LAST + 5 * HOUR), lambda _: None)
        assert (told.status, told.counts) == ("SUCCESS", {"n_scored": N_WINDOWS, "n_revised": 0, "n_failed": 0})
    return it


def until(look: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_done(client: Any, name: str, end: datetime) -> bool:
    rows = client.list_inference_executions(InferenceSchedulerName=name)["InferenceExecutionSummaries"]
    found = [row for row in rows if row["DataEndTime"] == end]
    assert not found or found[0]["Status"] != "FAILED", found
    return bool(found) and found[0]["Status"] == "SUCCESS"


def test_a_late_file_corrects_results_and_events_by_itself(ended: Plant) -> None:
    assert ended.results("late") == ended.results("intime")
    assert ended.events("late") == ended.events("intime")
    assert ended.events("late"), "the fault was to be found"


def test_corrected_results_count_their_revision_and_keep_what_they_replace(ended: Plant) -> None:
    for number, execution in enumerate(ended.executions("late")):
        folder = ended.bucket / "out-late" / f"{execution['data_start']:%Y-%m-%dT%H:%M:%SZ}"
        kept = folder / "results.jsonl.revision-0"
        assert execution["status"] == "SUCCESS"
        assert kept.exists() == (execution["revision"] == 1), number
        if number < LATE_WINDOW:
            assert execution["revision"] == 0
        if number == LATE_WINDOW:
            assert kept.read_text() != (folder / "results.jsonl").read_text()


def test_a_replay_of_history_gives_what_files_in_time_give(ended: Plant) -> None:
    assert ended.results("history") == ended.results("intime")
    assert ended.events("history") == ended.events("intime")
    assert ended.evidence("history") == ended.evidence("late") == ended.evidence("intime")
    there, wanted = ended.executions("history"), ended.executions("intime")
    same = ("due_at", "data_start", "data_end", "status", "version", "score_max")
    assert [[row[name] for name in same] for row in there] == [[row[name] for name in same] for row in wanted]
    assert ended.scheduler("history")["latest_result"] == ended.scheduler("intime")["latest_result"]


def test_parquet_and_the_scores_in_the_database_are_those_of_files_in_time_too(ended: Plant) -> None:
    def tables(name: str) -> dict[str, Any]:
        files = (ended.bucket / f"out-{name}").glob("*/results.parquet")
        return {path.parent.name: pl.read_parquet(path).to_dicts() for path in files}

    def scores(name: str) -> list[Any]:
        mine = inference_execution.c.scheduler_id == ended.scheduler(name)["id"]
        kept = select(execution_scores.c.scored).join(inference_execution).where(mine).order_by("data_end")
        return [row["scored"] for row in ended.rows(kept)]

    assert tables("history") == tables("late") == tables("intime")
    assert scores("history") == scores("late") == scores("intime")
    highest = [row["score_max"] for row in ended.executions("late")]
    of_rows = [[score for _, score, _ in rows if score is not None] for rows in scores("late")]
    assert highest == [max(some, default=None) for some in of_rows]
    assert any(highest)
    lines = [json.loads(line) for _, text in sorted(ended.results("late").items()) for line in text.splitlines()]
    assert [row[1] for rows in scores("late") for row in rows] == [line.get("anomaly_score") for line in lines]
    assert [row["anomaly_score"] for _, table in sorted(tables("late").items()) for row in table] == [
        line.get("anomaly_score") for line in lines
    ]


def test_results_that_another_service_wrote_are_kept_as_revision_0(ended: Plant) -> None:
    kept = ended.bucket / "out-history" / f"{FIRST:%Y-%m-%dT%H:%M:%SZ}" / "results.jsonl.revision-0"
    assert kept.read_text() == "of the service before\n"
    assert [row["revision"] for row in ended.executions("history")] == [1, *[0] * (N_WINDOWS - 1)]


def test_a_second_replay_of_the_same_files_changes_nothing(ended: Plant) -> None:
    before = ended.executions("history"), ended.results("history"), ended.rows(select(inference_event))
    span = (FIRST + 3 * HOUR + STEP, LAST - STEP)
    told = run_replay(Settings(data=ended.data), "history", span, lambda _: None)
    assert told.counts == {"n_scored": N_WINDOWS - 3, "n_revised": 0, "n_failed": 0}
    assert (ended.executions("history"), ended.results("history"), ended.rows(select(inference_event))) == before


def test_a_replay_killed_in_the_middle_goes_on_where_it_was(ended: Plant) -> None:
    command = ended.command("crash", "--from", FIRST.isoformat(), "--to", LAST.isoformat())
    mine = select(replay).where(replay.c.scheduler_id == ended.scheduler("crash")["id"])
    # What a kill between a part's files and its rows leaves, whenever the one below comes.
    for number in (1, N_WINDOWS - 1):
        start = f"{FIRST + number * HOUR:%Y-%m-%dT%H:%M:%SZ}"
        left = ended.bucket / "out-crash" / start / "results.jsonl"
        left.parent.mkdir(parents=True)
        left.write_text(ended.results("intime")[start])
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def is_amid() -> bool:
        rows = ended.rows(mine)
        return bool(rows) and rows[0]["progress"] is not None and rows[0]["progress"]["n_scored"] > 0

    until(is_amid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    halfway = ended.rows(mine)[0]
    assert halfway["status"] == "IN_PROGRESS", "it was to be killed before its end"
    assert 0 < halfway["progress"]["n_scored"] < N_WINDOWS
    for execution in ended.executions("crash"):
        # What has a row has whole results.
        assert ended.results("crash")[f"{execution['data_start']:%Y-%m-%dT%H:%M:%SZ}"]
    assert ended.events("crash") == []
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in ended.rows(mine)] == ["SUCCESS", "SUCCESS"]
    assert ended.rows(mine)[0]["attempt"] == 2
    assert ended.results("crash") == ended.results("intime")
    assert ended.events("crash") == ended.events("intime")
    assert [row["revision"] for row in ended.executions("crash")] == [0] * N_WINDOWS


def test_the_readings_for_retraining_are_those_of_files_in_time(ended: Plant) -> None:
    def windows(name: str) -> list[tuple[Any, ...]]:
        model_id = ended.rows(select(model.c.id).where(model.c.name == name))[0]["id"]
        rows = ended.rows(
            select(accumulated).where(accumulated.c.model_id == model_id).order_by(accumulated.c.data_end)
        )
        found = []
        for row in rows:
            folder = ended.data / "objects" / row["prefix"]
            start, end = (int(row[name].timestamp() * 1e6) for name in ("data_start", "data_end"))
            for path in sorted(folder.glob("*.parquet")):
                inside = pl.read_parquet(path).filter(pl.col("@time") > start, pl.col("@time") <= end)
                found.append((start, path.name, inside.to_dicts()))
        return found

    assert windows("intime")
    for name in ("late", "history", "crash"):
        assert windows(name) == windows("intime"), name


def test_no_state_is_left_that_no_row_names(ended: Plant) -> None:
    for name in NAMES:
        scheduler = ended.scheduler(name)
        named = {
            row["state_key"]
            for row in ended.rows(select(checkpoint).where(checkpoint.c.scheduler_id == scheduler["id"]))
        }
        there = {
            f"schedulers/{scheduler['id']}/state/{path.name}"
            for path in (ended.data / "objects" / "schedulers" / scheduler["id"] / "state").glob("*")
        }
        left = there - {*named, scheduler["state_key"]}
        # What a killed process had written and not yet named stays until the scheduler is deleted.
        assert len(left) <= (2 if name == "crash" else 0), left
    assert ended.rows(select(replay_event)) == []


def test_every_replay_left_a_record_of_its_start_and_of_its_end_and_the_log_is_whole(ended: Plant) -> None:
    database = Database(f"sqlite:///{ended.data / 'openlookout.db'}")
    of_replays = [record for record in records(database) if record.operation in {"StartReplay", "EndReplay"}]
    verify_database(database)
    database.close()
    found = [record for record in of_replays if record.operation == "StartReplay"]
    ends = [record for record in of_replays if record.operation == "EndReplay"]
    rows = {row["id"]: row for row in ended.rows(select(replay))}
    assert sorted(record.request_id for record in found) == sorted(rows)
    assert sorted(record.request_id for record in ends) == sorted(rows)
    for end in ends:
        assert end.principal == "system"
        assert (end.before["status"], end.after["status"]) == ("IN_PROGRESS", rows[end.request_id]["status"])
        assert end.after["progress"]["n_scored"] == rows[end.request_id]["progress"]["n_scored"]
        assert end.resource == next(one.resource for one in found if one.request_id == end.request_id)
    by_origin = {(record.request["InferenceSchedulerName"], record.principal) for record in found}
    assert by_origin >= {("late", "system"), ("history", "local")}


def test_what_cannot_be_replayed_is_said_in_a_sentence(ended: Plant) -> None:
    settings = Settings(data=ended.data)
    with pytest.raises(ReplayRefused, match=r"^account 123456789012 has no inference scheduler 'nobody' in us-east-1$"):
        run_replay(settings, "nobody", (FIRST, LAST), lambda _: None)
    with pytest.raises(ReplayRefused, match=r"the end 2024-03-08T.* must be later than the start 2024-03-08T"):
        run_replay(settings, "history", (LAST, FIRST), lambda _: None)
    with pytest.raises(ValueError, match="--from 'yesterday' is no moment: write 2026-10-07 or 2026-10-07T12:00Z"):
        moment("--from", "yesterday")
    assert moment("--to", "2026-10-07") == datetime(2026, 10, 7, tzinfo=UTC)


def test_what_a_replay_finds_in_rows_since_the_start_of_its_scheduler_is_told_as_if_in_time(ended: Plant) -> None:
    def told(name: str) -> list[tuple[str, str]]:
        mine = alert.c.key.contains(f":{ended.scheduler(name)['id']}:")
        return sorted((row["kind"], row["facts"]["started_at"]) for row in ended.rows(select(alert).where(mine)))

    assert told("history") == told("intime")
    assert [kind for kind, _ in told("history")] == ["event_ended", "event_started", "event_started"]
