"""Quotas: AWS's table, each quota of a request met exactly and passed by one."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openlookout.limits import AWS
from openlookout.store.tables import label
from operations.rows import NOW, ROLE, add_dataset, add_model, unique
from served import ACCOUNT, Api, api_alone


@pytest.fixture
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A service of its own, because quotas count everything."""
    with api_alone(f"sqlite:///{tmp_path_factory.mktemp('quotas') / 'openlookout.db'}", AWS) as served:
        yield served


def refused(api: Api, call: Callable[[], Any], what: str, n: int, quota: int) -> None:
    with pytest.raises(
        api.client.exceptions.ServiceQuotaExceededException, match=f"{n} {what}.*; {quota} is the quota"
    ):
        call()


def test_datasets_and_ingestions_under_way(api: Api) -> None:
    for _ in range(15):
        api.client.create_dataset(DatasetName=unique("d"))
    refused(api, lambda: api.client.create_dataset(DatasetName=unique("d")), "datasets", 16, 15)
    names = [row["DatasetName"] for row in api.client.list_datasets()["DatasetSummaries"]]
    assert len(names) == 15
    place = {"S3InputConfiguration": {"Bucket": "bucket"}}

    def start(name: str) -> None:
        api.client.start_data_ingestion_job(DatasetName=name, IngestionInputConfiguration=place, RoleArn=ROLE)

    for name in names[:5]:
        start(name)
    refused(api, lambda: start(names[5]), "ingestions and imports under way", 6, 5)
    assert api.client.describe_dataset(DatasetName=names[5])["Status"] == "CREATED"
    elsewhere = api.connect(region="eu-west-1")
    elsewhere.create_dataset(DatasetName=names[0])


def test_models_and_trainings_under_way(api: Api) -> None:
    source = add_dataset(api)

    def create() -> None:
        api.client.create_model(ModelName=unique("m"), DatasetName=source)

    for _ in range(5):
        create()
    refused(api, create, "models in training or import", 6, 5)
    for _ in range(10):
        add_model(api, source)
    refused(api, create, "models", 16, 15)
    assert len(api.client.list_models()["ModelSummaries"]) == 15


def test_an_import_counts_like_a_creation(api: Api) -> None:
    source = add_dataset(api)
    arn = api.client.describe_dataset(DatasetName=source)["DatasetArn"]
    version = api.client.describe_model_version(ModelName=add_model(api, source), ModelVersion=1)["ModelVersionArn"]
    for _ in range(14):
        add_dataset(api)
        add_model(api, source)

    def dataset() -> None:
        api.client.import_dataset(SourceDatasetArn=arn, DatasetName=unique("d"))

    def model() -> None:
        api.client.import_model_version(SourceModelVersionArn=version, DatasetName=source, ModelName=unique("m"))

    refused(api, dataset, "datasets", 16, 15)
    refused(api, model, "models", 16, 15)


def test_label_groups_and_labels(api: Api) -> None:
    names = [unique("g") for _ in range(15)]
    for name in names:
        api.client.create_label_group(LabelGroupName=name)
    refused(api, lambda: api.client.create_label_group(LabelGroupName=unique("g")), "label groups", 16, 15)
    with api.database.writing() as connection:
        from_name = api.client.describe_label_group(LabelGroupName=names[0])["LabelGroupArn"].split("/")[-1]
        rows = [
            {"id": f"{i:032}", "group_id": from_name, "started_at": NOW, "ended_at": NOW, "rating": "ANOMALY"}
            for i in range(3_000)
        ]
        connection.execute(label.insert(), [{**row, "created_at": NOW} for row in rows])
    refused(
        api,
        lambda: api.client.create_label(LabelGroupName=names[0], StartTime=NOW, EndTime=NOW, Rating="ANOMALY"),
        "labels in the label group",
        3_001,
        3_000,
    )


def schema(n_components: int, n_sensors: int) -> str:
    return json.dumps(
        {
            "Components": [
                {
                    "ComponentName": f"c{i}",
                    "Columns": [
                        {"Name": "t", "Type": "DATETIME"},
                        *({"Name": f"s{j}", "Type": "DOUBLE"} for j in range(n_sensors)),
                    ],
                }
                for i in range(n_components)
            ]
        }
    )


def test_columns_of_a_dataset_and_sensors_of_a_training(api: Api) -> None:
    def create(text: str) -> None:
        api.client.create_dataset(DatasetName=unique("d"), DatasetSchema={"InlineDataSchema": text})

    create(schema(1, 2_999))
    refused(api, lambda: create(schema(1, 3_000)), "columns in the schema", 3_001, 3_000)

    def train(text: str) -> None:
        api.client.create_model(ModelName=unique("m"), DatasetName=add_dataset(api, data_schema=text))

    train(schema(300, 1))
    refused(api, lambda: train(schema(301, 1)), "components in the training", 301, 300)
    refused(api, lambda: train(schema(1, 301)), "sensors in the training", 301, 300)


def test_tags(api: Api) -> None:
    tags = [{"Key": f"k{i}", "Value": "v"} for i in range(51)]
    refused(api, lambda: api.client.create_dataset(DatasetName=unique("d"), Tags=tags), "tags on the resource", 51, 50)
    arn = api.client.create_dataset(DatasetName=unique("d"), Tags=tags[:50])["DatasetArn"]
    refused(api, lambda: api.client.tag_resource(ResourceArn=arn, Tags=tags[50:]), "tags on the resource", 51, 50)
    assert f":{ACCOUNT}:" in arn
