"""What the definition says of an output, as raw JSON or as botocore parsed it."""

from datetime import datetime
from itertools import chain
from typing import Any

from botocore.model import Shape

from conformance.definition import SERVICE, admits

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (int, float, datetime),
}


def output_problems(operation: str, output: Any) -> list[str]:
    """Each way in which an output is not what the definition says: types, unknown members, null, constraints."""
    shape = SERVICE.operation_model(operation).output_shape
    if shape is None:
        return [] if not output else [f"there is an output: {output!r}"]
    return _problems(shape, output, operation)


def _problems(shape: Shape, value: Any, path: str) -> list[str]:
    match shape.type_name:
        case "structure":
            if not isinstance(value, dict):
                return [f"{path}: no object, {value!r}"]
            unknown = [f"{path}.{name}: not in the definition" for name in value if name not in shape.members]
            lacking = [f"{path}.{name}: required" for name in shape.required_members if name not in value]
            known = [name for name in value if name in shape.members]
            inner = (_problems(shape.members[name], value[name], f"{path}.{name}") for name in known)
            return [*unknown, *lacking, *chain.from_iterable(inner)]
        case "list":
            if not isinstance(value, list):
                return [f"{path}: no list, {value!r}"]
            items = (_problems(shape.member, item, f"{path}[{i}]") for i, item in enumerate(value))
            return list(chain.from_iterable(items))
    if isinstance(value, bool) != (shape.type_name == "boolean") or not isinstance(value, TYPES[shape.type_name]):
        return [f"{path}: {value!r} is no {shape.type_name}"]
    if shape.type_name == "string" and not admits(shape, value):
        return [f"{path}: {value[:80]!r} breaks {shape.metadata}"]
    if shape.type_name in {"integer", "long", "float", "double"}:
        low, high = shape.metadata.get("min", value), shape.metadata.get("max", value)
        return [] if low <= value <= high else [f"{path}: {value!r} breaks {shape.metadata}"]
    return []
