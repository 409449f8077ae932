"""What an SDK hides: headers, bodies, wrong requests; over plain HTTP."""

import http.client
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from conformance.cells import WITH_TOKEN
from conformance.requests_of_model import least_request, model
from conformance.world import Target, unique

TARGET = "AWSLookoutEquipmentFrontendService."


@pytest.fixture
def http_target(target: Target) -> Target:
    if target.endpoint is None:
        pytest.skip("there is no HTTP inside a process")
    return target


def send(
    target: Target, operation: str | None, body: bytes | Mapping[str, Any], method: str = "POST", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are; give status, headers in lower case, and body."""
    assert target.endpoint is not None
    place = urlsplit(target.endpoint)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    more = {} if operation is None else {"X-Amz-Target": TARGET + operation}
    given = {"Content-Type": "application/x-amz-json-1.0", **more, **headers}
    connection.request(method, "/", content, given)
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, read


def refused(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    status, headers, body = answer
    said = json.loads(body)
    assert said["Message"]
    assert said["__type"] == headers["x-amzn-errortype"]
    return status, said["__type"]


def test_an_answer_has_the_headers_of_an_aws_service(http_target: Target) -> None:
    status, headers, body = send(http_target, "ListModels", {})
    assert status == 200
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers["x-amzn-requestid"])
    assert headers["content-type"] == "application/x-amz-json-1.0"
    assert headers["date"].endswith(" GMT")
    assert int(headers["content-length"]) == len(body)
    assert "ModelSummaries" in json.loads(body)


def test_an_operation_without_output_answers_an_empty_body(http_target: Target) -> None:
    name = unique("raw")
    send(http_target, "CreateDataset", {"DatasetName": name, "ClientToken": "t" + name})
    status, headers, body = send(http_target, "DeleteDataset", {"DatasetName": name})
    assert (status, headers["content-length"], body) == (200, "0", b"")


def test_unknown_members_are_ignored_and_null_is_absent(http_target: Target) -> None:
    status, _, _ = send(http_target, "ListModels", {"Tags": [1], "Status": None, "else": {"a": None}})
    assert status == 200


def test_times_are_numbers_of_seconds_both_ways(http_target: Target) -> None:
    name = unique("raw")
    send(http_target, "CreateLabelGroup", {"LabelGroupName": name, "ClientToken": name})
    times = {"StartTime": 1700000000.123, "EndTime": 1700000001}
    label = {"LabelGroupName": name, "Rating": "ANOMALY", "ClientToken": name, **times}
    made = json.loads(send(http_target, "CreateLabel", label)[2])
    look = {"LabelGroupName": name, "LabelId": made["LabelId"]}
    found = json.loads(send(http_target, "DescribeLabel", look)[2])
    assert (found["StartTime"], found["EndTime"]) == (1700000000.123, 1700000001)
    assert "Notes" not in found
    text = {**label, "StartTime": "2023-11-14T22:13:20Z"}
    assert refused(send(http_target, "CreateLabel", text)) == (400, "SerializationException")


@pytest.mark.parametrize("operation", WITH_TOKEN)
def test_a_client_token_is_required(http_target: Target, operation: str) -> None:
    shape = model().operation_model(operation).input_shape
    assert "ClientToken" in shape.required_members
    request = {name: value for name, value in least_request(operation).items() if name != "ClientToken"}
    body = json.dumps(request, default=lambda at: at.timestamp()).encode()
    answer = send(http_target, operation, body)
    assert refused(answer) == (400, "ValidationException")
    assert "at 'clientToken' failed to satisfy constraint: Member must not be null" in json.loads(answer[2])["Message"]


def test_all_violations_are_told_at_once(http_target: Target) -> None:
    answer = send(http_target, "CreateModel", {"ModelName": "a b", "DatasetName": "", "OffCondition": ""})
    message = json.loads(answer[2])["Message"]
    assert message.startswith("5 validation errors detected: ")  # The empty name breaks two, and the token is missing.
    for member in ("modelName", "datasetName", "offCondition", "clientToken"):
        assert f"at '{member}'" in message


WRONG: dict[str, tuple[str | None, bytes, dict[str, str], tuple[int, str]]] = {
    "no such operation": ("Nothing", b"{}", {}, (404, "UnknownOperationException")),
    "no target": (None, b"{}", {}, (404, "UnknownOperationException")),
    "no JSON": ("ListModels", b"{", {}, (400, "SerializationException")),
    "a list": ("ListModels", b"[]", {}, (400, "SerializationException")),
    "not UTF-8": ("ListModels", b'{"NextToken": "\xff"}', {}, (400, "SerializationException")),
    "a member twice": ("ListModels", b'{"MaxResults": 1, "MaxResults": 2}', {}, (400, "SerializationException")),
    "a text for a number": ("ListModels", b'{"MaxResults": "1"}', {}, (400, "SerializationException")),
    "another site": ("ListModels", b"{}", {"Origin": "http://example.com"}, (403, "ForbiddenException")),
    "too large": ("ListModels", b" " * (9 * 2**20), {}, (413, "RequestEntityTooLargeException")),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_with_its_own_error(http_target: Target, name: str) -> None:
    operation, body, headers, expected = WRONG[name]
    assert refused(send(http_target, operation, body, **headers)) == expected


def test_other_methods_are_told_where_the_api_is(http_target: Target) -> None:
    status, _, body = send(http_target, "ListModels", b"", method="GET")
    assert status == 405
    assert "POST /" in json.loads(body)["message"]


def test_an_unreadable_request_leaves_the_service_as_it_was(http_target: Target) -> None:
    name = unique("raw")
    body = {"LabelGroupName": name, "FaultCodes": ["a", "a"], "ClientToken": name}
    assert refused(send(http_target, "CreateLabelGroup", body)) == (400, "ValidationException")
    found = json.loads(send(http_target, "ListLabelGroups", {"LabelGroupNameBeginsWith": name})[2])
    assert found == {"LabelGroupSummaries": []}
