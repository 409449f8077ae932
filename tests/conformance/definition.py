"""The service's definition as botocore ships it, read by the judge itself: shapes, constraints, boundary requests.

A pattern is a Java one that must match a whole text, whatever its anchors; classes are ASCII.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

SERVICE = ServiceModel(Loader().load_service_model("lookoutequipment", "service-2"), "lookoutequipment")
OPERATIONS = tuple(sorted(SERVICE.operation_names))
LISTS = tuple(name for name in OPERATIONS if SERVICE.operation_model(name).input_shape.members.get("NextToken"))
WITH_TOKEN = tuple(name for name in OPERATIONS if SERVICE.operation_model(name).idempotent_members)
WITHOUT_OUTPUT = tuple(name for name in OPERATIONS if SERVICE.operation_model(name).output_shape is None)
MOMENT = 1_700_000_000

Path = tuple[str | int, ...]
Request = dict[str, Any]

_ACCOUNT_ARN = "arn:aws:lookoutequipment:us-east-1:123456789012"
# One of these satisfies each string of the definition; which one, the constraints themselves say.
_TEXTS = (
    "conformance-nobody",
    "conformance/",
    "arn:aws:iam::123456789012:role/conformance",
    f"{_ACCOUNT_ARN}:dataset/conformance-nobody/0a",
    f"{_ACCOUNT_ARN}:model/conformance-nobody/0a/model-version/1",
    "0a",
    "+00:00",
    "EPOCH",
    "P1M",
    "P180D",
    "_",
)
# Texts that some pattern does not admit.
_STRANGERS = ("é", "a b", "\u0100", "a\n", "-", "", "x!", "no-slash", "aws:k", "+0:00", "epoch", "P1H", "P181D", "g", "arn:aws:x", "--", "#\u00a0")  # fmt: skip
_FILL = ("a", "0", "/", " ")
_LONGEST = ("P9Y99M999D",)  # A pattern of counted parts is not filled up with one character.


def operation_errors(operation: str) -> list[str]:
    """The exceptions that the definition lists for an operation."""
    return [shape.name for shape in SERVICE.operation_model(operation).error_shapes]


def admits(shape: Shape, text: str) -> bool:
    """Whether a string shape admits a text."""
    bounds = shape.metadata
    if not bounds.get("min", 0) <= len(text) <= bounds.get("max", len(text)):
        return False
    return matches(shape, text) and ("enum" not in bounds or text in bounds["enum"])


def matches(shape: Shape, text: str) -> bool:
    pattern = shape.metadata.get("pattern", r"[\s\S]*")
    pattern = pattern.replace(r"\p{ASCII}", r"[\x00-\x7f]").replace(r"[\P{M}\p{M}]", r"[\s\S]")
    return re.compile(pattern, re.ASCII).fullmatch(text) is not None


def text_of(shape: Shape, length: int | None = None) -> str:
    """A text that a shape admits, of a given length if one is asked for."""
    if length is None:
        if "enum" in shape.metadata:
            return str(shape.metadata["enum"][0])
        return next(text for text in _TEXTS if admits(shape, text))
    for text in (*_TEXTS, *_LONGEST):
        fill = length - len(text)
        if fill <= 0:
            if len(text) == length and admits(shape, text):
                return text
            if admits(shape, text[-length:] if length else ""):
                return text[-length:] if length else ""
            continue
        for character in _FILL:
            for filled in (text + character * fill, text[:-1] + character * fill + text[-1], character * fill + text):
                if admits(shape, filled):
                    return filled
    raise LookupError(f"{shape.name}: no text of {length} characters")


def minimal(shape: Shape) -> Any:
    """The smallest value of a shape that breaks no constraint."""
    match shape.type_name:
        case "structure":
            return {name: minimal(shape.members[name]) for name in shape.required_members}
        case "list":
            return [minimal(shape.member)] if shape.metadata.get("min") else []
        case "string":
            return text_of(shape)
        case "timestamp":
            return MOMENT
        case "boolean":
            return True
        case _:
            return shape.metadata.get("min", 0)


def minimal_request(operation: str, **members: Any) -> Request:
    """The smallest request that breaks no constraint, with other members."""
    shape = SERVICE.operation_model(operation).input_shape
    request: Request = minimal(shape)
    if operation == "ListInferenceEvents":
        request["IntervalEndTime"] += 1
    return request | members


def request_with(operation: str, path: Path, value: Any) -> Request:
    """The minimal request with one value put at a path; what lies around it is minimal too."""
    return _with(SERVICE.operation_model(operation).input_shape, minimal_request(operation), path, value)


def request_without(operation: str, path: Path) -> Request:
    """The minimal request in which the structure around a required member is there, and the member is not."""
    *around, member = path
    shape = SERVICE.operation_model(operation).input_shape
    for step in around:
        shape = shape.member if isinstance(step, int) else shape.members[step]
    whole = minimal_request(operation) if not around else minimal(shape)
    lacking = {name: value for name, value in whole.items() if name != member}
    return request_with(operation, tuple(around), lacking) if around else lacking


def _with(shape: Shape, value: Any, path: Path, leaf: Any) -> Any:
    if not path:
        return leaf
    step, *rest = path
    if isinstance(step, int):
        return [_with(shape.member, minimal(shape.member), tuple(rest), leaf)]
    inner = shape.members[step]
    return {**value, step: _with(inner, value.get(step, minimal(inner)), tuple(rest), leaf)}


@dataclass(frozen=True)
class Boundary:
    """A request on one side of one constraint. `member`: the path as messages show it."""

    operation: str
    path: Path
    constraint: str
    is_admitted: bool
    request: Request

    @property
    def member(self) -> str:
        parts = [f"{step + 1}.member" if isinstance(step, int) else step[0].lower() + step[1:] for step in self.path]
        return ".".join(parts)

    @property
    def aspect(self) -> str:
        return f"{self.member}:{self.constraint.split()[0]}:{self._side}"

    @property
    def name(self) -> str:
        return f"{self.operation}.{self.member}:{self.constraint}:{self._side}"

    @property
    def _side(self) -> str:
        return "at" if self.is_admitted else "beyond"


def boundaries() -> Iterator[Boundary]:
    """Every constraint of every operation's input, at any depth, from both sides."""
    for operation in OPERATIONS:
        yield from _of(operation, SERVICE.operation_model(operation).input_shape, ())


