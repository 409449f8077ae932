"""Times as answers have them: seconds since 1970, a plain decimal number to the microsecond. A leaf."""

from msgspec import Raw

SECONDS_PLAIN_MIN = 1  # A float much below is written with an exponent.
SECONDS_EXACT_MAX = 2**32  # Below, a float of seconds tells every microsecond from the next.

# What the encoder writes as a number.
Seconds = float | Raw


def seconds_of(microseconds: int) -> Seconds:
    """Give the seconds of whole microseconds since 1970; with microseconds where a time has them."""
    if SECONDS_PLAIN_MIN * 1_000_000 <= microseconds < SECONDS_EXACT_MAX * 1_000_000:
        return microseconds / 1_000_000
    whole, micros = divmod(abs(microseconds), 1_000_000)
    sign = "-" if microseconds < 0 else ""
    return Raw(f"{sign}{whole}.{micros:06}" if micros % 1000 else f"{sign}{whole}.{micros // 1000:03}")
