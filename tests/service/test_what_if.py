"""What-ifs with everything running: a stretch scored once, other limits tried on it, and a version made of one."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, select

from openlookout.api.caller import Caller
from openlookout.api.errors import (
    AccessDeniedException,
    ConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
    ValidationException,
)
from openlookout.api.instants import to_microseconds
from openlookout.app.api import api_server
from openlookout.app.foundation import Foundation, opened
from openlookout.app.what_ifs import UNDER_WAY_MAX, WhatIfs
from openlookout.app.worker import working
from openlookout.archive.transfer import Place, export_version, import_version
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, open_buckets
from openlookout.clock import ManualClock
from openlookout.console.what_if_ports import FACTOR_MAX, FACTOR_MIN, Run, Tried
from openlookout.detection import what_if as sweep
from openlookout.detection.model_file import load
from openlookout.jobs import engine
from openlookout.jobs.unfinished import Unfinished
from openlookout.jobs.what_if_request import KEPT_MAX, STOPPED
from openlookout.jobs.what_if_work import score_stretch
from openlookout.limits import OWN
from openlookout.settings import Settings
from openlookout.store.audit import records
from openlookout.store.tables import dataset, ingestion_job, model, model_version
from openlookout.store.what_if_tables import what_if
from openlookout.views.models import ModelViews
from openlookout.views.port import Views
from openlookout.wire.server import create_app
from postgres import postgresql_in
from served import ACCOUNT, REGION, boto_client, served
from service.test_retraining import BUCKET, END, FAULTS, N_DAYS, ROWS_A_DAY, START, at, readings
from serving import ROLE, Process, ingest, serving, train, wait

CALLER = Caller(ACCOUNT, REGION, "request")
EVALUATED = (at(6), at(8))
ALL = (0, 1000)


@dataclass(frozen=True)
class Plant:
    client: Any
    clock: ManualClock
    bucket: Path
    foundation: Foundation
    what_ifs: WhatIfs

    def ended(self, run: str, name: str = "pump") -> Run:
        """A run, once its work has ended."""

        def look() -> dict[str, Any]:
            found = next(one for one in self.what_ifs.runs(CALLER, name) if one.id == run)
            return {"Status": found.status, "run": found}

        found: Run = wait(look)["run"]
        return found

    def scored(self, version: int, span: tuple[datetime, datetime] = EVALUATED, name: str = "pump") -> str:
        run = self.what_ifs.start(CALLER, name, version, span)
        assert self.ended(run, name).status == "SUCCESS"
        return run

    def tried(self, run: str, factor: float, name: str = "pump") -> Tried:
        return self.what_ifs.tried(CALLER, name, run, factor, ALL)

    def version(self, number: int, name: str = "pump") -> dict[str, Any]:
        def look() -> Any:
            found = self.client.describe_model_version(ModelName=name, ModelVersion=number)
            return found | {"Status": found["Status"].replace("IMPORT_IN_PROGRESS", "IN_PROGRESS")}

        return dict(wait(look))


def with_data(data: Path) -> Path:
    bucket = data / "buckets" / BUCKET
    (bucket / "training" / "pump").mkdir(parents=True)
    (bucket / "in").mkdir()
    readings(START, N_DAYS * ROWS_A_DAY, 1).write_csv(bucket / "training" / "pump" / "all.csv")
    return bucket


def with_model(client: Any) -> None:
    """A dataset, labels of its two faults, and a model that is evaluated on the second."""
    assert ingest(client, "plant", BUCKET, "training/")["Status"] == "SUCCESS"
    client.create_label_group(LabelGroupName="faults")
    for start, end in FAULTS:
        client.create_label(LabelGroupName="faults", StartTime=at(start), EndTime=at(end), Rating="ANOMALY")
    trained = train(
        client,
        "pump",
        "plant",
        TrainingDataStartTime=at(4.1),
        TrainingDataEndTime=at(6) - timedelta(minutes=1),
        EvaluationDataStartTime=EVALUATED[0],
        EvaluationDataEndTime=EVALUATED[1],
        LabelsInputConfiguration={"LabelGroupName": "faults"},
    )
    assert trained["Status"] == "SUCCESS", trained


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    data = tmp_path_factory.mktemp("what-if")
    bucket, clock = with_data(data), ManualClock(END)
    with ExitStack() as stack:
        foundation = stack.enter_context(opened(Settings(data=data, workers=2), clock))
        (data / "scratch").mkdir()
        stack.enter_context(working(foundation, str(data / "scratch")))
        port = stack.enter_context(served(create_app(api_server(foundation))))
        views = Views(foundation.database, foundation.buckets, str(data / "scratch"))
        stack.callback(views.close)
        client = boto_client(port)
        with_model(client)
        yield Plant(client, clock, bucket, foundation, WhatIfs(foundation, views.in_child))


def predicted(version: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["start"], one["end"]) for one in json.loads(version["ModelMetrics"])["predicted_ranges"]]


def alarms(tried: Tried) -> list[tuple[str, str]]:
    """The alarms as the metrics write them, oldest first."""
    return [
        tuple(f"{edge:%Y-%m-%dT%H:%M:%S.%f}" for edge in (one.start, one.end))  # type: ignore[misc]
        for one in reversed(tried.alarms)
    ]


def test_at_its_own_limit_a_version_does_what_its_evaluation_says(plant: Plant) -> None:
    described = plant.version(1)
    tried = plant.tried(plant.scored(1), 1.0)
    metrics = json.loads(described["ModelMetrics"])
    assert alarms(tried) == predicted(described)
    assert tried.alarms
    assert tried.n_found == metrics["labeled_event_metrics"]["num_identified"] == 1
    assert tried.n_false == metrics["unknown_event_metrics"]["num_identified"]
    assert tried.warning is not None
    assert tried.warning.total_seconds() == metrics["labeled_event_metrics"]["total_warning_time_in_seconds"]
    leading = {name for one in tried.alarms if not one.is_false for name, _ in one.sensors}
    assert leading <= {"pump\\load", "pump\\flow"}
    assert leading
    assert tried.months == pytest.approx(2 / (365.25 / 12), rel=0.02)


def test_a_higher_limit_says_less_and_a_lower_one_more(plant: Plant) -> None:
    run = plant.scored(1)
    curve = plant.what_ifs.curve(CALLER, "pump", run, 1.07)
    assert curve["factors"][0] == FACTOR_MIN == sweep.FACTOR_MIN
    assert curve["factors"][-1] == FACTOR_MAX == sweep.FACTOR_MAX
    assert curve["factors"] == sorted(curve["factors"])
    for factor in (1.0, 1.07):
        own, tried = curve["factors"].index(factor), plant.tried(run, factor)
        assert (curve["alarms"][own], curve["found"][own]) == (tried.alarms_a_month, tried.n_found)
    assert curve["found"] == sorted(curve["found"], reverse=True)
    lines = [plant.what_ifs.timeline(CALLER, "pump", run, factor, (None, None)) for factor in (0.5, 1.0, 3.0)]
    lasted = [sum(end - start for start, end in line["alarms"]) for line in lines]
    assert lasted == sorted(lasted, reverse=True)
    assert lasted[0] > lasted[2]
    assert lines[0]["y"] == lines[2]["y"]
    part = plant.what_ifs.timeline(CALLER, "pump", run, 1.0, (at(6.5), at(6.75)))
    assert 0 < part["n_rows"] < lines[0]["n_rows"]


def test_a_limit_that_is_applied_is_a_version_that_does_what_was_seen(plant: Plant, tmp_path: Path) -> None:
    run = plant.scored(1)
    seen = plant.tried(run, 1.4)
    assert alarms(seen) != alarms(plant.tried(run, 1.0))
    number = plant.what_ifs.apply(CALLER, "pump", run, 1.4, "once")
    assert plant.what_ifs.apply(CALLER, "pump", run, 1.4, "once") == number, "a double click is one request"
    made, source = plant.version(number), plant.version(1)
    assert (made["Status"], made["SourceType"]) == ("SUCCESS", "IMPORT"), made
    assert made["SourceModelVersionArn"] == source["ModelVersionArn"]
    for member in ("Schema", "TrainingDataStartTime", "TrainingDataEndTime", "EvaluationDataStartTime"):
        assert made[member] == source[member]
    assert made["LabelsInputConfiguration"] == {"LabelGroupName": "faults"}
    assert predicted(made) == alarms(seen)
    listed = plant.client.list_model_versions(ModelName="pump", SourceType="IMPORT")["ModelVersionSummaries"]
    assert number in [one["ModelVersion"] for one in listed]
    described = plant.client.describe_model(ModelName="pump")
    assert (described["Status"], described["ActiveModelVersion"]) == ("SUCCESS", 1)
    assert plant.what_ifs.factors(CALLER, "pump")[number] == 1.4
    assert alarms(plant.tried(plant.scored(number), 1.0)) == alarms(seen)
    _check_audit(plant, number)
    _check_report(plant, number)
    _check_file(plant, number, tmp_path)


def _check_audit(plant: Plant, number: int) -> None:
    wanted = {"ApplyWhatIf", "EndModelVersion"}
    found = [one for one in records(plant.foundation.database) if one.operation in wanted]
    of = [one for one in found if (one.resource or "").endswith(f"/model-version/{number}")]
    assert [(one.operation, one.principal) for one in of] == [("ApplyWhatIf", "local"), ("EndModelVersion", "system")]
    assert of[0].request["Factor"] == 1.4


def _check_report(plant: Plant, number: int) -> None:
    """Which faults it finds is its source's report, which says at which multiple of that limit it alarms."""
    views = ModelViews(plant.foundation.database, plant.foundation.buckets, no_child, plant.foundation.bucket_owners)
    of_source = views.evaluation(CALLER, "pump", 1).detectability
    assert of_source is not None
    assert views.evaluation(CALLER, "pump", number).detectability == {**of_source, "limit_factor": 1.4}


