"""Validators against a slow judge, against botocore's serialiser, and each pattern against what it means in Java."""

import json
from datetime import UTC, datetime
from typing import Any

import botocore.loaders
import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.api.definition import definition
from openlookout.api.errors import SerializationException, ValidationException
from openlookout.wire import protocol
from openlookout.wire.server import VALIDATORS
from openlookout.wire.validation import compile_pattern
from wire.requests_of import OPERATIONS, SHAPES, input_shape, valid, violations, wild

TOKEN = "t"
SERVICE = ServiceModel(botocore.loaders.Loader().load_service_model("lookoutequipment", "service-2"))


def refused(operation: str, request: Any) -> str:
    """The message with which a request is refused as invalid."""
    with pytest.raises(ValidationException) as error:
        VALIDATORS[operation](request)
    return error.value.message


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_botocore_serialises_is_read_back_as_the_same_request(operation: str, data: st.DataObject) -> None:
    request = data.draw(valid(input_shape(operation)))
    # Not validated by botocore: it holds ListModelVersions to a ModelName.
    serializer = create_serializer("json", include_validation=False)
    sent = serializer.serialize_to_request(request, SERVICE.operation_model(operation))
    assert sent["headers"]["X-Amz-Target"] == f"AWSLookoutEquipmentFrontendService.{operation}"
    assert VALIDATORS[operation](protocol.parse(sent["body"])) == request


WITH_OUTPUT = [name for name in OPERATIONS if "output" in definition()["operations"][name]]


@pytest.mark.parametrize("operation", WITH_OUTPUT)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_we_serialise_is_read_by_botocore_as_the_same_answer(operation: str, data: st.DataObject) -> None:
    answer = data.draw(valid(definition()["operations"][operation]["output"]["shape"]))
    absent = dict.fromkeys(SHAPES[definition()["operations"][operation]["output"]["shape"]]["members"])
    body = protocol.serialise({**absent, **answer})
    parser = create_parser("json")
    read = parser.parse(
        {"status_code": 200, "headers": {}, "body": body}, SERVICE.operation_model(operation).output_shape
    )
    read.pop("ResponseMetadata")
    assert read == answer


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_exactly_the_violations_that_the_slow_judge_finds_are_told(operation: str, data: st.DataObject) -> None:
    shape = input_shape(operation)
    body = json.dumps(data.draw(wild(shape)))
    expected = violations(shape, json.loads(body))
    parsed = protocol.parse(body.encode())
    if not expected:
        VALIDATORS[operation](parsed)
        return
    head, _, told = refused(operation, parsed).partition(" detected: ")
    assert head == f"{len(expected)} validation error{'s' if len(expected) > 1 else ''}"
    for sentence in expected:
        assert sentence in told
    assert len(told) == len("; ".join(expected))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(), st.lists, max_leaves=5))
def test_unknown_members_of_any_type_are_dropped_at_every_depth(anything: Any) -> None:
    told = VALIDATORS["CreateDataset"](
        {
            "DatasetName": "d",
            "ClientToken": TOKEN,
            "Unknown": anything,
            "DatasetSchema": {"InlineDataSchema": "{}", "Unknown": anything},
            "Tags": [{"Key": "k", "Value": "v", "Unknown": anything}],
        }
    )
    assert told == {
        "DatasetName": "d",
        "ClientToken": TOKEN,
        "DatasetSchema": {"InlineDataSchema": "{}"},
        "Tags": [{"Key": "k", "Value": "v"}],
    }


def test_two_violations_are_told_in_one_message_in_the_words_of_aws() -> None:
    assert refused("CreateDataset", {"DatasetName": "x!"}) == (
        "2 validation errors detected: Value null at 'clientToken' failed to satisfy constraint: Member must not be "
        "null; Value 'x!' at 'datasetName' failed to satisfy constraint: Member must satisfy regular expression "
        "pattern: ^[0-9a-zA-Z_-]{1,200}$"
    )


MODEL_ARN = "arn:aws:lookoutequipment:eu-west-1:123456789012:model/m"


