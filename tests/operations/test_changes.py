"""Every operation that changes something leaves a record: who, what was asked, before, after; refused ones too."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import openlookout.operations
from openlookout.api.definition import definition
from openlookout.operations.changes import SUBJECTS
from openlookout.store.audit import Record, page, records, verify_database
from openlookout.store.keys import create_key, delete_key
from openlookout.store.lifecycles import INFERENCE_SCHEDULER, RETRAINING_SCHEDULER, move
from openlookout.store.tables import inference_scheduler, retraining_scheduler
from operations.rows import NOW, ROLE, add_dataset, add_model, scheduler_request, unique
from served import ACCOUNT, REGION, Api

READS = ("Describe", "List")
S3 = {"S3InputConfiguration": {"Bucket": "bucket"}}


def newest(api: Api) -> Record:
    with api.database.reading() as connection:
        return page(connection, ACCOUNT, REGION, before=None, limit=1)[0]


def last_sequence(api: Api) -> int:
    return max((record.sequence for record in records(api.database)), default=0)


def test_every_operation_either_only_reads_or_is_recorded() -> None:
    for name in definition()["operations"]:
        assert name.startswith(READS) != (name in SUBJECTS), name


def test_no_operation_opens_a_writing_transaction_past_the_record() -> None:
    folder = Path(inspect.getfile(openlookout.operations)).parent
    bypassing = [path.name for path in folder.glob("*.py") if "database.writing()" in path.read_text()]
    assert sorted(bypassing) == ["changes.py", "tokens.py"]  # The key that seals tokens is no user's resource.


def stopped(api: Api, table: Any) -> None:
    lifecycle = INFERENCE_SCHEDULER if table is inference_scheduler else RETRAINING_SCHEDULER
    with api.database.writing() as connection:
        move(connection, lifecycle, table.c.status.is_not(None), "STOPPED")


def calls(api: Api) -> dict[str, Callable[[], Any]]:
    """Every mutating operation once, in an order in which all succeed."""
    client, data, group, scheduler = api.client, unique("d"), unique("g"), unique("s")
    filled = add_dataset(api)
    trained, other, copied = add_model(api, filled), add_model(api, filled), unique("m")
    arn = client.describe_dataset(DatasetName=filled)["DatasetArn"]
    version = client.describe_model_version(ModelName=trained, ModelVersion=1)["ModelVersionArn"]
    policy = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "999999999999"}, '
        f'"Action": "lookoutequipment:ImportDataset", "Resource": "{arn}"}}]}}'
    )
    made: dict[str, str] = {}

    def create_label() -> None:
        made["label"] = client.create_label(LabelGroupName=group, StartTime=NOW, EndTime=NOW, Rating="ANOMALY")[
            "LabelId"
        ]

    def stop_inference() -> None:
        client.stop_inference_scheduler(InferenceSchedulerName=scheduler)

    def delete_inference() -> None:
        stopped(api, inference_scheduler)
        client.delete_inference_scheduler(InferenceSchedulerName=scheduler)

    def delete_retraining() -> None:
        stopped(api, retraining_scheduler)
        client.delete_retraining_scheduler(ModelName=other)

    return {
        "CreateDataset": lambda: client.create_dataset(DatasetName=data),
        "StartDataIngestionJob": lambda: client.start_data_ingestion_job(
            DatasetName=data, IngestionInputConfiguration=S3, RoleArn=ROLE
        ),
        "ImportDataset": lambda: client.import_dataset(SourceDatasetArn=arn, DatasetName=unique("d")),
        "TagResource": lambda: client.tag_resource(ResourceArn=arn, Tags=[{"Key": "site", "Value": "A"}]),
        "UntagResource": lambda: client.untag_resource(ResourceArn=arn, TagKeys=["site"]),
        "PutResourcePolicy": lambda: client.put_resource_policy(ResourceArn=arn, ResourcePolicy=policy),
        "DeleteResourcePolicy": lambda: client.delete_resource_policy(ResourceArn=arn),
        "CreateLabelGroup": lambda: client.create_label_group(LabelGroupName=group),
        "UpdateLabelGroup": lambda: client.update_label_group(LabelGroupName=group, FaultCodes=["a"]),
        "CreateLabel": create_label,
        "DeleteLabel": lambda: client.delete_label(LabelGroupName=group, LabelId=made["label"]),
        "DeleteLabelGroup": lambda: client.delete_label_group(LabelGroupName=group),
        "CreateModel": lambda: client.create_model(ModelName=unique("m"), DatasetName=filled),
        "ImportModelVersion": lambda: client.import_model_version(
            SourceModelVersionArn=version, ModelName=copied, DatasetName=filled
        ),
        "UpdateModel": lambda: client.update_model(ModelName=trained, RoleArn=ROLE),
        "UpdateActiveModelVersion": lambda: client.update_active_model_version(ModelName=trained, ModelVersion=1),
        "CreateInferenceScheduler": lambda: client.create_inference_scheduler(**scheduler_request(trained, scheduler)),
        "UpdateInferenceScheduler": lambda: client.update_inference_scheduler(
            InferenceSchedulerName=scheduler, DataDelayOffsetInMinutes=7
        ),
        "StopInferenceScheduler": stop_inference,
        "StartInferenceScheduler": lambda: (
            stopped(api, inference_scheduler),
            client.start_inference_scheduler(InferenceSchedulerName=scheduler),
            stop_inference(),
        )[1],
        "DeleteInferenceScheduler": delete_inference,
        "CreateRetrainingScheduler": lambda: client.create_retraining_scheduler(
            ModelName=other, RetrainingFrequency="P1M", LookbackWindow="P180D"
        ),
        "UpdateRetrainingScheduler": lambda: client.update_retraining_scheduler(
            ModelName=other, LookbackWindow="P360D"
        ),
        "StartRetrainingScheduler": lambda: client.start_retraining_scheduler(ModelName=other),
        "StopRetrainingScheduler": lambda: client.stop_retraining_scheduler(ModelName=other),
        "DeleteRetrainingScheduler": delete_retraining,
        "DeleteModel": lambda: client.delete_model(ModelName=trained),
        "DeleteDataset": lambda: client.delete_dataset(DatasetName=add_dataset(api)),
    }


def test_every_change_is_recorded_with_who_what_before_and_after(api: Api) -> None:
    every = calls(api)
    assert set(every) == set(SUBJECTS)
    for name, call in every.items():
        start = last_sequence(api)
        call()
        found = next(record for record in records(api.database, after=start) if record.operation == name)
        assert (found.outcome, found.principal, found.account, found.region) == ("ok", "local", ACCOUNT, REGION)
        assert len(found.request_id) == 36
        assert found.resource is not None
        assert found.resource.startswith(f"arn:aws:lookoutequipment:{REGION}:{ACCOUNT}:")
        assert found.request, name
        has = (found.before is not None, found.after is not None)
        if name.startswith(("Create", "ImportDataset", "ImportModelVersion", "PutResourcePolicy")):
            assert has == (False, True), name
        elif name.startswith("Delete"):
            assert has == (True, False), name
        else:
            assert has == (True, True), name
            is_same = name == "UpdateActiveModelVersion"  # It was the active one.
            is_same |= name == "StartRetrainingScheduler"  # It was starting.
            assert (found.before == found.after) == is_same, name
    verify_database(api.database)


def test_what_a_record_says_of_a_change(api: Api) -> None:
    group = unique("g")
    arn = api.client.create_label_group(LabelGroupName=group, FaultCodes=["a"])["LabelGroupArn"]
    answer = api.client.update_label_group(LabelGroupName=group, FaultCodes=["b", "c"])
    found = newest(api)
    assert found.request_id == answer["ResponseMetadata"]["RequestId"]
    assert (found.operation, found.resource, found.at) == ("UpdateLabelGroup", arn, NOW)
    assert found.request == {"LabelGroupName": group, "FaultCodes": ["b", "c"]}
    assert (found.before["fault_codes"], found.after["fault_codes"]) == (["a"], ["b", "c"])


def test_refusals_are_recorded_and_changed_nothing(api: Api) -> None:
    name = unique("d")
    api.client.create_dataset(DatasetName=name)
    refused: list[tuple[Callable[[], Any], str, str | None]] = [
        (lambda: api.client.create_dataset(DatasetName=name), "ConflictException", f"dataset/{name}"),
        (
            lambda: api.client.delete_dataset(DatasetName="neverthere"),
            "ResourceNotFoundException",
            "dataset/neverthere",
        ),
        (lambda: api.client.create_dataset(DatasetName="a b"), "ValidationException", "dataset/a b"),
        (lambda: api.client.create_dataset(DatasetName=3), "SerializationException", None),
    ]
    for call, code, path in refused:
        with pytest.raises(ClientError) as error:
            call()
        found = newest(api)
        assert found.outcome == error.value.response["Error"]["Code"] == code
        assert found.message == error.value.response["Error"]["Message"]
        assert found.request_id == error.value.response["ResponseMetadata"]["RequestId"]
        expected = None if path is None else f"arn:aws:lookoutequipment:{REGION}:{ACCOUNT}:{path}"
        assert (found.resource, found.before, found.after) == (expected, None, None)


def test_what_only_reads_leaves_no_record(api: Api) -> None:
    start = last_sequence(api)
    api.client.list_datasets()
    with pytest.raises(ClientError):
        api.client.describe_dataset(DatasetName="neverthere")
    with pytest.raises(ClientError):
        api.client.list_datasets(MaxResults=0)
    assert last_sequence(api) == start


def test_access_keys_are_recorded_without_their_secret(api: Api) -> None:
    key = create_key(api.database, "555555555555", "for the plant", NOW, REGION)
    assert delete_key(api.database, key.id, NOW, REGION)
    assert not delete_key(api.database, key.id, NOW, REGION)
    with api.database.reading() as connection:
        deleted, created = page(connection, "555555555555", REGION, before=None, limit=3)
    assert (created.operation, created.after["id"], created.principal) == ("CreateAccessKey", key.id, "local")
    assert (deleted.operation, deleted.before["note"]) == ("DeleteAccessKey", "for the plant")
    assert key.secret not in created.line() + deleted.line()