def no_child(name: str, *_arguments: object) -> Mapping[str, Any]:
    raise AssertionError(f"{name} is read here")


def _check_file(plant: Plant, number: int, folder: Path) -> None:
    """Its file holds its limits: what is exported and imported elsewhere is the same detector."""
    place = Place(plant.foundation.ports(), plant.foundation.buckets, ACCOUNT, REGION)
    _, digest = export_version(place, "pump", number, folder / "pump.zip")
    other = import_version(place, folder / "pump.zip", digest=digest, model_name="elsewhere", dataset_name=None)
    arn = plant.version(number)["ModelVersionArn"]
    plant.client.import_model_version(SourceModelVersionArn=arn, ModelName="copied", DatasetName="plant")
    assert plant.version(1, "copied")["ModelMetrics"] == plant.version(number)["ModelMetrics"]
    buckets = open_buckets(plant.foundation.buckets)
    with plant.foundation.database.reading() as connection:
        prefixes = {
            (row.name, row.version): row.object_prefix
            for row in connection.execute(
                select(model.c.name, model_version.c.version, model_version.c.object_prefix).join(model)
            )
        }
    limits = {
        of: load(buckets.read(SERVICE, layout.detector(prefixes[of]))).limit
        for of in [("pump", 1), ("pump", number), (other.model, other.version), ("copied", 1)]
    }
    own = limits.pop(("pump", 1))
    assert set(limits.values()) == {own * 1.4}


