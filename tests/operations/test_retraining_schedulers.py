"""Retraining schedulers: one a model, from a day on, between a month and a year; and the versions that the ticker makes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from openlookout.jobs.engine import JobQueue
from openlookout.jobs.retraining_ticker import RetrainingTicker
from openlookout.store.tables import model, model_version, retraining_scheduler
from operations.rows import NOW, add_dataset, add_model, scheduler_request, unique
from served import Api


@pytest.fixture
def name(api: Api) -> str:
    """A model, and no retraining scheduler left of the tests before."""
    with api.database.writing() as connection:
        connection.execute(delete(retraining_scheduler))
    return add_model(api, add_dataset(api))


def create(api: Api, name: str, frequency: str = "P1M", **more: Any) -> Any:
    return api.client.create_retraining_scheduler(
        ModelName=name, RetrainingFrequency=frequency, LookbackWindow="P180D", **more
    )


def tick(api: Api, at: datetime | None = None) -> int:
    """One look of the ticker, at a time."""
    before = api.clock.now()
    queue = JobQueue(api.database)
    try:
        api.clock.set(at or before)
        return RetrainingTicker(api.database, queue, api.clock).tick()
    finally:
        api.clock.set(before)
        queue.close()


def at_end_of_day(api: Api, days: int) -> datetime:
    return api.clock.now() + timedelta(days=days, hours=1)


def state(api: Api, name: str) -> str:
    return str(api.client.describe_retraining_scheduler(ModelName=name)["Status"])


def stopped(api: Api, name: str) -> None:
    api.client.stop_retraining_scheduler(ModelName=name)
    tick(api)
    assert state(api, name) == "STOPPED"


def test_it_lives_from_pending_to_deleted(api: Api, name: str) -> None:
    assert create(api, name)["Status"] == "PENDING"
    assert api.client.start_retraining_scheduler(ModelName=name)["Status"] == "PENDING"
    tick(api)
    assert api.client.start_retraining_scheduler(ModelName=name)["Status"] == "RUNNING"
    with pytest.raises(api.client.exceptions.ConflictException, match="has a retraining scheduler; one is allowed"):
        create(api, name)
    with pytest.raises(
        api.client.exceptions.ConflictException, match="is RUNNING; it can be deleted when it is STOPPED"
    ):
        api.client.delete_retraining_scheduler(ModelName=name)
    assert api.client.stop_retraining_scheduler(ModelName=name)["Status"] == "STOPPING"
    assert api.client.stop_retraining_scheduler(ModelName=name)["Status"] == "STOPPING"
    for refused in (api.client.start_retraining_scheduler, api.client.update_retraining_scheduler):
        with pytest.raises(api.client.exceptions.ConflictException, match="is STOPPING"):
            refused(ModelName=name)
    tick(api)
    assert api.client.stop_retraining_scheduler(ModelName=name)["Status"] == "STOPPED"
    assert api.client.start_retraining_scheduler(ModelName=name)["Status"] == "PENDING"
    stopped(api, name)
    with pytest.raises(api.client.exceptions.ConflictException, match="has a retraining scheduler; delete that first"):
        api.client.delete_model(ModelName=name)
    api.client.delete_retraining_scheduler(ModelName=name)
    with pytest.raises(api.client.exceptions.ResourceNotFoundException, match="has no retraining scheduler"):
        state(api, name)
    api.client.delete_model(ModelName=name)
    with pytest.raises(api.client.exceptions.ResourceNotFoundException, match=f"The model '{name}' does not exist"):
        create(api, name)


def test_it_is_described_with_its_day_and_defaults(api: Api, name: str) -> None:
    create(api, name, RetrainingStartDate=datetime(2026, 5, 6, 17, 30, tzinfo=UTC))
    found = api.client.describe_retraining_scheduler(ModelName=name)
    assert found["RetrainingStartDate"] == datetime(2026, 5, 6, tzinfo=UTC)
    assert (found["RetrainingFrequency"], found["LookbackWindow"]) == ("P1M", "P180D")
    assert found["PromoteMode"] == "MANAGED"
    described = api.client.describe_model(ModelName=name)
    assert described["RetrainingSchedulerStatus"] == "PENDING"
    assert described["NextScheduledRetrainingStartDate"] == datetime(2026, 5, 6, tzinfo=UTC)
    assert not [member for member in described if member.startswith("LatestScheduledRetraining")]
    api.client.update_retraining_scheduler(ModelName=name, RetrainingFrequency="P30D", PromoteMode="MANUAL")
    found = api.client.describe_retraining_scheduler(ModelName=name)
    assert (found["RetrainingFrequency"], found["LookbackWindow"], found["PromoteMode"]) == ("P30D", "P180D", "MANUAL")
    assert found["RetrainingStartDate"] == datetime(2026, 5, 6, tzinfo=UTC)
    api.client.update_retraining_scheduler(ModelName=name, RetrainingStartDate=datetime(2026, 1, 1, 12, tzinfo=UTC))
    described = api.client.describe_model(ModelName=name)
    assert described["NextScheduledRetrainingStartDate"] == datetime(2026, 1, 31, tzinfo=UTC)
    stopped(api, name)
    api.client.update_retraining_scheduler(ModelName=name, LookbackWindow="P720D")
    assert "NextScheduledRetrainingStartDate" not in api.client.describe_model(ModelName=name)


def test_without_a_start_date_it_counts_from_today(api: Api, name: str) -> None:
    create(api, name)
    found = api.client.describe_retraining_scheduler(ModelName=name)
    assert found["RetrainingStartDate"] == datetime(2026, 1, 1, tzinfo=UTC)
    described = api.client.describe_model(ModelName=name)
    assert described["NextScheduledRetrainingStartDate"] == datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize("frequency", ["P29D", "P366D", "P2Y", "P13M", "P"])
def test_a_frequency_that_the_pattern_admits_and_the_service_does_not(api: Api, name: str, frequency: str) -> None:
    with pytest.raises(api.client.exceptions.ValidationException, match=f"'{frequency}' is .* days; 30 to 365"):
        create(api, name, frequency)
    create(api, name)
    with pytest.raises(api.client.exceptions.ValidationException, match="30 to 365 are possible"):
        api.client.update_retraining_scheduler(ModelName=name, RetrainingFrequency=frequency)
    assert api.client.describe_retraining_scheduler(ModelName=name)["RetrainingFrequency"] == "P1M"


def test_a_day_after_the_end_of_the_calendar_is_refused(api: Api, name: str) -> None:
    create(api, name, RetrainingStartDate=datetime(9999, 12, 31, tzinfo=UTC))
    before = api.clock.now()
    try:
        api.clock.set(datetime(9999, 12, 31, 1, tzinfo=UTC))
        with pytest.raises(
            api.client.exceptions.ValidationException, match="RetrainingStartDate is too late: the year"
        ):
            api.client.update_retraining_scheduler(ModelName=name)
    finally:
        api.clock.set(before)


def test_schedulers_are_listed_by_model_name_and_status(api: Api) -> None:
    source = add_dataset(api)
    names = sorted(add_model(api, source) for _ in range(3))
    for each in names:
        create(api, each)
    tick(api)
    stopped(api, names[1])
    listed = api.client.list_retraining_schedulers(ModelNameBeginsWith=names[1])["RetrainingSchedulerSummaries"]
    assert listed == [
        {
            "ModelName": names[1],
            "ModelArn": api.client.describe_model(ModelName=names[1])["ModelArn"],
            "Status": "STOPPED",
            "RetrainingStartDate": datetime(2026, 1, 1, tzinfo=UTC),
            "RetrainingFrequency": "P1M",
            "LookbackWindow": "P180D",
        }
    ]
    running, more = [], {"MaxResults": 1}
    while True:
        page = api.client.list_retraining_schedulers(Status="RUNNING", ModelNameBeginsWith="m-", **more)
        running += [row["ModelName"] for row in page["RetrainingSchedulerSummaries"]]
        if "NextToken" not in page:
            break
        more["NextToken"] = page["NextToken"]
    assert [each for each in running if each in names] == [names[0], names[2]]
    assert running == sorted(running)


def test_a_due_scheduler_makes_the_next_version_once(api: Api, name: str) -> None:
    create(api, name, "P30D")
    tick(api)
    assert tick(api, at_end_of_day(api, 29)) == 0
    due = at_end_of_day(api, 30)
    assert tick(api, due) == 1
    assert tick(api, due) == 0
    versions = api.client.list_model_versions(ModelName=name)["ModelVersionSummaries"]
    assert [(row["ModelVersion"], row["Status"], row["SourceType"]) for row in versions] == [
        (1, "SUCCESS", "TRAINING"),
        (2, "IN_PROGRESS", "RETRAINING"),
    ]
    second = api.client.describe_model_version(ModelName=name, ModelVersion=2)
    assert second["TrainingDataEndTime"] == due
    assert second["TrainingDataEndTime"] - second["TrainingDataStartTime"] == timedelta(days=180)
    described = api.client.describe_model(ModelName=name)
    assert described["Status"] == "IN_PROGRESS"
    assert described["ActiveModelVersion"] == 1
    assert described["LatestScheduledRetrainingStatus"] == "IN_PROGRESS"
    assert described["LatestScheduledRetrainingModelVersion"] == 2
    assert described["LatestScheduledRetrainingStartTime"] == due
    assert described["NextScheduledRetrainingStartDate"] == datetime(2026, 3, 2, tzinfo=UTC)


def test_a_clock_set_back_makes_no_version_older_than_the_one_before(api: Api, name: str) -> None:
    create(api, name, RetrainingStartDate=NOW - timedelta(days=400))
    with api.database.writing() as connection:
        connection.execute(
            update(model_version)
            .where(model_version.c.model_id == select(model.c.id).where(model.c.name == name).scalar_subquery())
            .values(created_at=NOW + timedelta(days=900))
        )
    tick(api)
    assert tick(api, at_end_of_day(api, 60)) == 1
    first, second = api.client.list_model_versions(ModelName=name)["ModelVersionSummaries"]
    assert second["CreatedAt"] - first["CreatedAt"] == timedelta(milliseconds=1)


def test_missed_retrainings_are_made_up_for_by_one_and_wait_for_their_turn(api: Api, name: str) -> None:
    create(api, name)
    tick(api)
    with api.database.writing() as connection:
        connection.execute(update(model).where(model.c.name == name).values(status="IMPORT_IN_PROGRESS"))
    late = at_end_of_day(api, 100)
    assert tick(api, late) == 0
    with api.database.writing() as connection:
        connection.execute(update(model).where(model.c.name == name).values(status="SUCCESS"))
    assert tick(api, late) == 1
    assert len(api.client.list_model_versions(ModelName=name)["ModelVersionSummaries"]) == 2
    with api.database.reading() as connection:
        due = connection.execute(
            select(retraining_scheduler.c.next_due).join(model).where(model.c.name == name)
        ).scalar_one()
    assert due == datetime(2026, 5, 1, tzinfo=UTC)


def test_stopping_cancels_the_retraining_under_way_and_nothing_else(api: Api, name: str) -> None:
    create(api, name)
    tick(api)
    tick(api, at_end_of_day(api, 40))
    stopped(api, name)
    second = api.client.describe_model_version(ModelName=name, ModelVersion=2)
    assert (second["Status"], second["AutoPromotionResult"]) == ("CANCELED", "RETRAINING_CANCELLED")
    assert second["AutoPromotionResultReason"] == "The retraining scheduler was stopped."
    described = api.client.describe_model(ModelName=name)
    assert (described["Status"], described["LatestScheduledRetrainingStatus"]) == ("SUCCESS", "CANCELED")
    assert api.client.describe_model_version(ModelName=name, ModelVersion=1)["Status"] == "SUCCESS"
    with pytest.raises(api.client.exceptions.ConflictException, match="is CANCELED; only a version that is SUCCESS"):
        api.client.update_active_model_version(ModelName=name, ModelVersion=2)
    api.client.create_inference_scheduler(**scheduler_request(name, unique("s")))
