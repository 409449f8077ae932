"""Bodies in and out: JSON that is read exactly or refused with a sentence, and answers that botocore reads back."""

import json
import math
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import botocore.loaders
import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from openlookout.api.definition import definition
from openlookout.api.errors import SerializationException, UnknownOperationException, ValidationException
from openlookout.api.instants import seconds_of, to_microseconds
from openlookout.api.types import ModelVersionSummary
from openlookout.wire import protocol
from openlookout.wire.answers import compile_answers
from wire.requests_of import MOMENTS, TEXT

SERVICE = ServiceModel(botocore.loaders.Loader().load_service_model("lookoutequipment", "service-2"))
ANSWERS = compile_answers(definition())

# Within Python's floats: JSON has no others that json.dumps writes.
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(TEXT),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(TEXT), inner, max_size=4),
    max_leaves=20,
)


def refusal(body: bytes) -> str:
    """The message with which a body is refused as not to be read."""
    with pytest.raises(SerializationException) as error:
        protocol.parse(body)
    return error.value.message


@given(documents)
def test_json_is_read_as_python_reads_it(document: Any) -> None:
    assert protocol.parse(json.dumps(document).encode()) == document


@given(st.binary())
def test_no_body_raises_anything_but_a_serialization_exception(body: bytes) -> None:
    with suppress(SerializationException):
        protocol.parse(body)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,30})\.[0-9]{1,30}(e[+-]?[0-9]{1,30})?", fullmatch=True))
def test_a_number_with_a_fraction_is_read_exactly_unless_its_exponent_is_enormous(number: str) -> None:
    if abs(int(number.partition("e")[2] or 0)) < protocol.DIGITS_MAX - 64:
        assert protocol.parse(number.encode()) == Decimal(number)
    elif abs(int(number.partition("e")[2])) > protocol.DIGITS_MAX + 64:
        assert "out of range" in refusal(number.encode())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "The body is not JSON: Expecting property name enclosed in double quotes"),
        (b"{} {}", "The body is not JSON: Extra data"),
        (b"\xff", "The body is not JSON: 'utf-8' codec can't decode byte 0xff in position 0"),
        ("{}".encode("utf-16"), "The body is not JSON: 'utf-8' codec can't decode byte 0xff in position 0"),
        (b'{"a": NaN}', "The body is not JSON: NaN is no JSON number"),
        (b'{"a": -Infinity}', "The body is not JSON: -Infinity is no JSON number"),
        (b'{"a": 1, "b": 2, "a": 1}', "The body is not JSON: the member 'a' is given twice"),
        (b'{"x": {"a": 1, "a": 2}}', "The body is not JSON: the member 'a' is given twice"),
        (b"1e401", "The body is not JSON: the number 1e401 is out of range"),
        (b"1e-401", "The body is not JSON: the number 1e-401 is out of range"),
        (b"1e99999999999999999999", "The body is not JSON: the number 1e99999999999999999999 is out of range"),
        (b"9" * 401, "The body is not JSON: a number of 401 characters; 400 are read"),
        (b"0." + b"9" * 399, "The body is not JSON: a number of 401 characters; 400 are read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_the_reason(body: bytes, told: str) -> None:
    assert refusal(body).startswith(told)


def test_nesting_is_read_up_to_its_limit_and_no_deeper() -> None:
    limit = protocol.NESTING_MAX
    assert protocol.parse(b"[" * limit + b"]" * limit)
    assert refusal(b"[" * (limit + 1) + b"]" * (limit + 1)) == "The body is nested more than 64 levels deep."
    assert refusal(b'{"a":' * 1_000_000) == "The body is nested more than 64 levels deep."


@given(st.text(st.sampled_from('[{}]"\\a')))
def test_brackets_in_a_text_are_not_nesting(text: str) -> None:
    document = [text * 40, {text: []}]
    assert protocol.parse(json.dumps(document).encode()) == document


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b'\\"' * 4_000_000,
        b"[" * 70 + b'"' * 8_000_000,
        b"{" + b",".join(b'"%d":0' % i for i in range(700_000)) + b',"699999":0}',
        b"[" + b"[]," * 2_700_000 + b"9" * 1_000_000,
        b"[" + b"1" * 8_000_000,
    ],
    ids=["open text", "empty texts", "last twice", "many lists", "long number"],
)
def test_the_largest_hostile_body_is_refused_in_linear_time(body: bytes) -> None:
    assert refusal(body)


def test_an_empty_body_is_an_empty_object() -> None:
    assert protocol.parse(b"") == {}