def test_what_is_applied_is_watched_with_and_trained_anew_as_any_version(plant: Plant) -> None:
    client = plant.client
    run = plant.scored(1)
    number = plant.what_ifs.apply(CALLER, "pump", run, 0.8, "watched")
    assert plant.version(number)["Status"] == "SUCCESS"
    client.update_active_model_version(ModelName="pump", ModelVersion=number)
    client.create_inference_scheduler(
        ModelName="pump",
        InferenceSchedulerName="pump",
        DataUploadFrequency="PT1H",
        DataInputConfiguration={"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "in/"}},
        DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "out/"}},
        RoleArn=ROLE,
    )
    wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="pump"))
    first = plant.clock.now()
    readings(first, 6, 20).write_csv(plant.bucket / "in" / f"pump_{first:%Y%m%d%H%M%S}.csv")
    plant.clock.advance(timedelta(hours=1, minutes=1))

    def executed() -> Any:
        found = client.list_inference_executions(InferenceSchedulerName="pump")["InferenceExecutionSummaries"]
        return found[0] if found else {"Status": "IN_PROGRESS"}

    execution = wait(executed)
    assert (execution["Status"], execution["ModelVersion"]) == ("SUCCESS", number), execution
    # What inference has accumulated since can be replayed too, beside what the dataset holds.
    live = plant.scored(1, (at(7.5), first + timedelta(hours=1)))
    assert plant.what_ifs.timeline(CALLER, "pump", live, 1.0, (None, None))["last"] > END.timestamp() * 1000
    client.create_retraining_scheduler(
        ModelName="pump", RetrainingFrequency="P1M", LookbackWindow="P180D", RetrainingStartDate=plant.clock.now()
    )
    wait(lambda: client.describe_retraining_scheduler(ModelName="pump"))
    plant.clock.advance(timedelta(days=32))

    def trained() -> Any:
        found = client.list_model_versions(ModelName="pump", SourceType="RETRAINING")["ModelVersionSummaries"]
        return found[-1] if found else {"Status": "IN_PROGRESS"}

    assert wait(trained)["Status"] == "SUCCESS"
    client.stop_retraining_scheduler(ModelName="pump")
    client.stop_inference_scheduler(InferenceSchedulerName="pump")
    # Nothing was evaluated before its retraining: what is made of it is evaluated where it was looked at.
    retrained = trained()["ModelVersion"]
    run = plant.scored(retrained, (at(5), at(7)))
    number = plant.what_ifs.apply(CALLER, "pump", run, 1.2, "of a retraining")
    made = plant.version(number)
    assert made["Status"] == "SUCCESS", made
    assert made["EvaluationDataStartTime"] == at(5)
    assert predicted(made) == alarms(plant.tried(run, 1.2))


