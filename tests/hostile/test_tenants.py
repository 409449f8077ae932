"""Tenants: what is another account's, or another region's, is answered exactly as what is not there, and stays as it is.

All 49 operations, asked with the names, ids and ARNs of another tenant's resources and with names of nothing. The
questions to the database are compared too: an answer that took another one could be told by its time.
"""

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import event, select

from openlookout.api.definition import definition
from openlookout.operations.changes import SUBJECTS
from openlookout.store.audit import records
from openlookout.store.keys import create_key
from openlookout.store.tables import dataset, metadata, model
from operations.rows import NOW, ROLE, add_dataset, add_model, scheduler_request, unique
from served import REGION, Api, api_alone
from wire.requests_of import OPERATIONS, input_shape

OWNER, OTHER = "111111111111", "222222222222"
ELSEWHERE = "eu-west-1"
UNWATCHED = {"audit", "audit_head"}  # Where what the other tenant tried is recorded, under its own account.
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "lookoutequipment:ImportDataset"}],
}
# Members that a request must have and that name nothing of anybody's.
FILLED: dict[str, Any] = {
    "DataUploadFrequency": "PT10M",
    "DataInputConfiguration": {"S3InputConfiguration": {"Bucket": "bucket"}},
    "DataOutputConfiguration": {"S3OutputConfiguration": {"Bucket": "bucket"}},
    "IngestionInputConfiguration": {"S3InputConfiguration": {"Bucket": "bucket"}},
    "RoleArn": ROLE,
    "StartTime": NOW,
    "EndTime": NOW,
    "IntervalStartTime": NOW - timedelta(days=1),
    "IntervalEndTime": NOW + timedelta(days=1),
    "Rating": "ANOMALY",
    "Tags": [{"Key": "site", "Value": "B"}],
    "TagKeys": ["site"],
    "ResourcePolicy": json.dumps(POLICY),
    "RetrainingFrequency": "P1M",
    "LookbackWindow": "P180D",
    "ModelVersion": 1,
    "ClientToken": "one-text-of-everybody",
}
# Lists that refuse to list what is not there; the others are empty.
OF_SOMETHING = {"ListTagsForResource", "ListSensorStatistics", "ListInferenceEvents", "ListInferenceExecutions"}
# Operations that make something under a name: a name is free to each tenant.
MAKES = {"CreateDataset": "DatasetName", "CreateLabelGroup": "LabelGroupName"}


@dataclass(frozen=True)
class Tenants:
    api: Api
    other: Any
    elsewhere: Any
    names: dict[str, str]


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with api_alone(f"sqlite:///{tmp_path_factory.mktemp('tenants') / 'openlookout.db'}") as api:
        keys = {account: create_key(api.database, account, None, NOW) for account in (OWNER, OTHER)}

        def connect(account: str, region: str) -> Any:
            return api.connect(key=keys[account].id, secret=keys[account].secret, region=region)

        owner = connect(OWNER, REGION)
        data, scheduler, group = add_dataset(api, account=OWNER), unique("s"), unique("g")
        name = add_model(api, data)
        owner.create_inference_scheduler(**scheduler_request(name, scheduler))
        owner.create_retraining_scheduler(ModelName=name, RetrainingFrequency="P1M", LookbackWindow="P180D")
        owner.create_label_group(LabelGroupName=group)
        label = owner.create_label(LabelGroupName=group, StartTime=NOW, EndTime=NOW, Rating="ANOMALY")["LabelId"]
        arn = owner.describe_dataset(DatasetName=data)["DatasetArn"]
        owner.tag_resource(ResourceArn=arn, Tags=[{"Key": "site", "Value": "A"}])
        with api.database.reading() as connection:
            job = connection.execute(select(dataset.c.ingestion_job_id).where(dataset.c.name == data)).scalar_one()
            identity = connection.execute(select(model.c.id).where(model.c.name == name)).scalar_one()
        names = {
            "DatasetName": data,
            "ModelName": name,
            "LabelGroupName": group,
            "InferenceSchedulerName": scheduler,
            "LabelId": label,
            "JobId": job,
            "IngestionJobId": job,
            "ResourceArn": arn,
            "SourceDatasetArn": arn,
            "SourceModelVersionArn": f"arn:aws:lookoutequipment:{REGION}:{OWNER}:model/{name}/{identity}/model-version/1",
        }
        yield Tenants(api, connect(OTHER, REGION), connect(OWNER, ELSEWHERE), names)


def of_nothing(value: str) -> str:
    """A value of the same form that names nothing."""
    if value.startswith("arn:"):
        head, _, rest = value.partition("/")
        kept = "/model-version/1" if rest.endswith("/model-version/1") else ""
        return f"{head}/{unique('x')}/{uuid.uuid4()}{kept}"
    return uuid.uuid4().hex if re.fullmatch("[0-9a-f]{32}", value) else unique("x")


