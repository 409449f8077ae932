"""Imports and the policies that allow them: two accounts of one installation."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from openlookout.operations.policy_document import IMPORT_DATASET, IMPORT_MODEL_VERSION, IS_IMPORTING_DATA
from openlookout.store.client_tokens import note_ended
from openlookout.store.keys import create_key
from openlookout.store.lifecycles import DATASET, INGESTION_JOB, MODEL, MODEL_VERSION, move
from openlookout.store.tables import dataset, ingestion_job, model, model_version
from operations.rows import NOW, ROLE, SCHEMA, add_dataset, add_model, scheduler_request, unique
from served import Api, api_alone

OWNER, BUYER = "111111111111", "222222222222"


@dataclass(frozen=True)
class Tenants:
    """One service with two accounts: `owner` has what `buyer` wants."""

    api: Api
    owner: Any
    buyer: Any

    def dataset(self, **more: Any) -> tuple[str, str]:
        """A dataset of the owner: name and ARN."""
        name = add_dataset(self.api, account=OWNER, **more)
        return name, self.owner.describe_dataset(DatasetName=name)["DatasetArn"]

    def version(self, *statuses: str) -> tuple[str, str]:
        """A model of the owner: its name, and the ARN of its last version."""
        name = add_model(self.api, self.dataset()[0], statuses or ("SUCCESS",))
        number = len(statuses) or 1
        return name, self.owner.describe_model_version(ModelName=name, ModelVersion=number)["ModelVersionArn"]


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    with api_alone(f"sqlite:///{tmp_path_factory.mktemp('tenants') / 'openlookout.db'}") as api:
        clients = []
        for account in (OWNER, BUYER):
            made = create_key(api.database, account, None, NOW)
            clients.append(api.connect(key=made.id, secret=made.secret))
        yield Tenants(api, *clients)


def allow(client: Any, arn: str, action: str, effect: str = "Allow", **more: Any) -> None:
    statement = {"Effect": effect, "Principal": {"AWS": f"arn:aws:iam::{BUYER}:role/A"}, "Action": action, **more}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    client.put_resource_policy(ResourceArn=arn, ResourcePolicy=policy)


def importing(value: bool) -> dict[str, Any]:
    return {"Condition": {"Bool": {IS_IMPORTING_DATA: str(value).lower()}}}


def end_dataset_import(api: Api, job_id: str, status: str) -> None:
    """End a dataset's import, as its job would."""
    with api.database.writing() as connection:
        job = connection.execute(select(ingestion_job).where(ingestion_job.c.id == job_id)).one()
        move(connection, INGESTION_JOB, ingestion_job.c.id == job_id, status)
        after = "ACTIVE" if status == "SUCCESS" else job.dataset_status_before
        move(connection, DATASET, dataset.c.id == job.dataset_id, after, ingestion_job_id=job_id, data_schema=SCHEMA)
        note_ended(connection, job_id, NOW)


def end_version_import(api: Api, name: str, status: str) -> None:
    with api.database.writing() as connection:
        of = select(model.c.id).where(model.c.name == name).scalar_subquery()
        move(connection, MODEL_VERSION, model_version.c.model_id == of, status)
        move(connection, MODEL, model.c.name == name, status)


def test_without_a_policy_nobody_of_another_account_may(tenants: Tenants) -> None:
    _, arn = tenants.dataset()
    denied = tenants.buyer.exceptions.AccessDeniedException
    text = f"User: arn:aws:iam::{BUYER}:root is not authorized to perform: {IMPORT_DATASET} on resource: {arn}"
    with pytest.raises(denied, match=text):
        tenants.buyer.import_dataset(SourceDatasetArn=arn)
    # What is not there looks the same: nobody learns what others have.
    with pytest.raises(denied, match="not authorized"):
        tenants.buyer.import_dataset(SourceDatasetArn=f"{arn}x")
    assert tenants.buyer.list_datasets()["DatasetSummaries"] == []
    own = arn.replace(OWNER, BUYER)
    with pytest.raises(tenants.buyer.exceptions.ResourceNotFoundException, match="does not exist"):
        tenants.buyer.import_dataset(SourceDatasetArn=own)


