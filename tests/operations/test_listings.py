"""All List operations: no member is forgotten, and pages of any size are the naive list."""

import string
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openlookout.api.definition import definition
from openlookout.operations import (
    datasets,
    inference_results,
    inference_schedulers,
    ingestion,
    labels,
    model_versions,
    models,
    retraining_schedulers,
)
from openlookout.operations.listing import PAGING
from openlookout.operations.operation import OPERATIONS
from openlookout.store.tables import (
    dataset,
    inference_event,
    inference_execution,
    inference_scheduler,
    ingestion_job,
    model,
    model_version,
)
from served import ACCOUNT, REGION, Api

# Members that say whose rows are listed.
SCOPE = {
    "ListInferenceEvents": {"InferenceSchedulerName"},
    "ListInferenceExecutions": {"InferenceSchedulerName"},
    "ListLabels": {"LabelGroupName"},
    "ListModelVersions": {"ModelName"},
    "ListSensorStatistics": {"DatasetName", "IngestionJobId"},
}
LISTINGS = {
    "ListDatasets": datasets.DATASETS,
    "ListDataIngestionJobs": ingestion.INGESTION_JOBS,
    "ListSensorStatistics": ingestion.SENSOR_STATISTICS,
    "ListModels": models.MODELS,
    "ListModelVersions": model_versions.MODEL_VERSIONS,
    "ListInferenceSchedulers": inference_schedulers.SCHEDULERS,
    "ListInferenceExecutions": inference_results.EXECUTIONS,
    "ListInferenceEvents": inference_results.EVENTS,
    "ListLabelGroups": labels.LABEL_GROUPS,
    "ListLabels": labels.LABELS,
    "ListRetrainingSchedulers": retraining_schedulers.RETRAINING_SCHEDULERS,
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_what_is_built_are_the_49_operations() -> None:
    assert len(definition()["operations"]) == 49
    assert set(OPERATIONS) == set(definition()["operations"])


def test_every_list_operation_is_a_listing() -> None:
    """Tags come without pages."""
    assert {name for name in OPERATIONS if name.startswith("List")} == {*LISTINGS, "ListTagsForResource"}


@pytest.mark.parametrize("name", LISTINGS)
def test_every_request_member_is_a_filter_a_scope_or_paging(name: str) -> None:
    shape = definition()["operations"][name]["input"]["shape"]
    members = set(definition()["shapes"][shape]["members"])
    assert members == {*LISTINGS[name].members, *SCOPE.get(name, ()), *PAGING}


def rows_of(api: Api, client: Any, call: str, result: str, sizes: list[int], **given: Any) -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = []
    more: dict[str, str] = {}
    for number in range(10_000):
        answer = getattr(client, call)(MaxResults=sizes[min(number, len(sizes) - 1)], **given, **more)
        got += answer[result]
        if "NextToken" not in answer:
            return got
        more = {"NextToken": answer["NextToken"]}
    raise AssertionError("the listing does not end")


NAMES = st.lists(st.text(string.ascii_letters + "_-", min_size=1, max_size=3), unique=True, max_size=12)
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=3)


def place(**more: Any) -> dict[str, Any]:
    return {"account": ACCOUNT, "region": REGION, "created_at": NOW, "updated_at": NOW, **more}


@quick
@given(names=NAMES, prefix=st.text(string.ascii_letters + "_-", min_size=1, max_size=2), sizes=SIZES)
def test_datasets_and_models_page_by_name_and_prefix(api: Api, names: list[str], prefix: str, sizes: list[int]) -> None:
    """`_` is a letter like any other, and case counts."""
    unique = f"u{uuid.uuid4().hex}-"
    with api.database.writing() as connection:
        for name in names:
            identity = str(uuid.uuid4())
            row = place(id=identity, name=unique + name, status="ACTIVE", schema_given=False)
            connection.execute(dataset.insert(), row)
            add_model(connection, unique + name, identity, "SUCCESS" if name < "c" else "FAILED")
    expected = sorted(unique + name for name in names)
    listed = rows_of(api, api.client, "list_datasets", "DatasetSummaries", sizes, DatasetNameBeginsWith=unique)
    assert [row["DatasetName"] for row in listed] == expected
    begins = [name for name in expected if name.startswith(unique + prefix)]
    for member in ("ModelNameBeginsWith", "DatasetNameBeginsWith"):
        listed = rows_of(api, api.client, "list_models", "ModelSummaries", sizes, **{member: unique + prefix})
        assert [row["ModelName"] for row in listed] == begins
    failed = rows_of(
        api, api.client, "list_models", "ModelSummaries", sizes, Status="FAILED", ModelNameBeginsWith=unique
    )
    assert [row["ModelName"] for row in failed] == [name for name in expected if name.removeprefix(unique) >= "c"]


def add_model(connection: Any, name: str, dataset_id: str, status: str = "SUCCESS") -> str:
    identity = str(uuid.uuid4())
    connection.execute(
        model.insert(), place(id=identity, name=name, dataset_id=dataset_id, status=status, active_version=1)
    )
    version = {
        "model_id": identity,
        "version": 1,
        "created_at": NOW,
        "updated_at": NOW,
        "status": "SUCCESS",
        "source_type": "TRAINING",
        "attempt": 1,
        "configuration": {},
        "data_schema": "{}",
        "sampling_rate_us": 60_000_000,
    }
    connection.execute(model_version.insert(), version)
    return identity