def test_a_stretch_without_a_reading_says_where_the_data_is(plant: Plant) -> None:
    ended = plant.ended(plant.what_ifs.start(CALLER, "pump", 1, (at(-5), at(-4))))
    assert ended.status == "FAILED"
    assert ended.failed_reason is not None
    assert ended.failed_reason.startswith("There is no reading from 2024-02-25T00:00:00Z to 2024-02-26T00:00:00Z; the")
    with pytest.raises(ResourceNotFoundException, match="has no result"):
        plant.tried(ended.id, 1.0)


def test_a_stretch_of_too_many_rows_says_what_to_do(plant: Plant, tmp_path: Path) -> None:
    with plant.foundation.database.reading() as connection:
        manifest = connection.execute(select(ingestion_job.c.manifest_key)).scalar_one()
        first = (model.c.name == "pump") & (model_version.c.version == 1)
        prefix = connection.execute(select(model_version.c.object_prefix).join(model).where(first)).scalar_one()
    job = {"scratch": str(tmp_path), "progress": str(tmp_path / "progress"), "output": "nowhere/"}
    job |= {"version_prefix": prefix, "manifest_key": manifest, "accumulated": [], "rows_max": 100}
    span = {"start_us": to_microseconds(EVALUATED[0]), "end_us": to_microseconds(EVALUATED[1])}
    said = score_stretch(plant.foundation.buckets, job | span)
    assert said["failed"].endswith("612 are the limit; choose a shorter stretch."), said


def test_what_cannot_be_asked_for_is_refused(plant: Plant) -> None:
    start = plant.what_ifs.start
    with pytest.raises(ValidationException, match="must end after it begins"):
        start(CALLER, "pump", 1, (at(7), at(7)))
    with pytest.raises(ResourceNotFoundException, match="has no version 99"):
        start(CALLER, "pump", 99, EVALUATED)
    with pytest.raises(ResourceNotFoundException, match="'nowhere' does not exist"):
        start(CALLER, "nowhere", 1, EVALUATED)
    with pytest.raises(ResourceNotFoundException, match="has no what-if"):
        plant.tried("0" * 32, 1.0)
    other = replace(CALLER, account="999999999999")
    with pytest.raises(ResourceNotFoundException, match="'pump' does not exist"):
        plant.what_ifs.runs(other, "pump")
    looking = replace(CALLER, principal="looking", is_read_only=True)
    run = plant.scored(1)
    for change in (
        lambda: start(looking, "pump", 1, EVALUATED),
        lambda: plant.what_ifs.stop(looking, "pump", run),
        lambda: plant.what_ifs.apply(looking, "pump", run, 1.1, "token"),
    ):
        with pytest.raises(AccessDeniedException, match="read-only"):
            change()
    assert plant.what_ifs.tried(looking, "pump", run, 1.0, ALL).alarms


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("idle")
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'rows.db'}"
        return
    server = postgresql_in(folder / "postgresql")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def idle(database: str, tmp_path: Path) -> Iterator[WhatIfs]:
    """A model whose jobs nobody does."""
    with opened(Settings(data=tmp_path, database=database), ManualClock(END)) as foundation:
        engine.migrate(foundation.database)
        with foundation.database.writing() as connection:
            for table in (model, dataset):
                connection.execute(table.delete())
            place = {"account": ACCOUNT, "region": REGION, "created_at": END, "updated_at": END}
            row = {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False, **place}
            connection.execute(dataset.insert(), row)
            row = {"id": "m", "name": "pump", "dataset_id": "d", "status": "IN_PROGRESS", **place}
            connection.execute(model.insert(), row)
            times = {"created_at": END, "updated_at": END}
            version = {"model_id": "m", "version": 1, "status": "SUCCESS", "source_type": "TRAINING", "attempt": 1}
            version |= {"configuration": {}, "data_schema": "{}", **times}
            connection.execute(model_version.insert(), [version, {**version, "version": 2, "status": "FAILED"}])
        yield WhatIfs(foundation, lambda *_: {})


