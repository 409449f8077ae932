"""Time spans and persistences as people write them: 90s, 15m, 4h, 2d; 3/5."""

import re

_SPAN = re.compile(r"(\d{1,9})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_of(text: str) -> int:
    """Raises ValueError: the text is no time span."""
    found = _SPAN.fullmatch(text)
    if found is None:
        message = f"'{text}' is no time span; 90s, 15m, 4h and 2d are"
        raise ValueError(message)
    return int(found[1]) * _UNITS[found[2]]


def rows_of(text: str) -> tuple[int, int]:
    """k and n of k/n. Raises ValueError: it is not of that form."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if found is None:
        message = f"'{text}' is no persistence; 3/5 is, for three of the last five rows"
        raise ValueError(message)
    return int(found[1]), int(found[2])
