"""Labels as files: CSV without header, two columns, start and end of each labelled window.

Guide, "Labeling your data". A window is closed at both ends; times without zone are UTC, as in the sensor files.
"""

import csv
import io
import re
from datetime import UTC, datetime

import polars as pl

from openlookout.timeseries.timestamps import parse_timestamps

LABELS_MAX = 100_000
# The guide's own table writes 1/1/2020 0:00, month first; sensor files never do.
_MONTH_FIRST = re.compile(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*")


class LabelError(Exception):
    """A label file cannot be read; the message names file, line and what is wrong."""


def parse_labels(name: str, content: bytes) -> list[tuple[int, int]]:
    """Give (start, end) of each label in microseconds since the epoch, in the order of the file.

    A first line that holds no times but words is taken as a header; blank lines are nothing.

    Raises:
        LabelError: a line has not two times, or ends before it starts.
    """
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"label file '{name}' is not CSV: {error}") from None
    lines = [(number, row) for number, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    if len(lines) > LABELS_MAX:
        raise LabelError(f"label file '{name}' has {len(lines)} lines; {LABELS_MAX} is the limit")
    labels: list[tuple[int, int]] = []
    for number, row in lines:
        if len(row) < 2:
            raise LabelError(f"label file '{name}', line {number}: start and end are needed, there is one column")
        start, end = _time(row[0]), _time(row[1])
        if start is None or end is None:
            if number == 1 and not re.search(r"\d{4}", row[0]):
                continue
            wrong = row[0] if start is None else row[1]
            raise LabelError(f"label file '{name}', line {number}: '{wrong[:100]}' is no time")
        if end < start:
            raise LabelError(f"label file '{name}', line {number}: the end {row[1]} is before the start {row[0]}")
        labels.append((start, end))
    return labels


def _time(text: str) -> int | None:
    match = _MONTH_FIRST.fullmatch(text)
    if match:
        month, day, year, hour, minute, second = (int(part or 0) for part in match.groups())
        try:
            return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1_000_000
        except ValueError:
            return None
    value: int | None = parse_timestamps(pl.Series([text]), None)[0][0]
    return value