@pytest.mark.parametrize(
    ("operation", "request_", "value", "constraint"),
    [
        ("DescribeModel", {}, "null at 'modelName'", "not be null"),
        ("DescribeModel", {"ModelName": None}, "null at 'modelName'", "not be null"),
        ("ListModels", {"MaxResults": 0}, "'0' at 'maxResults'", "have value greater than or equal to 1"),
        ("ListModels", {"MaxResults": 501}, "'501' at 'maxResults'", "have value less than or equal to 500"),
        (
            "ListModels",
            {"Status": "DONE"},
            "'DONE' at 'status'",
            "satisfy enum value set: [IN_PROGRESS, SUCCESS, FAILED, IMPORT_IN_PROGRESS]",
        ),
        (
            "TagResource",
            {"ResourceArn": MODEL_ARN, "Tags": [{"Key": "k", "Value": "v"}, {"Key": "aws:k", "Value": "v"}]},
            "'aws:k' at 'tags.2.member.key'",
            "satisfy regular expression pattern: ^(?!aws:)[a-zA-Z+-=._:/]+$",
        ),
        (
            "UntagResource",
            {"ResourceArn": MODEL_ARN, "TagKeys": ["k", "x" * 129]},
            f"'{'x' * 129}' at 'tagKeys.2.member'",
            "have length less than or equal to 128",
        ),
        (
            "CreateLabelGroup",
            {"LabelGroupName": "g", "ClientToken": TOKEN, "FaultCodes": ["a", ""]},
            "'' at 'faultCodes.2.member'",
            "have length greater than or equal to 1",
        ),
        (
            "CreateLabelGroup",
            {"LabelGroupName": "g", "ClientToken": TOKEN, "FaultCodes": ["a\0b"]},
            "'a\0b' at 'faultCodes.1.member'",
            "not contain the character U+0000",
        ),
        (
            "StartDataIngestionJob",
            {"IngestionInputConfiguration": {"S3InputConfiguration": {"Bucket": "bucket", "Prefix": "no-slash"}}},
            "'no-slash' at 'ingestionInputConfiguration.s3InputConfiguration.prefix'",
            r"satisfy regular expression pattern: (^$)|([\u0009\u000A\u000D\u0020-\u00FF]{1,1023}/$)",
        ),
    ],
)
def test_each_kind_of_violation_is_told_in_the_words_of_aws(
    operation: str, request_: dict[str, Any], value: str, constraint: str
) -> None:
    told = f"Value {value} failed to satisfy constraint: Member must {constraint}"
    assert told in refused(operation, request_).partition(" detected: ")[2].split("; ")


@pytest.mark.parametrize(
    ("operation", "body", "told"),
    [
        ("ListModels", b"[]", "the body must be an object, not a list."),
        ("ListModels", b"null", "the body must be an object, not null."),
        ("ListModels", b'{"Status": 5}', "'status' must be a string, not a number."),
        ("ListModels", b'{"MaxResults": "5"}', "'maxResults' must be an integer, not a string."),
        ("ListModels", b'{"MaxResults": true}', "'maxResults' must be an integer, not a boolean."),
        ("ListModels", b'{"MaxResults": 5.5}', "'maxResults' must be an integer, not a number."),
        ("TagResource", b'{"Tags": {}}', "'tags' must be a list, not an object."),
        ("TagResource", b'{"Tags": [null]}', "'tags.1.member' must be an object, not null."),
        ("TagResource", b'{"Tags": [{"Key": []}]}', "'tags.1.member.key' must be a string, not a list."),
        (
            "ListModelVersions",
            b'{"CreatedAtEndTime": "2026-01-01T00:00:00Z"}',
            "'createdAtEndTime' must be a number of seconds since 1970-01-01T00:00:00Z, not a string.",
        ),
        (
            "ListModelVersions",
            b'{"CreatedAtEndTime": 253402300800}',
            "'createdAtEndTime': 253402300800 seconds since 1970 is not in the years 1 to 9999.",
        ),
    ],
)
def test_a_member_of_another_json_type_is_named_with_both_types(operation: str, body: bytes, told: str) -> None:
    with pytest.raises(SerializationException) as error:
        VALIDATORS[operation](protocol.parse(body))
    assert error.value.message == told


