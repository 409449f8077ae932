"""Durations as the API writes them: PT30S, PT5M, PT1H."""

import re
from datetime import timedelta

_DURATION = re.compile(r"PT(\d+)([SMH])")
_UNITS = {"S": timedelta(seconds=1), "M": timedelta(minutes=1), "H": timedelta(hours=1)}


def duration(text: str) -> timedelta:
    """Give the length of an upload frequency or sampling rate."""
    match = _DURATION.fullmatch(text)
    assert match is not None, text
    return int(match[1]) * _UNITS[match[2]]
