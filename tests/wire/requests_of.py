"""Requests made from the definition: valid ones, wild ones of the right JSON types, and a slow judge of both."""

import re
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from openlookout.api.definition import definition
from openlookout.wire.validation import compile_pattern

SHAPES = definition()["shapes"]
OPERATIONS = sorted(definition()["operations"])
TEXT = st.characters(codec="utf-8", exclude_characters="\0")
# Every year that a double shows to the microsecond: botocore sends times through one.
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def input_shape(operation: str) -> str:
    """The name of an operation's input shape."""
    name: str = definition()["operations"][operation]["input"]["shape"]
    return name


def valid(name: str) -> st.SearchStrategy[Any]:
    """Values of a shape that break no constraint."""
    shape = SHAPES[name]
    match shape["type"]:
        case "structure":
            members = {member: valid(target["shape"]) for member, target in shape["members"].items()}
            required = set(shape.get("required", ()))
            return st.fixed_dictionaries(
                {member: members[member] for member in members if member in required},
                optional={member: members[member] for member in members if member not in required},
            )
        case "list":
            return st.lists(valid(shape["member"]["shape"]), max_size=3)
        case "string":
            return _valid_text(shape)
        case "integer" | "long":
            return st.integers(shape.get("min", 0), shape.get("max", 2**63 - 1))
        case "float" | "double":
            return st.floats(allow_nan=False, allow_infinity=False, width=32 if shape["type"] == "float" else 64)
        case "timestamp":
            return MOMENTS
        case "boolean":
            return st.booleans()
    raise AssertionError(shape)


def _valid_text(shape: dict[str, Any]) -> st.SearchStrategy[str]:
    if "enum" in shape:
        return st.sampled_from(shape["enum"])
    low, high = shape.get("min", 0), shape.get("max", 10**6)
    if "pattern" not in shape:
        return st.text(TEXT, min_size=low, max_size=min(high, 40))
    # Long texts take long to make; the limits of length have a test of their own.
    pattern = re.sub(r"\{([01]),\d{3,}\}", r"{\1,12}", compile_pattern(shape["pattern"]).pattern)
    texts = st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True, alphabet=TEXT)
    return texts.filter(lambda text: low <= len(text) <= high)


def wild(name: str) -> st.SearchStrategy[Any]:
    """Values of a shape's JSON type that may break any constraint at any depth."""
    shape = SHAPES[name]
    match shape["type"]:
        case "structure":
            members = {member: st.none() | wild(target["shape"]) for member, target in shape["members"].items()}
            return st.fixed_dictionaries({}, optional=members)
        case "list":
            return st.lists(wild(shape["member"]["shape"]), max_size=4)
        case "string":
            edges = [bound + more for bound in (shape.get("min", 0), shape.get("max", 0)) for more in (-1, 0, 1)]
            near = st.sampled_from([size for size in edges if 0 <= size <= 3000] or [0]).map("a".__mul__)
            return st.text(st.characters(), max_size=8) | near | _valid_text(shape)
        case "integer" | "long":
            return st.integers(-3, 600)
        case "timestamp":
            return st.integers(0, 2**32)
    return st.booleans()


def violations(name: str, value: Any, path: str = "") -> list[str]:
    """The slow, obvious judge: one sentence for each constraint that a parsed value breaks, in no order."""
    shape = SHAPES[name]
    said = []

    def broken(constraint: str) -> None:
        shown = str(value) if len(str(value)) <= 256 else str(value)[:256] + "..."
        said.append(f"Value '{shown}' at '{path}' failed to satisfy constraint: Member must {constraint}")

    kind = shape["type"]
    if kind in {"string", "list", "integer", "long"}:
        size = len(value) if kind in {"string", "list"} else value
        word = "length" if kind in {"string", "list"} else "value"
        if size < shape.get("min", size):
            broken(f"have {word} greater than or equal to {shape['min']}")
        if size > shape.get("max", size):
            broken(f"have {word} less than or equal to {shape['max']}")
    if kind == "string":
        unkept = [character for character in value if character == "\0" or "\ud800" <= character <= "\udfff"]
        if unkept:
            broken(f"not contain the character U+{ord(unkept[0]):04X}")
        if "pattern" in shape and not compile_pattern(shape["pattern"]).fullmatch(value):
            broken(f"satisfy regular expression pattern: {shape['pattern']}")
        if "enum" in shape and value not in shape["enum"]:
            broken(f"satisfy enum value set: [{', '.join(shape['enum'])}]")
    if kind == "structure":
        for member, target in shape["members"].items():
            below = f"{path}.{member[0].lower()}{member[1:]}".removeprefix(".")
            if value.get(member) is not None:
                said += violations(target["shape"], value[member], below)
            elif member in shape.get("required", ()):
                said.append(f"Value null at '{below}' failed to satisfy constraint: Member must not be null")
    if kind == "list":
        for i, item in enumerate(value, 1):
            said += violations(shape["member"]["shape"], item, f"{path}.{i}.member")
    return said
