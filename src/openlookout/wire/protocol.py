"""AWS JSON 1.0: the target of a request, its body, the body of an answer and of an error. Knows bytes and JSON."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import msgspec

from openlookout.api.errors import SerializationException, UnknownOperationException
from openlookout.api.service_error import ServiceError

CONTENT_TYPE = "application/x-amz-json-1.0"
TARGET_PREFIX = "AWSLookoutEquipmentFrontendService."
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DIGITS_MAX = 400  # Of one number: Python's conversion is quadratic in the digits.


def operation_of(target: str | None, operations: Mapping[str, Any]) -> str:
    """Give the operation that X-Amz-Target names.

    Raises:
        UnknownOperationException: it names none of this service.
    """
    if target is None:
        raise UnknownOperationException("The request has no X-Amz-Target header.")
    name = target.removeprefix(TARGET_PREFIX)
    if name == target or name not in operations:
        raise UnknownOperationException(f"The target '{target[:256]}' names no operation of this service.")
    return name


def parse(body: bytes) -> Any:
    """Parse a body; numbers with a fraction become Decimal, so that times are exact. An empty body is an empty object.

    Raises:
        SerializationException: it is not UTF-8 or not JSON; a member is given twice; a number is not finite.
    """
    try:
        return json.loads(
            body or b"{}",
            object_pairs_hook=_object,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise SerializationException("The body is nested too deeply.") from None
    except ValueError as error:
        raise SerializationException(f"The body is not JSON: {error}") from None


def serialise(response: Mapping[str, Any] | None) -> bytes:
    """Give the body of an answer: members that are None are absent, times are seconds since 1970."""
    return b"" if response is None else msgspec.json.encode(_plain(response))


def error_body(error: ServiceError) -> bytes:
    """Give the body of an error, with the message under both names that clients look for."""
    return msgspec.json.encode({"__type": error.code, "Message": error.message, "message": error.message})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {member: _plain(given) for member, given in value.items() if given is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return (value - EPOCH) // MICROSECOND / 1_000_000
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the member '{twice[:256]}' is given twice"
        raise ValueError(message)
    return members


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if len(text) > DIGITS_MAX or abs(value.adjusted()) > DIGITS_MAX:
        message = f"the number {text[:32]} is out of range"
        raise ValueError(message)
    return value


def _integer(text: str) -> int:
    if len(text) > DIGITS_MAX:
        message = f"a number of {len(text)} digits; {DIGITS_MAX} are read"
        raise ValueError(message)
    return int(text)


def _refuse_constant(text: str) -> NoReturn:
    message = f"{text} is no JSON number"
    raise ValueError(message)
