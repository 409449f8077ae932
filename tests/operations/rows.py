"""Rows that tests put where jobs would have put them: datasets with data, models with versions."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from openlookout.store.tables import dataset, ingestion_job, model, model_version
from served import ACCOUNT, REGION, Api

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/plant"
SCHEMA = json.dumps(
    {
        "Components": [
            {
                "ComponentName": "pump",
                "Columns": [{"Name": "t", "Type": "DATETIME"}, {"Name": "flow", "Type": "DOUBLE"}],
            }
        ]
    }
)


def unique(letter: str) -> str:
    return f"{letter}-{uuid.uuid4().hex}"


def add_dataset(api: Api, status: str = "ACTIVE", account: str = ACCOUNT, **more: Any) -> str:
    """A dataset with data; give its name."""
    name, identity, job = unique("d"), str(uuid.uuid4()), uuid.uuid4().hex
    row = {
        "id": identity,
        "account": account,
        "region": REGION,
        "name": name,
        "status": status,
        "data_schema": SCHEMA,
        "schema_given": True,
        "created_at": NOW,
        "updated_at": NOW,
        "ingestion_job_id": job,
        **more,
    }
    ingestion = {
        "id": job,
        "dataset_id": identity,
        "created_at": NOW,
        "status": "SUCCESS",
        "attempt": 1,
        "dataset_status_before": "CREATED",
    }
    with api.database.writing() as connection:
        connection.execute(dataset.insert(), row)
        connection.execute(ingestion_job.insert(), ingestion)
    return name


def add_model(api: Api, source: str, statuses: tuple[str, ...] = ("SUCCESS",), **more: Any) -> str:
    """A model of a dataset with versions of these statuses, the first active if it is SUCCESS; give its name."""
    name, identity = unique("m"), str(uuid.uuid4())
    with api.database.writing() as connection:
        of = connection.execute(dataset.select().where(dataset.c.name == source)).one()
        row = {
            "id": identity,
            "account": of.account,
            "region": of.region,
            "name": name,
            "dataset_id": of.id,
            "created_at": NOW,
            "updated_at": NOW,
            "status": statuses[-1],
            "active_version": 1 if statuses[0] == "SUCCESS" else None,
            **more,
        }
        connection.execute(model.insert(), row)
        for number, status in enumerate(statuses, 1):
            version = {
                "model_id": identity,
                "version": number,
                "created_at": NOW + timedelta(days=number),
                "updated_at": NOW,
                "status": status,
                "source_type": "TRAINING",
                "attempt": 1,
                "configuration": {},
                "data_schema": SCHEMA,
                "sampling_rate_us": 600_000_000,
                "object_prefix": f"models/{identity}/{number}/1/",
            }
            connection.execute(model_version.insert(), version)
    return name


def scheduler_request(source: str, name: str, **more: Any) -> dict[str, Any]:
    """What CreateInferenceScheduler takes for a model."""
    return {
        "ModelName": source,
        "InferenceSchedulerName": name,
        "DataUploadFrequency": "PT10M",
        "DataInputConfiguration": {"S3InputConfiguration": {"Bucket": "bucket"}},
        "DataOutputConfiguration": {"S3OutputConfiguration": {"Bucket": "bucket"}},
        "RoleArn": ROLE,
        **more,
    }