def test_a_run_is_stopped_then_forgotten_and_old_ones_give_way(idle: WhatIfs) -> None:
    run = idle.start(CALLER, "pump", 1, EVALUATED)
    idle.stop(CALLER, "pump", run)
    (stopped,) = idle.runs(CALLER, "pump")
    assert (stopped.status, stopped.failed_reason) == ("FAILED", STOPPED)
    idle.stop(CALLER, "pump", run)
    assert idle.runs(CALLER, "pump") == []
    for _ in range(KEPT_MAX + 2):
        run = idle.start(CALLER, "pump", 1, EVALUATED)
        idle.stop(CALLER, "pump", run)
    kept = idle.runs(CALLER, "pump")
    assert len(kept) == KEPT_MAX
    assert run in {one.id for one in kept}


def test_few_runs_of_a_model_are_under_way_at_a_time(idle: WhatIfs) -> None:
    runs = [idle.start(CALLER, "pump", 1, EVALUATED) for _ in range(UNDER_WAY_MAX)]
    with pytest.raises(ConflictException, match="4 what-ifs of the model 'pump' are under way"):
        idle.start(CALLER, "pump", 1, EVALUATED)
    idle.stop(CALLER, "pump", runs[0])
    idle.start(CALLER, "pump", 1, EVALUATED)


def test_only_a_version_that_can_score_is_run_and_nothing_is_applied_amid_other_work(idle: WhatIfs) -> None:
    with pytest.raises(ConflictException, match="Version 2 of the model 'pump' is FAILED"):
        idle.start(CALLER, "pump", 2, EVALUATED)
    run = idle.start(CALLER, "pump", 1, EVALUATED)
    with pytest.raises(ConflictException, match="'pump' is IN_PROGRESS; apply the limit when that has ended"):
        idle.apply(CALLER, "pump", run, 1.2, "token")


@pytest.mark.parametrize("evaluated", [None, EVALUATED])
def test_an_applied_limit_is_evaluated_where_its_source_was_else_where_it_was_tried(
    idle: WhatIfs, evaluated: tuple[datetime, datetime] | None
) -> None:
    tried = (START, END)
    span = dict(zip(("evaluation_data_start", "evaluation_data_end"), evaluated or (None, None), strict=True))
    database = idle.foundation.database
    with database.writing() as connection:
        connection.execute(model.update().values(status="SUCCESS"))
        connection.execute(model_version.update().where(model_version.c.version == 1).values(**span))
    number = idle.apply(CALLER, "pump", idle.start(CALLER, "pump", 1, tried), 1.2, uuid.uuid4().hex)
    with database.reading() as connection:
        made = connection.execute(select(model_version).where(model_version.c.version == number)).one()
    assert (made.evaluation_data_start, made.evaluation_data_end) == (evaluated or tried)


def test_an_applied_limit_counts_among_the_models_that_are_worked_on(idle: WhatIfs) -> None:
    database, n_max = idle.foundation.database, OWN.pending_models
    row = {"dataset_id": "d", "status": "IN_PROGRESS", "account": ACCOUNT, "region": REGION}
    row |= {"created_at": END, "updated_at": END}
    others = [{"id": f"m{number}", "name": f"m{number}", **row} for number in range(n_max)]
    with database.writing() as connection:
        connection.execute(model.update().values(status="SUCCESS"))
        connection.execute(model.insert(), others)
    run = idle.start(CALLER, "pump", 1, EVALUATED)
    with pytest.raises(ServiceQuotaExceededException, match="models in training or import"):
        idle.apply(CALLER, "pump", run, 1.2, uuid.uuid4().hex)
    with database.reading() as connection:
        assert connection.execute(select(model.c.status).where(model.c.id == "m")).scalar_one() == "SUCCESS"