def test_a_dataset_is_imported_and_its_loop_ends(tenants: Tenants) -> None:
    """AWS's script repeats the call with one token until the answer says SUCCESS."""
    name, arn = tenants.dataset()
    allow(tenants.owner, arn, IMPORT_DATASET)
    request = {"SourceDatasetArn": arn, "ClientToken": "bulk-import", "Tags": [{"Key": "a", "Value": "b"}]}
    first = tenants.buyer.import_dataset(**request)
    assert (first["DatasetName"], first["Status"]) == (name, "IMPORT_IN_PROGRESS")
    assert f":{BUYER}:dataset/{name}/" in first["DatasetArn"]
    assert tenants.buyer.describe_dataset(DatasetName=name)["Status"] == "IMPORT_IN_PROGRESS"
    job = tenants.buyer.describe_data_ingestion_job(JobId=first["JobId"])
    assert (job["Status"], job["SourceDatasetArn"]) == ("IMPORT_IN_PROGRESS", arn)
    assert not {"RoleArn", "IngestionInputConfiguration"} & set(job)
    for refused in (
        lambda: tenants.buyer.delete_dataset(DatasetName=name),
        lambda: tenants.buyer.import_dataset(SourceDatasetArn=arn),
        lambda: tenants.buyer.start_data_ingestion_job(
            DatasetName=name, RoleArn=ROLE, IngestionInputConfiguration={"S3InputConfiguration": {"Bucket": "bucket"}}
        ),
    ):
        with pytest.raises(tenants.buyer.exceptions.ConflictException, match="is IMPORT_IN_PROGRESS"):
            refused()
    end_dataset_import(tenants.api, first["JobId"], "SUCCESS")
    again = tenants.buyer.import_dataset(**request)
    assert again["Status"] == "SUCCESS"
    assert again["JobId"] == first["JobId"]
    assert tenants.buyer.describe_dataset(DatasetName=name)["Status"] == "ACTIVE"
    assert tenants.buyer.list_tags_for_resource(ResourceArn=first["DatasetArn"])["Tags"] == request["Tags"]


def test_a_failed_import_says_so_and_leaves_the_dataset_as_it_was(tenants: Tenants) -> None:
    _, arn = tenants.dataset()
    target = add_dataset(tenants.api, account=OWNER)
    request = {"SourceDatasetArn": arn, "DatasetName": target, "ClientToken": "failing"}
    job = tenants.owner.import_dataset(**request)["JobId"]
    end_dataset_import(tenants.api, job, "FAILED")
    assert tenants.owner.import_dataset(**request)["Status"] == "FAILED"
    assert tenants.owner.describe_dataset(DatasetName=target)["Status"] == "ACTIVE"


def test_what_cannot_be_imported_is_refused(tenants: Tenants) -> None:
    name, arn = tenants.dataset()
    with pytest.raises(
        tenants.owner.exceptions.ValidationException, match="must not name the dataset that is imported"
    ):
        tenants.owner.import_dataset(SourceDatasetArn=arn)
    _, empty = tenants.dataset(status="CREATED", ingestion_job_id=None)
    with pytest.raises(tenants.owner.exceptions.ConflictException, match="is CREATED and has no data"):
        tenants.owner.import_dataset(SourceDatasetArn=empty, DatasetName=unique("d"))
    version_name, version = tenants.version("SUCCESS", "FAILED")
    with pytest.raises(tenants.owner.exceptions.ConflictException, match="is FAILED; only SUCCESS is imported"):
        tenants.owner.import_model_version(SourceModelVersionArn=version, DatasetName=name, ModelName=unique("m"))
    first = version.replace("/model-version/2", "/model-version/1")
    request = {"SourceModelVersionArn": first, "ModelName": unique("m")}
    with pytest.raises(tenants.owner.exceptions.ResourceNotFoundException, match="dataset 'nowhere'"):
        tenants.owner.import_model_version(**request, DatasetName="nowhere")
    with pytest.raises(tenants.owner.exceptions.ConflictException, match="belongs to another dataset"):
        tenants.owner.import_model_version(SourceModelVersionArn=first, ModelName=version_name, DatasetName=name)
    labels = {"S3InputConfiguration": {"Bucket": "bucket"}}
    with pytest.raises(tenants.owner.exceptions.ValidationException, match="needs a RoleArn"):
        tenants.owner.import_model_version(**request, DatasetName=name, LabelsInputConfiguration=labels)
    other_schema = SCHEMA.replace("flow", "speed")
    other, _ = tenants.dataset(data_schema=other_schema)
    with pytest.raises(tenants.owner.exceptions.ValidationException, match=f"'{other}' does not fit .*flow"):
        tenants.owner.import_model_version(**request, DatasetName=other)
    with pytest.raises(tenants.owner.exceptions.ResourceNotFoundException, match="does not exist"):
        tenants.owner.import_model_version(**{**request, "SourceModelVersionArn": f"{first}9"}, DatasetName=name)
    assert tenants.owner.list_models(ModelNameBeginsWith=request["ModelName"])["ModelSummaries"] == []


