"""What an SDK hides: headers, bodies as bytes, what is refused before an operation is looked at."""

import json
import re
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from conformance.definition import WITHOUT_OUTPUT
from conformance.endpoint import CONTENT_TYPE, TARGET_PREFIX, Answer, Endpoint
from conformance.plant import Plant

from .conftest import Judge

pytestmark = pytest.mark.parametrize("endpoint", ["http"], indirect=True)


def target(operation: str) -> dict[str, str]:
    return {"x-amz-target": TARGET_PREFIX + operation, "content-type": CONTENT_TYPE}


def nulls(value: Any) -> list[Any]:
    """Every null in a JSON value."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in nulls(item)]
    if isinstance(value, list):
        return [found for item in value for found in nulls(item)]
    return [value] if value is None else []


def request_id_form(answer: Answer) -> str:
    found = re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers.get("x-amzn-requestid", ""))
    return "a UUID" if found else answer.headers.get("x-amzn-requestid", "absent")


@pytest.mark.parametrize("operation", ["ListDatasets", "DescribeModel"])
def test_answers_and_errors_carry_request_id_date_length_and_content_type(
    endpoint: Endpoint, judge: Judge, operation: str
) -> None:
    request = {} if operation == "ListDatasets" else {"ModelName": "nobody"}
    answers = [endpoint.send(operation, request) for _ in range(2)]
    for answer in answers:
        judge.compare(f"raw:{operation}:request id", "notebook", request_id_form(answer), "a UUID")
        assert parsedate_to_datetime(answer.headers["date"]).tzinfo is not None
        judge.compare(f"raw:{operation}:type", "notebook", answer.headers["content-type"], CONTENT_TYPE)
        judge.compare(f"raw:{operation}:length", "model", answer.headers["content-length"], str(len(answer.body)))
    assert answers[0].headers["x-amzn-requestid"] != answers[1].headers["x-amzn-requestid"]


def test_an_error_has_its_type_and_message(endpoint: Endpoint, judge: Judge) -> None:
    answer = endpoint.send("DescribeModel", {"ModelName": "nobody"})
    body = json.loads(answer.body)
    judge.compare("raw:error:status", "document", answer.status, 400)
    judge.compare("raw:error:__type", "model", body["__type"], "ResourceNotFoundException")
    judge.compare("raw:error:Message", "model", type(body["Message"]), str)
    assert "nobody" in body["Message"]


@pytest.mark.parametrize("operation", WITHOUT_OUTPUT)
def test_an_error_of_an_operation_without_output_has_a_body(endpoint: Endpoint, judge: Judge, operation: str) -> None:
    answer = endpoint.send(operation, {})
    judge.compare(f"raw:{operation}:error", "model", (answer.status, answer.error), (400, "ValidationException"))


@pytest.mark.parametrize(
    "said",
    ["", "Nothing", "listdatasets", "ListDatasets#", "../ListDatasets", "AWSLookout.ListModels"],
)
def test_a_target_that_names_no_operation_is_unknown(endpoint: Endpoint, judge: Judge, said: str) -> None:
    answer = endpoint.raw(b"{}", {**target(""), "x-amz-target": TARGET_PREFIX + said})
    found = (answer.status, answer.error)
    judge.compare(f"raw:target:{said}", "document", found, (404, "UnknownOperationException"))


def test_without_a_target_nothing_is_done(endpoint: Endpoint, judge: Judge) -> None:
    answer = endpoint.raw(b"{}", {"content-type": CONTENT_TYPE})
    judge.compare("raw:no target", "document", (answer.status, answer.error), (404, "UnknownOperationException"))


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [
        (CONTENT_TYPE, True),
        ("application/x-amz-json-1.1", True),
        ("application/json; charset=utf-8", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data", False),
        ("application/xml", False),
    ],
)
def test_only_json_is_read(endpoint: Endpoint, judge: Judge, content_type: str, is_read: bool) -> None:
    answer = endpoint.raw(b"{}", {**target("ListDatasets"), "content-type": content_type})
    expected = (200, "") if is_read else (400, "SerializationException")
    judge.compare(f"raw:content type:{content_type}", "decision", (answer.status, answer.error), expected)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff",
        b"{}{}",
        b'{"MaxResults": "5"}',
        b'{"MaxResults": 5.5}',
        b'{"MaxResults": true}',
        b'{"MaxResults": NaN}',
        b'{"DatasetNameBeginsWith": 5}',
        b'{"DatasetNameBeginsWith": ["a"]}',
        b'{"DatasetNameBeginsWith": {"a": 1}}',
        b'{"MaxResults": 1, "MaxResults": 1}',
        b"[" * 100_000,
    ],
    ids=range(15),
)
def test_a_body_that_is_no_request_is_refused(endpoint: Endpoint, judge: Judge, body: bytes) -> None:
    answer = endpoint.raw(body, target("ListDatasets"))
    found = (answer.status, answer.error)
    judge.compare(f"raw:body:{body[:40]!r}", "decision", found, (400, "SerializationException"))


@pytest.mark.parametrize("body", [b"", b"{}", b' {"NextToken": null}\n'])
def test_nothing_and_null_are_absent(endpoint: Endpoint, judge: Judge, body: bytes) -> None:
    answer = endpoint.raw(body, target("ListDatasets"))
    judge.compare(f"raw:body:{body!r}", "decision", (answer.status, answer.error), (200, ""))


def test_unknown_members_are_ignored_at_every_depth(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str
) -> None:
    """AWS's own demo application sends Tags to CreateLabel, which knows none."""
    unknown = {"Unknown": {"Deep": [None, 1.5]}, "Tags": [{"Key": "aws:no", "Value": 5}]}
    label = {"LabelGroupName": plant.mark + "-more-2", "StartTime": 0, "EndTime": 1, "Rating": "NEUTRAL"}
    answer = endpoint.send("CreateLabel", {**label, "ClientToken": unique, **unknown})
    judge.compare("raw:unknown members", "notebook", answer.error, "")
    schema = {"InlineDataSchema": "{", **unknown}
    request = {
        "DatasetName": "d",
        "ClientToken": unique,
        "DatasetSchema": schema,
        "Tags": [{"Key": "k", "Value": "v", **unknown}],
    }
    answer = endpoint.send("CreateDataset", request)
    judge.compare("raw:unknown members inside", "notebook", answer.error, "ValidationException")
    assert "nknown" not in answer.message


