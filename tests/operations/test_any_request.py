"""Any valid request of any operation, on names that are there and names that are not: never an error of ours."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openlookout.api.definition import definition
from operations.rows import add_dataset, add_model, scheduler_request, unique
from served import Api
from wire.requests_of import OPERATIONS, input_shape, valid


@pytest.fixture(scope="module")
def there(api: Api) -> dict[str, list[Any]]:
    """Values of members that name what is there."""
    data, group, scheduler = add_dataset(api), unique("g"), unique("s")
    name, other = add_model(api, data), add_model(api, data, ("SUCCESS", "FAILED"))
    api.client.create_label_group(LabelGroupName=group, FaultCodes=["a"])
    api.client.create_inference_scheduler(**scheduler_request(other, scheduler))
    api.client.create_retraining_scheduler(ModelName=other, RetrainingFrequency="P1M", LookbackWindow="P180D")
    arn = api.client.describe_dataset(DatasetName=data)["DatasetArn"]
    version = api.client.describe_model_version(ModelName=name, ModelVersion=1)["ModelVersionArn"]
    return {
        "DatasetName": [data],
        "ModelName": [name, other],
        "LabelGroupName": [group],
        "InferenceSchedulerName": [scheduler],
        "SourceDatasetArn": [arn],
        "SourceModelVersionArn": [version],
        "ResourceArn": [arn, version],
        "ModelVersion": [1, 2],
        "FaultCode": ["a"],
    }


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_valid_request_is_an_internal_error(
    api: Api, there: dict[str, list[Any]], operation: str, data: st.DataObject
) -> None:
    request = data.draw(valid(input_shape(operation)))
    known = [member for member in definition()["shapes"][input_shape(operation)]["members"] if member in there]
    for member in data.draw(st.sets(st.sampled_from(known))) if known else ():
        request[member] = data.draw(st.sampled_from(there[member]))
    names = api.client.meta.method_to_api_mapping
    call = getattr(api.client, next(name for name in names if names[name] == operation))
    code = "ok"
    try:
        call(**request)
    except ClientError as error:
        code = error.response["Error"]["Code"]
    modelled = {each.name for each in api.client.meta.service_model.operation_model(operation).error_shapes}
    assert code in {"ok", *modelled} - {"InternalServerException"}
