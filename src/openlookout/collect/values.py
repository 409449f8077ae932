"""Times and numbers as devices write them in JSON. Pure."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openlookout.api.instants import to_microseconds

# 1973 in milliseconds is 1e11; 5138 in seconds too: what is greater is no longer seconds.
_SECONDS_MAX, _MILLISECONDS_MAX, _MICROSECONDS_MAX = 1e11, 1e14, 1e17


class BadValue(Exception):
    """A payload says no time, or is none; the message says which."""


def time_us(said: Any) -> int:
    """Read ISO 8601 text (UTC without an offset), or a number since the epoch in s, ms, us or ns, told by its size.

    Raises:
        BadValue: it is neither.
    """
    if isinstance(said, bool) or said is None:
        raise BadValue(f"{said!r} is no time")
    if isinstance(said, int | float):
        if not math.isfinite(said) or said < 0:
            raise BadValue(f"{said!r} is no time")
        for most, unit in ((_SECONDS_MAX, 1_000_000), (_MILLISECONDS_MAX, 1000), (_MICROSECONDS_MAX, 1)):
            if said < most:
                return round(said * unit)
        return int(said) // 1000
    try:
        at = datetime.fromisoformat(said)
    except (ValueError, TypeError):
        raise BadValue(f"{str(said)[:50]!r} is no time") from None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return to_microseconds(aware)


def number(said: Any) -> float | None:
    """Read a number, a text of one, or a truth value; None for what is no reading."""
    if isinstance(said, str):
        try:
            said = float(said)
        except ValueError:
            return None
    if isinstance(said, bool | int | float):
        value = float(said)
        return value if math.isfinite(value) else None
    return None


def at_path(document: Any, path: str) -> Any:
    """Give what stands at `a.b.c`, or at the member of that whole name; None where nothing does."""
    if isinstance(document, Mapping) and path in document:
        return document[path]
    for part in path.split("."):
        if not isinstance(document, Mapping) or part not in document:
            return None
        document = document[part]
    return document