@given(MOMENTS)
def test_a_time_comes_back_from_botocore_to_the_microsecond(moment: datetime) -> None:
    body = protocol.serialise({"CreatedAt": moment})
    answer = {"status_code": 200, "headers": {}, "body": body}
    shape = SERVICE.operation_model("DescribeModel").output_shape
    assert create_parser("json").parse(answer, shape)["CreatedAt"] == moment


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), b"1767225600.0"),
        (datetime(2026, 1, 1, 0, 0, 0, 123000, tzinfo=UTC), b"1767225600.123"),
        (datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC), b"1767225600.123456"),
        (datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC), b"0.000001"),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), b"1.0"),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), b"253402300799.999999"),
        (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), b"-0.000001"),
    ],
)
def test_a_time_is_shown_as_a_plain_decimal_number_of_seconds(moment: datetime, shown: bytes) -> None:
    assert protocol.serialise({"At": moment}) == b'{"At":' + shown + b"}"


@given(MOMENTS)
def test_a_page_of_versions_shows_times_as_every_answer_does(moment: datetime) -> None:
    version = ModelVersionSummary(ModelVersion=1, CreatedAt=seconds_of(to_microseconds(moment)))
    as_members = protocol.serialise({"ModelVersionSummaries": [{"ModelVersion": 1, "CreatedAt": moment}]})
    assert protocol.serialise({"ModelVersionSummaries": [version], "NextToken": None}) == as_members


@given(MOMENTS)
def test_an_answer_read_within_the_process_is_what_botocore_reads(moment: datetime) -> None:
    body = protocol.serialise(
        {
            "ModelName": "pump",
            "CreatedAt": moment,
            "LabelsInputConfiguration": {"LabelGroupName": "faults", "S3InputConfiguration": {"Bucket": "plant"}},
            "OffCondition": None,
            "Stranger": 1,
        }
    )
    answer = {"status_code": 200, "headers": {}, "body": body}
    read = create_parser("json").parse(answer, SERVICE.operation_model("DescribeModel").output_shape)
    del read["ResponseMetadata"]
    assert ANSWERS["DescribeModel"](protocol.parse(body)) == read


def test_a_member_that_an_answer_lacks_is_absent_and_none_to_whoever_asks_for_it() -> None:
    read = ANSWERS["DescribeModel"]({"ModelName": "pump"})
    assert "OffCondition" not in read
    assert read["OffCondition"] is None
    assert read.get("LabelsInputConfiguration", {}) == {}
    assert ANSWERS["DeleteModel"](protocol.parse(b"")) == {}


def test_members_that_are_none_are_absent_at_every_depth() -> None:
    answer = {"A": None, "B": {"C": None, "D": [{"E": None, "F": 0}]}, "G": [], "H": "", "I": False}
    assert json.loads(protocol.serialise(answer)) == {"B": {"D": [{"F": 0}]}, "G": [], "H": "", "I": False}


def test_an_operation_without_output_has_an_empty_body() -> None:
    assert protocol.serialise(None) == b""


@given(st.text(st.characters()))
def test_an_error_has_type_and_message_under_both_names_whatever_it_quotes(text: str) -> None:
    body = json.loads(protocol.error_body(ValidationException(text)))
    assert body["__type"] == "ValidationException"
    assert body["Message"] == body["message"]
    assert len(body["Message"]) == len(text)


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "ListModels",
        "AWSLookoutEquipmentFrontendService.",
        "AWSLookoutEquipmentFrontendService.listmodels",
        "AWSLookoutEquipmentFrontendService.List Models",
        "AWSLookoutEquipmentFrontendService.AWSLookoutEquipmentFrontendService.ListModels",
        "DynamoDB_20120810.ListModels",
    ],
)
def test_a_target_that_names_no_operation_is_unknown(target: str | None) -> None:
    with pytest.raises(UnknownOperationException):
        protocol.operation_of(target, {"ListModels": None})


@pytest.mark.parametrize("around", ["{}", " {}", "{} ", "\t{} \t"])
def test_blanks_around_a_target_are_none_of_it(around: str) -> None:
    target = around.format("AWSLookoutEquipmentFrontendService.ListModels")
    assert protocol.operation_of(target, {"ListModels": None}) == "ListModels"


@pytest.mark.parametrize(
    ("content_type", "is_read"),
    [
        ("application/x-amz-json-1.0", True),
        ("application/x-amz-json-1.1", True),
        ("Application/JSON; charset=utf-8", True),
        ("", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=application/json", False),
    ],
)
def test_only_json_is_read(content_type: str, is_read: bool) -> None:
    if is_read:
        protocol.check_content_type(content_type)
        return
    with pytest.raises(SerializationException, match=r"must be application/x-amz-json-1\.0, not '"):
        protocol.check_content_type(content_type)


def test_numbers_that_are_not_finite_leave_as_null() -> None:
    assert protocol.serialise({"A": math.nan}) == b'{"A":null}'