@pytest.mark.parametrize("number", ["5", "5.0", "5e0", "50E-1"])
def test_an_integer_may_be_written_as_any_json_number_of_that_value(number: str) -> None:
    given_ = VALIDATORS["ListModels"](protocol.parse(f'{{"MaxResults": {number}}}'.encode()))
    assert given_ == {"MaxResults": 5}
    assert type(given_["MaxResults"]) is int


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("-0.000001", datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("1767225600.123456", datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
        ("1.767225600123E9", datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)),
        ("253402300798.999999", datetime(9999, 12, 31, 23, 59, 58, 999999, tzinfo=UTC)),
        ("-62135596800", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_exactly_to_the_microsecond(number: str, moment: datetime) -> None:
    body = f'{{"CreatedAtEndTime": {number}}}'.encode()
    assert VALIDATORS["ListModelVersions"](protocol.parse(body)) == {"CreatedAtEndTime": moment}


def test_length_is_counted_in_characters_not_in_bytes_or_surrogates() -> None:
    request = {"LabelGroupName": "g", "ClientToken": TOKEN, "StartTime": 0, "EndTime": 1, "Rating": "ANOMALY"}
    VALIDATORS["CreateLabel"]({**request, "FaultCode": "🔥" * 100})
    assert "less than or equal to 100" in refused("CreateLabel", {**request, "FaultCode": "e" * 101})


def test_a_long_value_is_cut_where_it_is_told() -> None:
    message = refused("DescribeModel", {"ModelName": "n" * 10_000})
    assert f"Value '{'n' * 256}...' at 'modelName'" in message
    assert len(message) < 1000


def test_of_a_list_that_is_too_long_only_the_length_is_told() -> None:
    request = {
        "ResourceArn": "arn:aws:lookoutequipment:eu-west-1:123456789012:model/m",
        "Tags": [{"Key": "", "Value": "v"}] * 100_000,
    }
    message = refused("TagResource", request)
    assert message.startswith("1 validation error detected: Value '[{'Key': '', 'Value': 'v'}, ")
    assert message.endswith(
        "...' at 'tags' failed to satisfy constraint: Member must have length less than or equal to 200"
    )


# The truth of these rows: java.util.regex, whole match, ASCII classes. Origin: model.
PATTERNS: dict[str, tuple[list[str], list[str]]] = {
    "FileNameTimestampFormat": (
        ["EPOCH", "yyyy-MM-dd-HH-mm-ss", "yyyyMMddHHmmss"],
        ["epoch", "EPOCHx", "xEPOCH", "EPOCH\n", "yyyyMMddHHmmss\n", "EPOCH|yyyyMMddHHmmss", ""],
    ),
    "LookbackWindow": (["P180D", "P720D"], ["P180D|", "P181D", "P180DP360D", "P720D\n"]),
    "IdempotenceToken": (["a", "\t~", "\x7f"], ["", "é", "\x80"]),
    "NextToken": (["", "a\n"], ["é"]),
    "Comments": (["a\nb", "é", "e\u0301", "\u0301", "🔥"], [""]),
    "S3Key": (["ab", "a/b", "\n\n"], ["a", "a/", "/", "ab/"]),
    "S3Prefix": (["", "a/", "ÿ/", "\t/", "//"], ["a", "/", "Ā/", "a/\n", "\n"]),
    "Policy": (["{}", "ÿ\r\n"], ["", "Ā", "\x0b"]),
    "IamRoleArn": (
        ["arn:aws:iam::123456789012:role/r", "arn:aws-cn:iam::123456789012:role/a/é"],
        [
            "arn:aws:iam::12345678901:role/r",
            "arn:aws:iam::123456789012:role/",
            "x" + "arn:aws:iam::123456789012:role/r",
            *(f"arn:aws:iam::123456789012:role/a{end}b" for end in ("\n", "\r", "\x85", "\u2028", "\u2029")),
            "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:role/r",
        ],
    ),
    "KmsKeyArn": (
        ["arn:aws:kms:eu-west-1:123456789012:key/a-b", "arn:aws:kms::123456789012:a"],
        ["arn:aws:kms:eu-west-1:١٢٣٤٥٦٧٨٩٠١٢:key/a", "arn:aws:kms:eu-west-1:123456789012:key/é", "key/a"],
    ),
    "ComponentTimestampDelimiter": (["", "-", "_", " ", "\t"], ["--", ".", "\u00a0", "\u2003"]),
    "RetrainingFrequency": (["P1M", "P1Y2M3D", "P365D", "P"], ["1M", "P1H", "P1000D", "P١M", "P1M\n"]),
    "TimeZoneOffset": (["+00:00", "-12:30"], ["00:00", "+0:00", "+00:00\n", "+٠٠:00"]),
    "TagKey": (["k", "a:b/c", "A+=.", "aws"], ["aws:k", "", "k k", "é", "k\n"]),
    "TagValue": (["", "a b\tc", "x+y=z@/:."], ["é", "\u00a0", "#"]),
    "DatasetName": (["a", "A-_9", "x" * 200], ["", "a.b", "é", "a\n", "x" * 201]),
    "ComponentName": (["a.b", "_-"], ["a b", "a\\b"]),
    "SensorName": (["a:#$.b-_"], ["a b", "a\\b", "é"]),
    "S3Bucket": (["abc", "a.b-c"], ["ab", "Abc", "-bc", "bc-", "a" * 64, "abc\n"]),
    "LabelId": (["", "0aF", "a" * 32], ["g", "a" * 33]),
    "ModelVersionArn": (
        ["arn:aws:lookoutequipment:eu-west-1:123456789012:model/m/id/model-version/12"],
        ["arn:aws:lookoutequipment:eu-west-1:123456789012:model/m/id/model-version/", "model-version/1"],
    ),
    "DatasetArn": (
        ["arn:aws:lookoutequipment:eu-west-1:123456789012:dataset/d/id"],
        ["arn:aws:lookoutequipment:eu-west-1:123456789012:dataset/d/", "arn:aws:lookoutequipment:eu_1:1:dataset/d/i"],
    ),
    "NameOrArn": (["a", "alias/key", "arn:aws:kms:eu-west-1:123456789012:key/a"], ["", "/a", "a b", "a\n"]),
}  # fmt: skip


@pytest.mark.parametrize("shape", PATTERNS)
def test_a_pattern_accepts_whole_texts_as_java_reads_it(shape: str) -> None:
    matches = compile_pattern(SHAPES[shape]["pattern"]).fullmatch
    accepted, not_accepted = PATTERNS[shape]
    assert [text for text in accepted if not matches(text)] == []
    assert [text for text in not_accepted if matches(text)] == []


def test_every_construct_that_java_and_python_read_differently_is_in_a_pattern_above() -> None:
    different = {"\\p", "\\P", "\\d", "\\s", "\\w", ".+"}
    proved = {mark for shape in PATTERNS for mark in different if mark in SHAPES[shape]["pattern"]}
    assert proved == {mark for shape in SHAPES.values() for mark in different if mark in shape.get("pattern", "")}
