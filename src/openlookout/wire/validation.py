"""Validators compiled from the definition: required, length, range, pattern and enumeration, at any depth.

A validator takes parsed JSON and gives the request: members that the API does not know are dropped, null is absent,
times are datetimes. ALL violations are collected, in the wording that AWS's services use. A member of the wrong JSON
type is no violation but a SerializationException: nothing can be said of its value.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from openlookout.api.errors import SerializationException, ValidationException
from openlookout.api.instants import from_seconds

ECHO_CHARACTERS_MAX = 256
# Years 1 to 9999: what a datetime can be.
SECONDS_MIN, SECONDS_MAX = -62_135_596_800, 253_402_300_799

# No database keeps these in a text: PostgreSQL refuses NUL, and half a surrogate pair has no UTF-8. Ours.
_unkept = re.compile("[\0\ud800-\udfff]").search

# What the definition's patterns hold that Java and Python read differently; a test tries every pattern.
_JAVA_TO_PYTHON = (
    (".+", r"[^\n\r\x85\u2028\u2029]+"),  # No dot of Java matches a line end, of which Python knows one.
    (r"\p{ASCII}", r"[\x00-\x7f]"),
    (r"[\P{M}\p{M}]", r"(?s:.)"),  # A character that is no mark, or is one: any.
)

Violations = list[str]
Validator = Callable[[Any, str, Violations], Any]


def compile_validators(definition: Mapping[str, Any]) -> dict[str, Callable[[Any], dict[str, Any]]]:
    """Give, for each operation, the function that turns a parsed body into a valid request.

    The function raises:
        SerializationException: a member has another JSON type than it must.
        ValidationException: at least one constraint is broken; the message lists all.
    """
    compiled: dict[str, Validator] = {}
    for name in definition["shapes"]:
        _compile(name, definition["shapes"], compiled)
    return {name: _entry(compiled[operation["input"]["shape"]]) for name, operation in definition["operations"].items()}


def compile_shapes(definition: Mapping[str, Any], names: Iterable[str]) -> dict[str, Validator]:
    """Give, for each shape, the function that takes a value, where it stands, and a list to which it adds violations.

    The function raises SerializationException for a value of another JSON type than the shape's.
    """
    compiled: dict[str, Validator] = {}
    return {name: _compile(name, definition["shapes"], compiled) for name in names}


def _entry(validator: Validator) -> Callable[[Any], dict[str, Any]]:
    def validate(body: Any) -> dict[str, Any]:
        violations: Violations = []
        request: dict[str, Any] = validator(body, "", violations)
        if violations:
            errors = "error" if len(violations) == 1 else "errors"
            raise ValidationException(f"{len(violations)} validation {errors} detected: {'; '.join(violations)}")
        return request

    return validate


def _compile(name: str, shapes: Mapping[str, Any], compiled: dict[str, Validator]) -> Validator:
    if name not in compiled:
        shape = shapes[name]
        kind = shape["type"]
        if kind == "structure":
            compiled[name] = _structure(shape, shapes, compiled)
        elif kind == "list":
            compiled[name] = _list(shape, _compile(shape["member"]["shape"], shapes, compiled))
        elif kind == "string":
            compiled[name] = _string(shape)
        elif kind in {"integer", "long"}:
            compiled[name] = _integer(shape)
        else:
            compiled[name] = {"timestamp": _timestamp, "boolean": _boolean, "float": _float}[kind]
    return compiled[name]


def _structure(shape: Mapping[str, Any], shapes: Mapping[str, Any], compiled: dict[str, Validator]) -> Validator:
    required = [(member, _camel(member)) for member in shape.get("required", [])]
    members = {
        member: (_camel(member), _compile(target["shape"], shapes, compiled))
        for member, target in shape["members"].items()
    }

    def validate(value: Any, path: str, violations: Violations) -> dict[str, Any]:
        if type(value) is not dict:
            raise _mistyped(path, value, "an object")
        at = f"{path}." if path else ""
        for member, shown in required:
            if value.get(member) is None:
                violations.append(f"Value null at '{at}{shown}' failed to satisfy constraint: Member must not be null")
        valid = {}
        for member, given in value.items():
            if given is not None and member in members:
                shown, validator = members[member]
                valid[member] = validator(given, f"{at}{shown}", violations)
        return valid

    return validate


def _list(shape: Mapping[str, Any], validator: Validator) -> Validator:
    check = _bounds(shape, "length")
    most = shape.get("max")

    def validate(value: Any, path: str, violations: Violations) -> list[Any]:
        if type(value) is not list:
            raise _mistyped(path, value, "a list")
        check(len(value), value, path, violations)
        if most is not None and len(value) > most:
            return []  # Its length is the violation; a million items would make a million more.
        return [validator(item, f"{path}.{i}.member", violations) for i, item in enumerate(value, 1)]

    return validate


def _string(shape: Mapping[str, Any]) -> Validator:
    check = _bounds(shape, "length")
    allowed = shape.get("enum")
    pattern = shape.get("pattern")
    matches = compile_pattern(pattern).fullmatch if pattern else None
    values = frozenset(allowed or ())

    def validate(value: Any, path: str, violations: Violations) -> str:
        if type(value) is not str:
            raise _mistyped(path, value, "a string")
        check(len(value), value, path, violations)
        if unkept := _unkept(value):
            _violate(violations, value, path, f"Member must not contain the character U+{ord(unkept[0]):04X}")
        if matches is not None and not matches(value):
            _violate(violations, value, path, f"Member must satisfy regular expression pattern: {pattern}")
        if allowed is not None and value not in values:
            _violate(violations, value, path, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
        return value

    return validate


def _integer(shape: Mapping[str, Any]) -> Validator:
    check = _bounds(shape, "value")

    def validate(value: Any, path: str, violations: Violations) -> int:
        if type(value) is Decimal and value == value.to_integral_value():
            value = int(value)  # 5.0 is 5: JSON has one kind of number.
        if type(value) is not int:
            raise _mistyped(path, value, "an integer")
        check(value, value, path, violations)
        return value

    return validate


def _timestamp(value: Any, path: str, _violations: Violations) -> datetime:
    if type(value) not in {int, Decimal}:
        raise _mistyped(path, value, "a number of seconds since 1970-01-01T00:00:00Z")
    if not SECONDS_MIN <= value <= SECONDS_MAX:
        raise SerializationException(f"'{path}': {str(value)[:32]} seconds since 1970 is not in the years 1 to 9999.")
    return from_seconds(value)


def _boolean(value: Any, path: str, _violations: Violations) -> bool:
    if type(value) is not bool:
        raise _mistyped(path, value, "true or false")
    return value


def _float(value: Any, path: str, _violations: Violations) -> float:
    if type(value) not in {int, Decimal}:
        raise _mistyped(path, value, "a number")
    return float(value)


def _bounds(shape: Mapping[str, Any], what: str) -> Callable[[int, Any, str, Violations], None]:
    low, high = shape.get("min"), shape.get("max")

    def check(size: int, value: Any, path: str, violations: Violations) -> None:
        if low is not None and size < low:
            _violate(violations, value, path, f"Member must have {what} greater than or equal to {low}")
        if high is not None and size > high:
            _violate(violations, value, path, f"Member must have {what} less than or equal to {high}")

    return check


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A Java pattern of the definition as one of Python; to be used with `fullmatch`, whatever its anchors.

    `^A|B$` so means A or B as a whole. ASCII: Java's `\\d`, `\\s` and `\\w` are.
    """
    for java, python in _JAVA_TO_PYTHON:
        pattern = pattern.replace(java, python)
    return re.compile(pattern, re.ASCII)


def _violate(violations: Violations, value: Any, path: str, constraint: str) -> None:
    if isinstance(value, list):
        value = value[:ECHO_CHARACTERS_MAX]  # Not a million items for some characters.
    shown = str(value)
    if len(shown) > ECHO_CHARACTERS_MAX:
        shown = shown[:ECHO_CHARACTERS_MAX] + "..."
    violations.append(f"Value '{shown}' at '{path}' failed to satisfy constraint: {constraint}")


def _mistyped(path: str, value: Any, expected: str) -> SerializationException:
    found = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    where = f"'{path}'" if path else "the body"
    return SerializationException(f"{where} must be {expected}, not {found.get(type(value), 'a number')}.")


def _camel(member: str) -> str:
    return member[0].lower() + member[1:]