def test_a_version_becomes_version_one_of_a_new_model_and_the_next_of_an_old_one(tenants: Tenants) -> None:
    source_name, arn = tenants.version()
    target = add_dataset(tenants.api, account=OWNER)
    name = unique("m")
    request = {"SourceModelVersionArn": arn, "ModelName": name, "DatasetName": target, "ClientToken": unique("t")}
    first = tenants.owner.import_model_version(**request)
    assert (first["ModelVersion"], first["Status"]) == (1, "IMPORT_IN_PROGRESS")
    assert first["ModelVersionArn"] == f"{first['ModelArn']}/model-version/1"
    assert tenants.owner.describe_model(ModelName=name)["Status"] == "IMPORT_IN_PROGRESS"
    with pytest.raises(tenants.owner.exceptions.ConflictException, match="is IMPORT_IN_PROGRESS; import when"):
        tenants.owner.import_model_version(**{**request, "ClientToken": unique("t")})
    with pytest.raises(tenants.owner.exceptions.ConflictException, match="is IMPORT_IN_PROGRESS; delete it when"):
        tenants.owner.delete_model(ModelName=name)
    end_version_import(tenants.api, name, "SUCCESS")
    assert tenants.owner.import_model_version(**request)["Status"] == "SUCCESS"
    described = tenants.owner.describe_model_version(ModelName=name, ModelVersion=1)
    assert (described["SourceType"], described["SourceModelVersionArn"]) == ("IMPORT", arn)
    assert described["DatasetName"] == target
    assert described["ImportJobStartTime"]
    again = tenants.owner.import_model_version(**{**request, "ClientToken": unique("t")})
    assert again["ModelVersion"] == 2
    summaries = tenants.owner.list_model_versions(ModelName=name, SourceType="IMPORT")["ModelVersionSummaries"]
    assert [row["ModelVersion"] for row in summaries] == [1, 2]
    assert summaries[0]["CreatedAt"] < summaries[1]["CreatedAt"]
    assert tenants.owner.describe_model(ModelName=source_name)["Status"] == "SUCCESS"


GRID = {
    # (policy of the model, policy of the version): may another account import?
    (None, None): False,
    ("Allow", None): True,
    (None, "Allow"): True,
    ("Allow", "Allow"): True,
    ("Deny", None): False,
    (None, "Deny"): False,
    ("Allow", "Deny"): False,
    ("Deny", "Allow"): False,
    ("Deny", "Deny"): False,
}


@pytest.mark.parametrize(("of_model", "of_version"), GRID)
def test_of_two_policies_the_more_restrictive_counts(
    tenants: Tenants, of_model: str | None, of_version: str | None
) -> None:
    _, arn = tenants.version()
    if of_model:
        allow(tenants.owner, arn.partition("/model-version")[0], IMPORT_MODEL_VERSION, of_model)
    if of_version:
        allow(tenants.owner, arn, IMPORT_MODEL_VERSION, of_version)
    request = {"SourceModelVersionArn": arn, "DatasetName": add_dataset(tenants.api, account=BUYER)}
    if GRID[of_model, of_version]:
        assert tenants.buyer.import_model_version(**request)["Status"] == "IMPORT_IN_PROGRESS"
    else:
        with pytest.raises(tenants.buyer.exceptions.AccessDeniedException, match=f"perform: {IMPORT_MODEL_VERSION}"):
            tenants.buyer.import_model_version(**request)


@pytest.mark.parametrize("silent", ["model", "version"])
def test_a_policy_that_does_not_speak_of_the_account_restricts_too(tenants: Tenants, silent: str) -> None:
    """One policy allows, the other is about somebody else: the more restrictive one counts."""
    _, arn = tenants.version()
    arns = {"model": arn.partition("/model-version")[0], "version": arn}
    for kind, each in arns.items():
        about = {"Principal": {"AWS": "333333333333"}} if kind == silent else {}
        allow(tenants.owner, each, IMPORT_MODEL_VERSION, **about)
    with pytest.raises(tenants.buyer.exceptions.AccessDeniedException):
        tenants.buyer.import_model_version(
            SourceModelVersionArn=arn, DatasetName=add_dataset(tenants.api, account=BUYER)
        )


@pytest.mark.parametrize("wanted", [None, True, False])
@pytest.mark.parametrize("strategy", [None, "NO_IMPORT", "ADD_WHEN_EMPTY", "OVERWRITE"])
def test_a_policy_may_ask_whether_data_comes_along(tenants: Tenants, wanted: bool | None, strategy: str | None) -> None:
    _, arn = tenants.version()
    allow(tenants.owner, arn, IMPORT_MODEL_VERSION, **({} if wanted is None else importing(wanted)))
    request: dict[str, Any] = {"SourceModelVersionArn": arn, "DatasetName": add_dataset(tenants.api, account=BUYER)}
    if strategy:
        request["InferenceDataImportStrategy"] = strategy
    is_importing = strategy in {"ADD_WHEN_EMPTY", "OVERWRITE"}
    if wanted in (None, is_importing):
        assert tenants.buyer.import_model_version(**request)["ModelVersion"] == 1
    else:
        with pytest.raises(tenants.buyer.exceptions.AccessDeniedException):
            tenants.buyer.import_model_version(**request)


