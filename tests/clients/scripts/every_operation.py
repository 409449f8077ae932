"""Calls every operation of the client's own model with the least that it takes; prints what came as JSON.

Runs in an environment of its own, with whatever boto3 is there.
"""

import json
import sys
from datetime import UTC, datetime

import boto3
import botocore
from botocore.exceptions import ClientError

ARN = "arn:aws:lookoutequipment:us-east-1:123456789012:"
TEXTS = {
    "DatasetArn": ARN + "dataset/none/0a",
    "ModelVersionArn": ARN + "model/none/0a/model-version/1",
    "ResourceArn": ARN + "dataset/none/0a",
    "AmazonResourceArn": ARN + "dataset/none/0a",
    "IamRoleArn": "arn:aws:iam::123456789012:role/plant",
    "IngestionJobId": "0" * 32,
    "LabelId": "0" * 32,
    "RetrainingFrequency": "P1M",
    "LookbackWindow": "P180D",
    "Policy": "{}",
}


def least(shape):
    """The least valid value of a shape."""
    if shape.type_name == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [least(shape.member)]
    if shape.type_name == "timestamp":
        return datetime(2026, 1, 1, tzinfo=UTC)
    if shape.type_name in ("integer", "long"):
        return 1
    if shape.type_name == "boolean":
        return True
    if getattr(shape, "enum", None):
        return shape.enum[0]
    return TEXTS.get(shape.name, "none")


def main():
    client = boto3.client("lookoutequipment", region_name="us-east-1")
    came = {}
    for python_name, name in sorted(client.meta.method_to_api_mapping.items()):
        request = least(client.meta.service_model.operation_model(name).input_shape)
        request.pop("ClientToken", None)
        if "IntervalEndTime" in request:
            request["IntervalEndTime"] = datetime(2026, 1, 2, tzinfo=UTC)
        if name == "CreateLabel":
            request["EndTime"] = request["StartTime"]
        try:
            getattr(client, python_name)(**request)
            came[name] = "ok"
        except ClientError as error:
            came[name] = error.response["Error"]["Code"]
            if type(error) is not client.exceptions.from_code(came[name]):
                raise TypeError(name) from error
    modelled = {
        name: [error.name for error in client.meta.service_model.operation_model(name).error_shapes] for name in came
    }
    json.dump(
        {"boto3": boto3.__version__, "botocore": botocore.__version__, "came": came, "modelled": modelled}, sys.stdout
    )


main()
