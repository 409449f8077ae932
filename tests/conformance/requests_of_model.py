"""Requests made from the service's model as boto3 has it: the least of each operation, and every constraint's edges.

Knows botocore's model alone: this is the judge's own reading of it, independent of the service's.
"""

import re
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

ARN = "arn:aws:lookoutequipment:us-east-1:123456789012:"
# Texts that meet the patterns that a letter does not.
TEXTS = {
    "DatasetArn": ARN + "dataset/none/0a",
    "ModelVersionArn": ARN + "model/none/0a/model-version/1",
    "ResourceArn": ARN + "dataset/none/0a",
    "AmazonResourceArn": ARN + "dataset/none/0a",
    "IamRoleArn": "arn:aws:iam::123456789012:role/plant",
    "IngestionJobId": "0" * 32,
    "LabelId": "0" * 32,
    "PolicyRevisionId": "0a",
    "RetrainingFrequency": "P1M",
    "LookbackWindow": "P180D",
    "TimeZoneOffset": "+01:00",
    "ComponentTimestampDelimiter": "_",
    "FileNameTimestampFormat": "EPOCH",
    "S3Bucket": "bucket",
    "S3Prefix": "prefix/",
}
# Longest names of a pattern with a prefix: padded by these letters, at these ends.
PADDING = ("a", "0", "/")


@cache
def model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("lookoutequipment")


def operations() -> list[str]:
    return sorted(model().operation_names)


def least(shape: Shape) -> Any:
    """The least value of a shape that breaks no constraint."""
    if shape.type_name == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [least(shape.member) for _ in range(shape.metadata.get("min", 0) or 1)]
    if shape.type_name == "timestamp":
        return datetime(2026, 1, 1, tzinfo=UTC)
    if shape.type_name in {"integer", "long"}:
        return max(shape.metadata.get("min", 0), 1)
    if shape.type_name == "boolean":
        return True
    if shape.name == "IdempotenceToken":
        return uuid.uuid4().hex
    if shape.metadata.get("enum"):
        return shape.metadata["enum"][0]
    return TEXTS.get(shape.name, "none")


def least_request(name: str) -> dict[str, Any]:
    """The least request of an operation; its times are in order."""
    request = dict(least(model().operation_model(name).input_shape))
    for end in ("EndTime", "IntervalEndTime"):
        if end in request:
            request[end] = datetime(2026, 1, 2, tzinfo=UTC)
    return request


@dataclass(frozen=True)
class Edge:
    """A request at an edge of a constraint. `path`: of the member, as in `Tags.0.Key`."""

    operation: str
    path: str
    constraint: str
    is_allowed: bool
    request: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.operation} {self.path} {self.constraint} {'at' if self.is_allowed else 'beyond'}"


def edges(name: str) -> Iterator[Edge]:
    """Both sides of every constraint of an operation's members, at any depth."""
    shape = model().operation_model(name).input_shape
    for path, target in _members(shape, ()):
        for constraint, is_allowed, value in _values(target):
            yield Edge(name, _shown(path), constraint, is_allowed, _with(least_request(name), shape, path, value))
    for path, target in [((), shape), *_members(shape, ())]:
        if target.type_name == "structure":
            for member in target.required_members:
                if member == "ClientToken":  # boto3 fills it in; see test_raw.
                    continue
                request = _with(least_request(name), shape, (*path, member), None)
                yield Edge(name, _shown((*path, member)), "required", is_allowed=False, request=request)


Path = tuple[str | int, ...]


def _members(shape: Shape, path: Path) -> Iterator[tuple[Path, Shape]]:
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield (*path, name), member
            yield from _members(member, (*path, name))
    elif shape.type_name == "list":
        yield (*path, 0), shape.member
        yield from _members(shape.member, (*path, 0))


def _values(shape: Shape) -> Iterator[tuple[str, bool, Any]]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    kind = shape.type_name
    if kind in {"integer", "long"}:
        if low is not None:
            yield "min", True, low
            yield "min", False, low - 1
        if high is not None:
            yield "max", True, high
            yield "max", False, high + 1
    if kind == "list" and high is not None:
        yield "max", True, _several(shape.member, high)
        yield "max", False, _several(shape.member, high + 1)
    if kind == "string":
        yield from _texts(shape, low, high)


def _texts(shape: Shape, low: int | None, high: int | None) -> Iterator[tuple[str, bool, Any]]:
    allowed = shape.metadata.get("enum")
    if allowed:
        yield from (("enum", True, value) for value in allowed)
        yield "enum", False, allowed[0].lower()
        return
    if low:
        yield "min", False, ""
    if high is not None:
        longest = _text_of_length(shape, high)
        if longest is not None:
            yield "max", True, longest
        yield "max", False, "a" * (high + 1)
    if shape.metadata.get("pattern"):
        yield "pattern", False, "\N{SNOWMAN}\N{COMBINING GRAVE ACCENT}\0" if _takes_anything(shape) else "\N{SNOWMAN} /"


def _takes_anything(shape: Shape) -> bool:
    """Patterns of Java that stand for any text; only what is no text is outside them."""
    return "\\P{M}" in shape.metadata["pattern"] or "ASCII" in shape.metadata["pattern"]


def _text_of_length(shape: Shape, length: int) -> str | None:
    """A text of that length that meets the pattern; None when none was found."""
    pattern = shape.metadata.get("pattern")
    base = TEXTS.get(shape.name, "")
    for letter in PADDING:
        for text in (letter * length, base + letter * (length - len(base)), letter * (length - 1) + "/"):
            if len(text) == length and (
                pattern is None or _takes_anything(shape) or re.fullmatch(_python(pattern), text)
            ):
                return text
    return None


def _python(pattern: str) -> str:
    return pattern.replace("^EPOCH|", "EPOCH|")


def _several(shape: Shape, n: int) -> list[Any]:
    """So many different values."""
    letters = string.ascii_letters
    names = [letters[i // 52] + letters[i % 52] for i in range(n)]
    if shape.type_name == "structure":
        return [{**least(shape), "Key": name} for name in names]
    return names


def _with(request: dict[str, Any], shape: Shape, path: Path, value: Any) -> dict[str, Any]:
    """The request with a value at a path, None: without it; what lies on the way is made with the least."""
    here: Any = request
    for place, following in pairwise(path):
        shape = shape.members[place] if shape.type_name == "structure" else shape.member
        if isinstance(place, int):
            if not here:
                here.append(least(shape))
        elif here.get(place) is None:
            here[place] = [] if isinstance(following, int) else least(shape)
        here = here[place]
    last = path[-1]
    if value is None:
        here.pop(last, None)
    elif isinstance(last, int):
        here[:] = [value]
    else:
        here[last] = value
    return request


def _shown(path: Path) -> str:
    return ".".join(map(str, path))
