"""Instants: aware UTC datetimes, as whole microseconds since 1970 and as seconds on the wire. A leaf."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import Raw

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECONDS_PLAIN_MIN = 1  # A float much below is written with an exponent.
SECONDS_EXACT_MAX = 2**32  # Below, a float of seconds tells every microsecond from the next.

# What the encoder writes as a number.
Seconds = float | Raw


def to_microseconds(at: datetime) -> int:
    """Whole microseconds since the epoch; exact, unlike `timestamp()`."""
    return (at - EPOCH) // MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The aware UTC datetime of whole microseconds since the epoch."""
    return EPOCH + value * MICROSECOND


def as_text(microseconds: int) -> str:
    """Microseconds since the epoch as files of results show them, in UTC: 2024-01-31T23:59:59.000000."""
    return from_microseconds(microseconds).strftime("%Y-%m-%dT%H:%M:%S.%f")


def from_seconds(seconds: int | Decimal) -> datetime:
    """The aware UTC datetime of seconds since the epoch, to the nearest microsecond."""
    return from_microseconds(round(seconds * 1_000_000))


def seconds_of(microseconds: int) -> Seconds:
    """Give the seconds of whole microseconds since 1970 as a plain decimal number; with microseconds if it has any."""
    if SECONDS_PLAIN_MIN * 1_000_000 <= microseconds < SECONDS_EXACT_MAX * 1_000_000:
        return microseconds / 1_000_000
    whole, micros = divmod(abs(microseconds), 1_000_000)
    sign = "-" if microseconds < 0 else ""
    return Raw(f"{sign}{whole}.{micros:06}" if micros % 1000 else f"{sign}{whole}.{micros // 1000:03}")