def test_an_account_may_deny_itself_and_needs_no_leave(tenants: Tenants) -> None:
    _, arn = tenants.dataset()
    assert tenants.owner.import_dataset(SourceDatasetArn=arn, DatasetName=unique("d"))["JobId"]
    allow(tenants.owner, arn, IMPORT_DATASET, "Deny", Principal={"AWS": OWNER})
    with pytest.raises(tenants.owner.exceptions.AccessDeniedException):
        tenants.owner.import_dataset(SourceDatasetArn=arn, DatasetName=unique("d"))


def test_a_policy_is_managed_by_its_owner_under_a_revision(tenants: Tenants) -> None:
    name, arn = tenants.dataset()
    client = tenants.owner
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="has no policy"):
        client.describe_resource_policy(ResourceArn=arn)
    text = json.dumps({"Statement": {"Effect": "Allow", "Principal": "*", "Action": IMPORT_DATASET, "Resource": arn}})
    with pytest.raises(client.exceptions.ConflictException, match="the resource has no policy"):
        client.put_resource_policy(ResourceArn=arn, ResourcePolicy=text, PolicyRevisionId="ab")
    first = client.put_resource_policy(ResourceArn=arn, ResourcePolicy=text)
    assert first["ResourceArn"] == arn
    found = client.describe_resource_policy(ResourceArn=arn)
    assert (found["ResourcePolicy"], found["PolicyRevisionId"]) == (text, first["PolicyRevisionId"])
    second = client.put_resource_policy(
        ResourceArn=arn, ResourcePolicy=text, PolicyRevisionId=first["PolicyRevisionId"].upper()
    )
    assert second["PolicyRevisionId"] != first["PolicyRevisionId"]
    with pytest.raises(client.exceptions.ConflictException, match=f"the revision {second['PolicyRevisionId']}"):
        client.put_resource_policy(ResourceArn=arn, ResourcePolicy=text, PolicyRevisionId=first["PolicyRevisionId"])
    with pytest.raises(client.exceptions.ValidationException, match="ResourcePolicy: the policy is not JSON"):
        client.put_resource_policy(ResourceArn=arn, ResourcePolicy="{")
    assert client.describe_resource_policy(ResourceArn=arn)["PolicyRevisionId"] == second["PolicyRevisionId"]
    for call in ("describe_resource_policy", "delete_resource_policy"):
        with pytest.raises(tenants.buyer.exceptions.ResourceNotFoundException, match="does not exist"):
            getattr(tenants.buyer, call)(ResourceArn=arn)
    with pytest.raises(tenants.buyer.exceptions.ResourceNotFoundException, match="does not exist"):
        tenants.buyer.put_resource_policy(ResourceArn=arn, ResourcePolicy=text)
    client.delete_resource_policy(ResourceArn=arn)
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="has no policy"):
        client.delete_resource_policy(ResourceArn=arn)
    client.put_resource_policy(ResourceArn=arn, ResourcePolicy=text)
    client.delete_dataset(DatasetName=name)
    group = client.create_label_group(LabelGroupName=unique("g"))["LabelGroupArn"]
    with pytest.raises(client.exceptions.ValidationException, match="A label-group has no resource policy"):
        client.put_resource_policy(ResourceArn=group, ResourcePolicy=text)


LISTS = {
    "list_datasets": "DatasetSummaries",
    "list_data_ingestion_jobs": "DataIngestionJobSummaries",
    "list_models": "ModelSummaries",
    "list_inference_schedulers": "InferenceSchedulerSummaries",
    "list_label_groups": "LabelGroupSummaries",
    "list_retraining_schedulers": "RetrainingSchedulerSummaries",
}


@pytest.mark.parametrize("call", LISTS)
def test_another_account_or_region_sees_nothing(tenants: Tenants, call: str) -> None:
    name, _ = tenants.version()
    tenants.owner.create_label_group(LabelGroupName=unique("g"))
    tenants.owner.create_retraining_scheduler(ModelName=name, RetrainingFrequency="P1M", LookbackWindow="P180D")
    tenants.owner.create_inference_scheduler(**scheduler_request(name, unique("s")))
    assert getattr(tenants.owner, call)()[LISTS[call]]
    owners = {json.dumps(row, default=str) for row in getattr(tenants.owner, call)(MaxResults=500)[LISTS[call]]}
    buyers = {json.dumps(row, default=str) for row in getattr(tenants.buyer, call)(MaxResults=500)[LISTS[call]]}
    assert not owners & buyers
    assert all(OWNER not in row.replace(f"arn:aws:iam::{OWNER}", "") for row in buyers)