@pytest.fixture(scope="module")
def scheduler(api: Api) -> str:
    """A scheduler with forty executions of three statuses and forty events of growing length."""
    name, dataset_id, scheduler_id = f"s-{uuid.uuid4().hex}", str(uuid.uuid4()), str(uuid.uuid4())
    with api.database.writing() as connection:
        connection.execute(dataset.insert(), place(id=dataset_id, name=name, status="ACTIVE", schema_given=False))
        row = place(
            id=scheduler_id,
            name=name,
            model_id=add_model(connection, name, dataset_id),
            status="STOPPED",
            frequency="PT5M",
            input={},
            output={},
            role_arn="r",
        )
        connection.execute(inference_scheduler.insert(), row)
        for i in range(40):
            due = NOW + i * timedelta(minutes=5)
            execution = {
                "id": uuid.uuid4().hex,
                "scheduler_id": scheduler_id,
                "due_at": due,
                "data_start": due - timedelta(minutes=5),
                "data_end": due,
                "status": ("SUCCESS", "FAILED", "IN_PROGRESS")[i % 3],
                "attempt": 1,
                "input": {},
                "output": {},
            }
            connection.execute(inference_execution.insert(), execution)
            event = {
                "id": uuid.uuid4().hex,
                "scheduler_id": scheduler_id,
                "started_at": NOW + i * timedelta(hours=1),
                "ended_at": NOW + i * timedelta(hours=1, minutes=1),
                "n_rows": 1,
                "diagnostics": {"a\\b": 1.0},
            }
            connection.execute(inference_event.insert(), event)
            job = {
                "id": uuid.uuid4().hex,
                "dataset_id": dataset_id,
                "created_at": NOW + timedelta(seconds=i // 2),
                "status": ("SUCCESS", "FAILED")[i % 2],
                "attempt": 1,
                "dataset_status_before": "CREATED",
                "input": {"S3InputConfiguration": {"Bucket": "bucket"}},
                "role_arn": "r",
            }
            connection.execute(ingestion_job.insert(), job)
    return name


@quick
@given(
    sizes=SIZES,
    status=st.sampled_from([None, "SUCCESS", "FAILED", "IN_PROGRESS"]),
    a=st.integers(-1, 41),
    b=st.integers(-1, 41),
)
def test_executions_page_newest_first(
    api: Api, scheduler: str, sizes: list[int], status: str | None, a: int, b: int
) -> None:
    after, before = NOW + a * timedelta(minutes=5), NOW + b * timedelta(minutes=5)
    given: dict[str, Any] = {
        "InferenceSchedulerName": scheduler,
        "DataStartTimeAfter": after,
        "DataEndTimeBefore": before,
    }
    if status:
        given["Status"] = status
    listed = rows_of(api, api.client, "list_inference_executions", "InferenceExecutionSummaries", sizes, **given)
    ends = [
        NOW + i * timedelta(minutes=5)
        for i in reversed(range(40))
        if status in (None, ("SUCCESS", "FAILED", "IN_PROGRESS")[i % 3])
    ]
    assert [row["DataEndTime"] for row in listed] == [
        end for end in ends if end - timedelta(minutes=5) > after and end < before
    ]


@quick
@given(sizes=SIZES, first=st.integers(0, 45), hours=st.integers(1, 45))
def test_events_longer_than_five_minutes_that_touch_the_interval(
    api: Api, scheduler: str, sizes: list[int], first: int, hours: int
) -> None:
    start, end = NOW + first * timedelta(hours=1), NOW + (first + hours) * timedelta(hours=1)
    given = {"InferenceSchedulerName": scheduler, "IntervalStartTime": start, "IntervalEndTime": end}
    listed = rows_of(api, api.client, "list_inference_events", "InferenceEventSummaries", sizes, **given)
    events = [(NOW + i * timedelta(hours=1), NOW + i * timedelta(hours=1, minutes=1)) for i in reversed(range(40))]
    assert [(row["EventStartTime"], row["EventEndTime"]) for row in listed] == [
        (a, b) for a, b in events if b - a > timedelta(minutes=5) and b >= start and a < end
    ]


@quick
@given(sizes=SIZES)
def test_ingestion_jobs_of_equal_times_are_each_there_once(api: Api, scheduler: str, sizes: list[int]) -> None:
    listed = rows_of(
        api, api.client, "list_data_ingestion_jobs", "DataIngestionJobSummaries", sizes, DatasetName=scheduler
    )
    assert len({row["JobId"] for row in listed}) == len(listed) == 40


def test_an_interval_that_ends_before_it_starts_is_refused(api: Api, scheduler: str) -> None:
    with pytest.raises(ClientError, match="IntervalStartTime must be before IntervalEndTime"):
        api.client.list_inference_events(
            InferenceSchedulerName=scheduler, IntervalStartTime=NOW, IntervalEndTime=NOW - timedelta(days=1)
        )


def test_listing_the_runs_of_an_unknown_scheduler_is_an_error(api: Api) -> None:
    with pytest.raises(ClientError, match="The inference scheduler 'nobody' does not exist"):
        api.client.list_inference_executions(InferenceSchedulerName="nobody")