def _of(operation: str, shape: Shape, path: Path) -> Iterator[Boundary]:
    def at(constraint: str, value: Any) -> Boundary:
        return Boundary(operation, path, constraint, True, request_with(operation, path, value))

    def beyond(constraint: str, value: Any) -> Boundary:
        return Boundary(operation, path, constraint, False, request_with(operation, path, value))

    bounds = shape.metadata
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                here = (*path, name)
                if name in shape.required_members:
                    request = request_with(operation, here, minimal(member))
                    yield Boundary(operation, here, "required", True, request)
                    yield Boundary(operation, here, "required", False, request_without(operation, here))
                yield from _of(operation, member, here)
        case "list":
            item = minimal(shape.member)
            yield at("max", _items(shape.member, bounds["max"]))
            yield beyond("max", [item] * (bounds["max"] + 1))
            yield from _of(operation, shape.member, (*path, 0))
        case "string":
            yield from _of_text(shape, at, beyond)
        case "integer" | "long":
            yield at("min", bounds["min"])
            yield beyond("min", bounds["min"] - 1)
            if "max" in bounds:
                yield beyond("max", bounds["max"] + 1)
            yield at("max", bounds.get("max", 2**63 - 1))


def _shortest(shape: Shape) -> str:
    """A text of the minimum's length; where the pattern admits none so short, one that it admits."""
    try:
        return text_of(shape, shape.metadata["min"])
    except LookupError:
        return text_of(shape)


def _items(shape: Shape, n: int) -> list[Any]:
    """Different items, because some lists must not hold one twice."""
    if shape.type_name == "string":
        return [f"k{i}" for i in range(n)]
    return [{**minimal(shape), "Key": f"k{i}"} for i in range(n)]


def _of_text(shape: Shape, at: Any, beyond: Any) -> Iterator[Boundary]:
    bounds = shape.metadata
    if "enum" in bounds:
        for value in bounds["enum"]:
            yield at(f"enum {value}", value)
        yield beyond("enum", bounds["enum"][0].lower())
        yield beyond("enum empty", "")
        return
    if "min" in bounds:
        yield at("min", _shortest(shape))
        if bounds["min"] > 0:
            yield beyond("min", text_of(shape)[: bounds["min"] - 1])
    if "max" in bounds:
        yield at("max", text_of(shape, bounds["max"]))
        yield beyond("max", (text_of(shape, bounds["max"]) + "a")[: bounds["max"] + 1])
    if "pattern" in bounds:
        yield at("pattern", text_of(shape))
        low, high = bounds.get("min", 0), bounds.get("max", 100)
        strangers = [text for text in (*_STRANGERS, text_of(shape) + "\n") if low <= len(text) <= high]
        broken = [text for text in strangers if not matches(shape, text)]
        broken += [text for text in ("?" + text_of(shape)[1:], "x" * low) if text and not matches(shape, text)]
        for number, text in enumerate(broken[:4], 1):
            yield beyond(f"pattern {number}", text)