def test_a_run_or_an_application_without_a_job_gets_one(idle: WhatIfs) -> None:
    foundation = idle.foundation
    with foundation.database.writing() as connection:
        row = {"id": "a" * 32, "model_id": "m", "version": 1, "data_start": START, "data_end": END, "attempt": 2}
        connection.execute(what_if.insert(), {**row, "status": "IN_PROGRESS", "created_at": END})
        # A number that no other test has: their jobs stay in this database.
        version = {"model_id": "m", "version": 99, "status": "IMPORT_IN_PROGRESS", "source_type": "IMPORT"}
        version |= {"attempt": 0, "limit_factor": 1.2, "configuration": {}, "data_schema": "{}"}
        connection.execute(model_version.insert(), {**version, "created_at": END, "updated_at": END})
    assert Unfinished(foundation.database, foundation.queue).look() == 2
    wanted = [engine.job_id("what-if", "a" * 32, 3), engine.job_id("apply-limit", "m.99", 1)]
    assert foundation.queue.alive(wanted) == set(wanted)
    assert Unfinished(foundation.database, foundation.queue).look() == 0


def test_a_run_and_its_application_go_on_after_their_process_was_killed(tmp_path: Path) -> None:
    with_data(tmp_path)
    with ExitStack() as stack:
        process = stack.enter_context(serving(tmp_path))
        with_model(process.client())
        what_ifs = WhatIfs(stack.enter_context(opened(Settings(data=tmp_path))), lambda *_: {})
        run = what_ifs.start(CALLER, "pump", 1, EVALUATED)
        _kill_once_begun(process, what_ifs, select(what_if.c.attempt).where(what_if.c.id == run))
        process = stack.enter_context(serving(tmp_path))
        wait(lambda: {"Status": what_ifs.runs(CALLER, "pump")[0].status})
        (ended,) = what_ifs.runs(CALLER, "pump")
        assert (ended.status, ended.percent) == ("SUCCESS", 100)
        _check_command(tmp_path)  # Beside the service, which does the work.
        number = what_ifs.apply(CALLER, "pump", run, 1.2, "token")
        _kill_once_begun(process, what_ifs, select(model_version.c.attempt).where(model_version.c.version == number))
        client = stack.enter_context(serving(tmp_path)).client()

        def made() -> dict[str, Any]:
            found = client.describe_model_version(ModelName="pump", ModelVersion=number)
            return found | {"Status": found["Status"].replace("IMPORT_IN_PROGRESS", "IN_PROGRESS")}

        assert wait(made)["Status"] == "SUCCESS"


def _check_command(data: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "openlookout.cli", "what-if", *arguments, "--data", str(data)]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)

    span = ("--from", f"{EVALUATED[0]:%Y-%m-%d}", "--to", f"{EVALUATED[1]:%Y-%m-%d}")
    said = command("pump", *span, "--factor", "1", "--factor", "3")
    lines = said.stdout.splitlines()
    assert lines[0] == f"Version 1 of pump, {EVALUATED[0]:%Y-%m-%d %H:%M} to {EVALUATED[1]:%Y-%m-%d %H:%M}", said.stderr
    assert lines[1].split()[:2] == ["limit", "alarms"]
    assert [" ".join(line.split()[:2]) for line in lines[2:]] == ["x 1", "x 3"]
    assert "1 of 1" in lines[2]
    for refused, why in (
        (("pump", *span, "--factor", "7"), "A factor is 0.5 to 3, not 7."),
        (("pump", "--from", "2020-01-01", "--to", "2020-01-02"), "There is no reading from 2020-01-01T00:00:00Z"),
        (("nowhere", *span), "The model 'nowhere' does not exist."),
    ):
        said = command(*refused)
        assert (said.returncode, why in said.stderr) == (1, True), said.stderr


def _kill_once_begun(process: Process, what_ifs: WhatIfs, attempt: Select[Any]) -> None:
    def begun() -> dict[str, Any]:
        with what_ifs.foundation.database.reading() as connection:
            return {"Status": "begun" if connection.execute(attempt).scalar_one() else "PENDING"}

    wait(begun)
    process.kill()
