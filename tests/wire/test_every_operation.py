"""Every operation: a valid request in which one to three constraints are broken is refused for exactly those."""

import copy
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.api.errors import ValidationException
from openlookout.wire import protocol
from openlookout.wire.server import VALIDATORS
from wire.requests_of import OPERATIONS, SHAPES, input_shape, valid, violations

Path = tuple[str | int, ...]


@cache
def breaks(shape_name: str) -> list[Any]:
    """Values of a shape's JSON type, each of which breaks a constraint of the shape itself."""
    shape = SHAPES[shape_name]
    low, high = shape.get("min"), shape.get("max")
    match shape["type"]:
        case "string":
            long = ["x" * (high + 1)] if high is not None and high < 10_000 else []
            short = ["x" * (low - 1)] if low else []
            tried = [*long, *short, "", "\u0100 \n", "a b", "?", "no such value", "\0"]
        case "integer" | "long":
            tried = [] if low is None else [low - 1]
            tried += [] if high is None else [high + 1]
        case _:
            return []
    return [value for value in tried if violations(shape_name, value)]


def places(name: str, value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Where something can be broken in a valid value: the path of each leaf, and its shape."""
    shape = SHAPES[name]
    if shape["type"] == "structure":
        for member, inner in value.items():
            yield from places(shape["members"][member]["shape"], inner, (*path, member))
    elif shape["type"] == "list":
        for i, item in enumerate(value):
            yield from places(shape["member"]["shape"], item, (*path, i))
    elif breaks(name):
        yield path, name


def required_places(name: str, value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of the required members that a valid value has."""
    shape = SHAPES[name]
    if shape["type"] == "structure":
        for member, inner in value.items():
            if member in shape.get("required", ()):
                yield (*path, member)
            yield from required_places(shape["members"][member]["shape"], inner, (*path, member))
    elif shape["type"] == "list":
        for i, item in enumerate(value):
            yield from required_places(shape["member"]["shape"], item, (*path, i))


def put(value: Any, path: Path, leaf: Any) -> None:
    """Put a leaf into a value that is changed; None takes a member away."""
    *around, last = path
    for step in around:
        value = value[step]
    if leaf is None:
        del value[last]
    else:
        value[last] = leaf


def shown(path: Path) -> str:
    return ".".join(f"{step + 1}.member" if isinstance(step, int) else step[0].lower() + step[1:] for step in path)


def plain(value: Any) -> Any:
    """The request as it is parsed from JSON."""
    return protocol.parse(json.dumps(value, default=datetime.timestamp).encode())


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_what_is_broken_in_a_valid_request_is_named_and_nothing_else(operation: str, data: st.DataObject) -> None:
    shape = input_shape(operation)
    request = plain(data.draw(valid(shape)))
    can_break = [*places(shape, request), *((path, "") for path in required_places(shape, request))]
    if not can_break:
        VALIDATORS[operation](copy.deepcopy(request))
        return
    chosen = data.draw(st.lists(st.sampled_from(can_break), min_size=1, max_size=3, unique_by=lambda each: each[0]))
    # What lies below a member that is taken away cannot be broken besides.
    chosen = [
        (path, name)
        for path, name in chosen
        if not any(other != path and path[: len(other)] == other and not kind for other, kind in chosen)
    ]
    for path, name in chosen:
        put(request, path, data.draw(st.sampled_from(breaks(name))) if name else None)
    with pytest.raises(ValidationException) as error:
        VALIDATORS[operation](copy.deepcopy(request))
    told = error.value.message
    for path, _ in chosen:
        assert f"at '{shown(path)}' failed to satisfy constraint" in told
    expected = violations(shape, request)
    head, _, sentences = told.partition(" detected: ")
    assert head == f"{len(expected)} validation error{'s' if len(expected) > 1 else ''}"
    assert len(sentences) == len("; ".join(expected))
    assert all(sentence in sentences for sentence in expected)
