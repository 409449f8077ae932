"""AWS JSON 1.0: the target of a request, its body, the body of an answer and of an error. Knows bytes and JSON."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import msgspec

from openlookout.api.errors import SerializationException, UnknownOperationException
from openlookout.api.instants import SECONDS_EXACT_MAX, SECONDS_PLAIN_MIN, Seconds, seconds_of, to_microseconds
from openlookout.api.service_error import ServiceError

CONTENT_TYPE = "application/x-amz-json-1.0"
# What clients of this protocol and plain HTTP tools send for JSON. None is read too: a body has one meaning here.
CONTENT_TYPES = frozenset({CONTENT_TYPE, "application/x-amz-json-1.1", "application/json", ""})
TARGET_PREFIX = "AWSLookoutEquipmentFrontendService."
DIGITS_MAX = 400  # Of one number: Python's conversion is quadratic in the digits.
NESTING_MAX = 64  # The deepest request of the API has 6 levels; each Python would stop at another depth.

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def operation_of(target: str | None, operations: Mapping[str, Any]) -> str:
    """Give the operation that X-Amz-Target names.

    Raises:
        UnknownOperationException: it names none of this service.
    """
    if target is None:
        raise UnknownOperationException("The request has no X-Amz-Target header.")
    trimmed = target.strip(" \t")  # Blanks around a header's value are none of it (RFC 9110, 5.5).
    name = trimmed.removeprefix(TARGET_PREFIX)
    if name == trimmed or name not in operations:
        raise UnknownOperationException(f"The target '{target[:256]}' names no operation of this service.")
    return name


def check_content_type(content_type: str) -> None:
    """Refuse a body that says that it is not JSON.

    Raises:
        SerializationException: it is a form, plain text, ...: nothing that a page of another site can post unasked.
    """
    if content_type.partition(";")[0].strip().lower() not in CONTENT_TYPES:
        raise SerializationException(f"The Content-Type must be {CONTENT_TYPE}, not '{content_type[:128]}'.")


def parse(body: bytes) -> Any:
    """Parse a body; numbers with a fraction become Decimal, so that times are exact. An empty body is an empty object.

    Raises:
        SerializationException: it is not UTF-8 or not JSON, or nested deeper than NESTING_MAX; a member is given twice;
            a number is not finite or longer than DIGITS_MAX.
    """
    _check_nesting(body)
    try:
        return _DECODER.decode(body.decode() or "{}")
    except ValueError as error:
        raise SerializationException(f"The body is not JSON: {error}") from None


def serialise(response: Mapping[str, Any] | None) -> bytes:
    """Give the body of an answer: members that are None are absent, times are seconds since 1970."""
    return b"" if response is None else _ENCODER.encode(_plain(response))


def error_body(error: ServiceError) -> bytes:
    """Give the body of an error, with the message under both names that clients look for."""
    # A message may quote half a surrogate pair of the request, which no encoder takes.
    message = error.message.encode("utf-8", "replace").decode()
    return msgspec.json.encode({"__type": error.code, "Message": message, "message": message})


def _plain(value: Any) -> Any:
    # By the very type first: most members are plain, and asking an abstract class about each costs more than the rest.
    kind = type(value)
    if kind is dict:
        return _plain_members(value)
    if kind is list:
        is_written = bool(value) and isinstance(value[0], msgspec.Struct)  # In the form in which it is written.
        return value if is_written else [_plain_members(one) if type(one) is dict else _plain(one) for one in value]
    if kind is datetime:
        return _seconds(value)
    if isinstance(value, Mapping):
        return _plain_members(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _plain_members(value: Mapping[str, Any]) -> dict[str, Any]:
    """A loop, for a comprehension would call a function for each time, and a page of rows has many."""
    plain: dict[str, Any] = {}
    for member, given in value.items():
        kind = type(given)
        if kind is str or kind is int:
            plain[member] = given
        elif given is None:
            continue
        elif kind is datetime:
            plain[member] = _seconds(given)
        else:
            plain[member] = _plain(given)
    return plain


def _seconds(at: datetime) -> Seconds:
    if at.tzinfo is UTC and SECONDS_PLAIN_MIN <= (seconds := at.timestamp()) < SECONDS_EXACT_MAX:
        return seconds  # Many times faster than what follows, and the same.
    return seconds_of(to_microseconds(at))


def _check_nesting(body: bytes) -> None:
    if body.count(b"[") + body.count(b"{") <= NESTING_MAX:
        return
    depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > NESTING_MAX:
            raise SerializationException(f"The body is nested more than {NESTING_MAX} levels deep.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                message = f"the member '{name[:256]}' is given twice"
                raise ValueError(message)
            seen.add(name)
    return members


def _decimal(text: str) -> Decimal:
    if len(text) > DIGITS_MAX:
        message = f"a number of {len(text)} characters; {DIGITS_MAX} are read"
        raise ValueError(message)
    message = f"the number {text[:32]} is out of range"
    try:
        value = Decimal(text)
    except InvalidOperation:  # Its exponent is longer than a Decimal's.
        raise ValueError(message) from None
    if abs(value.adjusted()) > DIGITS_MAX:
        raise ValueError(message)
    return value


def _integer(text: str) -> int:
    if len(text) > DIGITS_MAX:
        message = f"a number of {len(text)} characters; {DIGITS_MAX} are read"
        raise ValueError(message)
    return int(text)


def _refuse_constant(text: str) -> NoReturn:
    message = f"{text} is no JSON number"
    raise ValueError(message)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_refuse_constant
)