def test_times_are_numbers_of_seconds_to_the_millisecond(endpoint: Endpoint, plant: Plant, judge: Judge) -> None:
    times = [
        (operation, member, number)
        for operation, request in (
            ("DescribeDataset", {"DatasetName": plant.dataset}),
            ("DescribeDataIngestionJob", {"JobId": plant.job}),
            ("DescribeModel", {"ModelName": plant.model}),
            ("DescribeLabel", {"LabelGroupName": plant.group, "LabelId": plant.labels[0]}),
        )
        for member, number in re.findall(
            rb'"(CreatedAt|LastUpdatedAt|DataStartTime|DataEndTime|StartTime|EndTime|TrainingDataStartTime)": ?([^,}]+)',
            endpoint.send(operation, request).body,
        )
    ]
    assert len(times) >= 9
    for operation, member, number in times:
        found = bool(re.fullmatch(rb"\d{9,10}\.\d{1,3}", number))
        judge.compare(f"raw:{operation}.{member.decode()}:time", "notebook", found, True)


@pytest.mark.parametrize("number", ["0", "0.0", "1.5e9", "1500000000.123", "-1", "1E3"])
def test_a_time_is_read_however_its_number_is_written(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str, number: str
) -> None:
    body = (
        f'{{"LabelGroupName": "{plant.mark}-more-2", "StartTime": {number}, "EndTime": {number}, '
        f'"Rating": "NEUTRAL", "ClientToken": "{unique}"}}'
    )
    made = endpoint.raw(body.encode(), target("CreateLabel"))
    shown = endpoint.send("DescribeLabel", {"LabelGroupName": f"{plant.mark}-more-2", "LabelId": made["LabelId"]})
    judge.compare(f"raw:time:{number}", "model", (shown["StartTime"], shown["EndTime"]), (float(number),) * 2)


def test_absent_members_are_never_null(endpoint: Endpoint, plant: Plant, judge: Judge) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("DescribeDataset", {"DatasetName": f"{plant.mark}-empty-0"}),
        ("DescribeDataset", {"DatasetName": plant.dataset}),
        ("DescribeModel", {"ModelName": plant.failed}),
        ("DescribeModel", {"ModelName": plant.model}),
        ("DescribeModelVersion", {"ModelName": plant.failed, "ModelVersion": 1}),
        ("DescribeModelVersion", {"ModelName": plant.model, "ModelVersion": 2}),
        ("DescribeDataIngestionJob", {"JobId": plant.job}),
        ("DescribeInferenceScheduler", {"InferenceSchedulerName": plant.models[0]}),
        ("DescribeRetrainingScheduler", {"ModelName": plant.models[0]}),
        ("DescribeLabelGroup", {"LabelGroupName": f"{plant.mark}-more-0"}),
        ("UpdateActiveModelVersion", {"ModelName": plant.models[1], "ModelVersion": 1}),
        ("ListModels", {}),
        ("ListDatasets", {}),
        ("ListInferenceSchedulers", {}),
        ("ListSensorStatistics", {"DatasetName": plant.dataset}),
    ]
    for operation, request in asked:
        answer = endpoint.send(operation, request)
        assert answer.error == "", answer.message
        name = f"raw:{operation} {' '.join(map(str, request)).replace(plant.mark, '')}:null"
        judge.compare(name, "notebook", nulls(json.loads(answer.body)), [])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])  # GET is for browsers.
def test_only_post_carries_the_api(endpoint: Endpoint, judge: Judge, method: str) -> None:
    answer = endpoint.raw(b"", target("ListDatasets"), method=method)
    judge.compare(f"raw:{method}", "decision", answer.status, 405)


def test_another_path_is_not_the_api(endpoint: Endpoint, judge: Judge) -> None:
    answer = endpoint.raw(b"{}", target("ListDatasets"), path="/other")
    judge.compare("raw:path", "decision", (answer.status >= 400, "DatasetSummaries" in str(answer.body)), (True, False))


@pytest.mark.parametrize(("more", "status"), [(0, 400), (1, 413)], ids=["at", "beyond"])
def test_a_body_is_read_up_to_eight_mebibytes(endpoint: Endpoint, judge: Judge, more: int, status: int) -> None:
    """At the limit it is read, and the text in it is too long for the member."""
    frame = b'{"DatasetNameBeginsWith": ""}'
    body = frame.replace(b'""', b'"' + b"a" * (8 * 2**20 - len(frame) + more) + b'"')
    answer = endpoint.raw(body, target("ListDatasets"))
    error = {400: "ValidationException", 413: "RequestEntityTooLargeException"}[status]
    judge.compare(f"raw:size:{more}", "decision", (answer.status, answer.error), (status, error))


def test_another_page_and_another_host_are_refused(endpoint: Endpoint, judge: Judge) -> None:
    for name, header in (("Origin", "http://example.org"), ("Host", "example.org")):
        answer = endpoint.raw(b"{}", {**target("ListDatasets"), name: header})
        judge.compare(f"raw:{name}", "decision", answer.status, 403)