def request_of(operation: str, names: dict[str, str]) -> dict[str, Any]:
    """A request that names all that it can."""
    shape = definition()["shapes"][input_shape(operation)]
    required, members = shape.get("required", []), shape["members"]
    named = {member: names[member] for member in members if member in names}
    if operation.startswith("Import"):
        # A new name: it is the source that is somebody else's.
        named |= {member: unique("new") for member in ("ModelName",) if member in members}
        named.pop("DatasetName", None)
    filled = {member: FILLED[member] for member in required if member in FILLED and member not in named}
    if operation == "ImportModelVersion":
        filled["DatasetName"] = unique("d")
    return {**named, **filled}


@contextmanager
def questions(api: Api) -> Iterator[list[str]]:
    """The statements that the service sends to its database meanwhile."""
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM access_key" not in statement:  # Asked for every few seconds, whoever calls.
            said.append(statement)

    event.listen(api.database.engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(api.database.engine, "before_cursor_execute", note)


def answer(
    api: Api, client: Any, operation: str, request: dict[str, Any], names: dict[str, str]
) -> tuple[Any, list[str]]:
    """What is answered, the names in it taken out; and the questions behind it."""
    method = next(name for name, known in client.meta.method_to_api_mapping.items() if known == operation)
    with questions(api) as asked:
        try:
            told: Any = {**getattr(client, method)(**request)}
            del told["ResponseMetadata"]
        except ClientError as error:
            told = error.response["Error"]
    text = json.dumps(told, default=str)
    for member, value in sorted(names.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(value, f"<{member}>")
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}", "<id>", text), asked


def everything(api: Api) -> set[str]:
    """Every row of the service, as text."""
    with api.database.reading() as connection:
        return {
            f"{table.name} {row!r}"
            for table in metadata.sorted_tables
            if table.name not in UNWATCHED
            for row in connection.execute(table.select())
        }


@pytest.mark.parametrize("who", ["other", "elsewhere"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_anothers_is_answered_as_what_is_not_there_and_stays_as_it_is(
    tenants: Tenants, operation: str, who: str
) -> None:
    client = getattr(tenants, who)
    none = {member: of_nothing(value) for member, value in tenants.names.items()}
    none["SourceDatasetArn"] = none["ResourceArn"]
    if operation in MAKES:
        none[MAKES[operation]] = unique("free")
    before = everything(tenants.api)
    request = request_of(operation, tenants.names)
    foreign, asked = answer(tenants.api, client, operation, request, tenants.names)
    assert before <= everything(tenants.api)
    token = {"ClientToken": f"another-{who}"} if "ClientToken" in request else {}
    missing, asked_of_none = answer(tenants.api, client, operation, {**request_of(operation, none), **token}, none)
    if operation.startswith("Import"):  # The new name, which differs, is the request's own.
        foreign, missing = (re.sub(r"(new|d)-<id>", "<new>", text) for text in (foreign, missing))
    assert foreign == missing
    assert asked == asked_of_none
    if operation in MAKES:
        assert '"message"' not in foreign.lower()
        for name in (tenants.names[MAKES[operation]], none[MAKES[operation]]):  # Free for the other operations again.
            delete = client.delete_dataset if operation == "CreateDataset" else client.delete_label_group
            delete(**{MAKES[operation]: name})
    elif operation.startswith("List") and operation not in OF_SOMETHING:
        assert re.search(r": \[\]", foreign), foreign
    elif operation.startswith("Import") and who == "other":
        assert "AccessDeniedException" in foreign
    else:
        assert "ResourceNotFoundException" in foreign


def test_a_token_of_another_tenant_is_free(tenants: Tenants) -> None:
    name, token = unique("d"), uuid.uuid4().hex
    made = [
        client.create_dataset(DatasetName=name, ClientToken=token)["DatasetArn"]
        for client in (tenants.other, tenants.elsewhere)
    ]
    assert len(set(made)) == 2


def test_a_page_token_of_another_tenant_is_refused(tenants: Tenants) -> None:
    for _ in range(2):
        tenants.elsewhere.create_dataset(DatasetName=unique("d"))
    token = tenants.elsewhere.list_datasets(MaxResults=1)["NextToken"]
    with pytest.raises(tenants.other.exceptions.ValidationException, match="NextToken"):
        tenants.other.list_datasets(MaxResults=1, NextToken=token)


def test_what_another_tenant_tried_is_recorded_under_its_own_account(tenants: Tenants) -> None:
    start = max(record.sequence for record in records(tenants.api.database))
    with pytest.raises(ClientError):
        tenants.other.delete_model(ModelName=tenants.names["ModelName"])
    (found,) = records(tenants.api.database, after=start)
    assert (found.account, found.outcome, found.operation) == (OTHER, "ResourceNotFoundException", "DeleteModel")
    assert found.operation in SUBJECTS
    assert tenants.names["ModelName"] not in json.dumps([found.before, found.after])
