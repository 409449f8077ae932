"""ClientToken: the same request twice makes one thing; what is scoped, what conflicts, and when a token is free again."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from openlookout.api.definition import definition
from openlookout.jobs.retention import forget_tokens
from openlookout.store.client_tokens import note_ended
from openlookout.store.service_tables import client_token
from openlookout.store.tables import label, label_group
from operations.rows import NOW, ROLE, add_dataset, add_model, scheduler_request, unique
from served import Api

POLICY = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"lookoutequipment:ImportDataset"}}'
)


def requests(api: Api) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """For every operation with a token: a request, and what makes it another one."""
    data, group = add_dataset(api), unique("g")
    api.client.create_label_group(LabelGroupName=group, FaultCodes=["a"])
    arn = api.client.describe_dataset(DatasetName=data)["DatasetArn"]
    model_name = add_model(api, data)
    version_arn = api.client.describe_model_version(ModelName=model_name, ModelVersion=1)["ModelVersionArn"]
    place = {"S3InputConfiguration": {"Bucket": "bucket"}}
    return {
        "CreateDataset": ({"DatasetName": unique("d")}, {"ServerSideKmsKeyId": "k"}),
        "StartDataIngestionJob": (
            {"DatasetName": add_dataset(api), "IngestionInputConfiguration": place, "RoleArn": ROLE},
            {"RoleArn": f"{ROLE}2"},
        ),
        "CreateModel": ({"ModelName": unique("m"), "DatasetName": data}, {"RoleArn": ROLE}),
        "CreateInferenceScheduler": (
            scheduler_request(add_model(api, data), unique("s")),
            {"DataUploadFrequency": "PT1H"},
        ),
        "CreateLabelGroup": ({"LabelGroupName": unique("g")}, {"FaultCodes": ["b"]}),
        "CreateLabel": (
            {"LabelGroupName": group, "StartTime": NOW, "EndTime": NOW + timedelta(hours=1), "Rating": "ANOMALY"},
            {"EndTime": NOW + timedelta(hours=2)},
        ),
        "CreateRetrainingScheduler": (
            {"ModelName": add_model(api, data), "RetrainingFrequency": "P1M", "LookbackWindow": "P180D"},
            {"LookbackWindow": "P360D"},
        ),
        "PutResourcePolicy": ({"ResourceArn": arn, "ResourcePolicy": POLICY}, {"ResourcePolicy": POLICY + " "}),
        "ImportDataset": ({"SourceDatasetArn": arn, "DatasetName": unique("d")}, {"ServerSideKmsKeyId": "k"}),
        "ImportModelVersion": (
            {"SourceModelVersionArn": version_arn, "ModelName": unique("m"), "DatasetName": data},
            {"ServerSideKmsKeyId": "k"},
        ),
    }


def call(api: Api, name: str, **request: Any) -> dict[str, Any]:
    method = api.client.meta.method_to_api_mapping
    python_name = next(python for python, api_name in method.items() if api_name == name)
    answer: dict[str, Any] = getattr(api.client, python_name)(**request)
    answer.pop("ResponseMetadata")
    return answer


def with_tokens() -> list[str]:
    shapes = definition()["shapes"]
    return [
        name
        for name, operation in definition()["operations"].items()
        if "ClientToken" in shapes[operation["input"]["shape"]]["members"]
    ]


@pytest.mark.parametrize("name", with_tokens())
def test_a_repeated_request_is_answered_with_what_it_made(api: Api, name: str) -> None:
    request, change = requests(api)[name]
    token = uuid.uuid4().hex
    first = call(api, name, **request, ClientToken=token)
    assert call(api, name, **request, ClientToken=token) == first
    with pytest.raises(api.client.exceptions.ConflictException, match=f"'{token}' was used for {name} with other par"):
        call(api, name, **{**request, **change}, ClientToken=token)
    assert call(api, name, **request, ClientToken=token) == first


def test_a_repeated_create_tells_the_state_of_now(api: Api) -> None:
    request = {"DatasetName": unique("d"), "ClientToken": uuid.uuid4().hex}
    assert api.client.create_dataset(**request)["Status"] == "CREATED"
    place = {"S3InputConfiguration": {"Bucket": "bucket"}}
    api.client.start_data_ingestion_job(
        DatasetName=request["DatasetName"], IngestionInputConfiguration=place, RoleArn=ROLE
    )
    assert api.client.create_dataset(**request)["Status"] == "INGESTION_IN_PROGRESS"


def test_a_token_counts_per_operation_account_and_region(api: Api) -> None:
    """One machine's name is used as the token of all of its resources."""
    token, name = uuid.uuid4().hex, unique("x")
    api.client.create_dataset(DatasetName=name, ClientToken=token)
    api.client.create_label_group(LabelGroupName=name, ClientToken=token)
    elsewhere = api.connect(region="eu-west-1")
    assert ":eu-west-1:" in elsewhere.create_dataset(DatasetName=f"{name}-2", ClientToken=token)["DatasetArn"]


DELETES: dict[str, Callable[[Api, str], None]] = {
    "dataset": lambda api, name: api.client.delete_dataset(DatasetName=name),
    "label group": lambda api, name: api.client.delete_label_group(LabelGroupName=name),
}
CREATES: dict[str, Callable[..., Any]] = {
    "dataset": lambda api, name, **more: api.client.create_dataset(DatasetName=name, **more)["DatasetArn"],
    "label group": lambda api, name, **more: api.client.create_label_group(LabelGroupName=name, **more)[
        "LabelGroupArn"
    ],
}


@pytest.mark.parametrize("noun", CREATES)
def test_a_token_is_free_again_when_its_resource_is_deleted(api: Api, noun: str) -> None:
    """Clients use constant tokens: delete and create again must make a new resource."""
    name, token = unique("x"), uuid.uuid4().hex
    first = CREATES[noun](api, name, ClientToken=token)
    DELETES[noun](api, name)
    second = CREATES[noun](api, name, ClientToken=token)
    assert second != first
    DELETES[noun](api, name)
    CREATES[noun](api, f"{name}-other", ClientToken=token)


def test_the_tokens_of_labels_policies_and_retraining_schedulers_end_with_them(api: Api) -> None:
    group, token = unique("g"), uuid.uuid4().hex
    api.client.create_label_group(LabelGroupName=group)
    label_request = {
        "LabelGroupName": group,
        "StartTime": NOW,
        "EndTime": NOW,
        "Rating": "ANOMALY",
        "ClientToken": token,
    }
    first = api.client.create_label(**label_request)["LabelId"]
    api.client.delete_label(LabelGroupName=group, LabelId=first)
    assert api.client.create_label(**label_request)["LabelId"] != first
    arn = api.client.describe_dataset(DatasetName=add_dataset(api))["DatasetArn"]
    policy = {"ResourceArn": arn, "ResourcePolicy": POLICY, "ClientToken": token}
    revision = api.client.put_resource_policy(**policy)["PolicyRevisionId"]
    api.client.delete_resource_policy(ResourceArn=arn)
    assert api.client.put_resource_policy(**policy)["PolicyRevisionId"] != revision


def test_a_token_is_forgotten_some_hours_after_its_work_ended(api: Api) -> None:
    data, token, name = add_dataset(api), uuid.uuid4().hex, unique("m")
    api.client.create_model(ModelName=name, DatasetName=data, ClientToken=token)
    other = {"ModelName": unique("m"), "DatasetName": data, "ClientToken": token}
    identity = api.client.describe_model(ModelName=name)["ModelArn"].split("/")[-1]
    start = api.clock.now()
    try:
        api.clock.set(start + timedelta(days=30))
        with pytest.raises(api.client.exceptions.ConflictException):  # The training is still under way.
            api.client.create_model(**other)
        with api.database.writing() as connection:
            note_ended(connection, f"{identity}.1", api.clock.now())
        api.clock.set(start + timedelta(days=30, hours=23, minutes=59))
        with pytest.raises(api.client.exceptions.ConflictException, match="with other parameters"):
            api.client.create_model(**other)
        api.clock.set(start + timedelta(days=31, minutes=1))
        api.client.create_model(**other)
    finally:
        api.clock.set(start)


def test_retention_forgets_what_ended_and_keeps_what_works(api: Api) -> None:
    data, tokens = add_dataset(api), [uuid.uuid4().hex, uuid.uuid4().hex]
    api.client.create_model(ModelName=unique("m"), DatasetName=data, ClientToken=tokens[0])
    api.client.create_dataset(DatasetName=unique("d"), ClientToken=tokens[1])
    start = api.clock.now()
    try:
        api.clock.set(start + timedelta(hours=25))
        forget_tokens(api.database, api.clock, 24)
    finally:
        api.clock.set(start)
    with api.database.reading() as connection:
        left = set(connection.execute(select(client_token.c.token)).scalars())
    assert left & set(tokens) == {tokens[0]}


def test_equal_requests_at_once_make_one_thing(api: Api) -> None:
    """Ten clients retry at the same moment; all are answered alike, and one label is there."""
    group = unique("g")
    api.client.create_label_group(LabelGroupName=group)
    request = {
        "LabelGroupName": group,
        "StartTime": NOW,
        "EndTime": NOW,
        "Rating": "ANOMALY",
        "ClientToken": uuid.uuid4().hex,
    }
    with ThreadPoolExecutor(10) as threads:
        made = list(threads.map(lambda _: api.client.create_label(**request)["LabelId"], range(10)))
    assert len(set(made)) == 1
    with api.database.reading() as connection:
        of_group = select(func.count()).select_from(label).join(label_group).where(label_group.c.name == group)
        assert connection.execute(of_group).scalar() == 1
    name, token = unique("d"), uuid.uuid4().hex
    with ThreadPoolExecutor(10) as threads:
        arns = list(
            threads.map(
                lambda _: api.client.create_dataset(DatasetName=name, ClientToken=token)["DatasetArn"], range(10)
            )
        )
    assert len(set(arns)) == 1


def test_a_request_that_failed_leaves_its_token_free(api: Api) -> None:
    token = uuid.uuid4().hex
    with pytest.raises(api.client.exceptions.ResourceNotFoundException):
        api.client.create_model(ModelName=unique("m"), DatasetName="nowhere", ClientToken=token)
    api.client.create_model(ModelName=unique("m"), DatasetName=add_dataset(api), ClientToken=token)
